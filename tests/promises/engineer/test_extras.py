"""Without the packages of an extra, a command that needs them says in a sentence what to install."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from etl.cli.errors import sentence
from etl.pipeline.pipeline import Pipeline
from tests import commands
from tests.city import expectations_of

PROJECT = Path(__file__).parents[3]
EXTRAS = ("warehouse", "linkage", "s3")
HIDDEN = "import sys; sys.modules.update(dict.fromkeys({hidden!r})); from etl.cli import main; main()"


@pytest.fixture(scope="module")
def environment(new_pipeline: Callable[..., Pipeline], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A deployment of one dataset."""
    folder = expectations_of(tmp_path_factory.mktemp("extras") / "expectations", "civil.births")
    url = new_pipeline(folder).engine.url.render_as_string(hide_password=False)
    return os.environ | {"CITYDW_EXPECTATIONS": str(folder), "CITYDW_DATABASE_URL": url, "CITYDW_QUIET_SECONDS": "0"}


def test_every_package_of_an_extra_is_known_by_it() -> None:
    declared = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    for extra in EXTRAS:
        packages = {Requirement(line).name for line in declared[extra]} - {"citydw"}
        assert packages
        for package in packages:
            missing = ModuleNotFoundError(f"No module named {package!r}", name=package)
            assert f"pip install 'citydw[{extra}]'" in sentence(missing), package


@pytest.mark.parametrize(
    ("hidden", "arguments", "extra"),
    [
        (["pgpq"], ["run", "tests"], "warehouse"),
        (["sqlalchemy", "psycopg"], ["marts"], "warehouse"),
        (["splink"], ["link"], "linkage"),
        (["s3fs"], ["audit"], "s3"),
        (["botocore"], ["audit"], "s3"),
    ],
)
def test_what_is_missing_is_said_in_a_sentence(
    hidden: list[str], arguments: list[str], extra: str, environment: dict[str, str], tmp_path: Path
) -> None:
    environment = environment | {"CITYDW_HOME": str(tmp_path)}
    if extra == "s3":
        environment["CITYDW_DATA"] = "s3://bucket/data"
    # In an interpreter of its own: one that is forked may have loaded what is hidden.
    command = [sys.executable, "-c", HIDDEN.format(hidden=hidden), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.strip().endswith(f"pip install 'citydw[{extra}]'")
    assert "Traceback" not in done.stdout + done.stderr


def test_a_run_needs_no_great_expectations_and_its_pages_are_written_when_asked_for(
    environment: dict[str, str], clean_day: Path, tmp_path: Path
) -> None:
    (file, *_) = (clean_day / "civil" / "births").iterdir()
    environment = environment | {"CITYDW_HOME": str(tmp_path)}
    program = HIDDEN.format(hidden=["great_expectations"])
    done = commands.run("run", str(file), "--dataset", "civil.births", env=environment, program=program)
    assert (done.returncode, done.stderr) == (0, "")
    index = tmp_path / "great_expectations" / "data_docs" / "index.html"
    assert f"citydw site): {index}" in done.stdout
    assert not index.parent.exists()
    assert commands.run("site", env=environment).returncode == 0
    (page,) = index.parent.glob("validations/civil/births/**/*.html")
    assert page.relative_to(index.parent).as_posix() in index.read_text("utf-8")
