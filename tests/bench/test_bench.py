"""The benchmark's machinery, on few rows: what it measures is not asserted."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.__main__ import PAGE, app

ROWS = 2000


@pytest.fixture(scope="module")
def measured() -> Iterator[tuple[Path, str]]:
    # Not in pytest's own temporary folder: another pytest of the same user that starts meanwhile shuts that for others,
    # and so for the account that runs a server for root.
    with tempfile.TemporaryDirectory(prefix="citydw-bench-") as folder:
        options = f"--size {ROWS} --rounds 1 --rows-of visits --folder {folder}".split()
        done = CliRunner().invoke(app, ["run", "--cases", "5 6 asof", *options], catch_exceptions=False)
        assert done.exit_code == 0
        yield Path(folder), done.output


def test_each_case_is_in_the_tables_and_in_the_results(measured: tuple[Path, str]) -> None:
    folder, output = measured
    cases = {case["case"]: case for case in json.loads((folder / "results.json").read_text("utf-8"))["cases"]}
    assert list(cases) == ["5", "6", "asof"]
    for case in cases.values():
        assert case["title"] in output
        assert all(target["target"] in output for target in case["targets"])
    small, _ = cases["5"]["runs"]
    assert small["notes"]["counts"]["rows_in"] > 0.9 * small["rows"]
    assert all(small["notes"]["stations"][name] > 0 for name in ("receive", "extract", "load", "receipt"))
    bad, good = cases["6"]["runs"]
    assert bad["notes"]["counts"]["rejected"] > 10 * good["notes"]["counts"]["rejected"]
    for run in (bad, good):
        assert run["median"] > 0 < run["peak_mib"]
        assert set(run["notes"]["stations"]) == {"extract", "validate", "normalize", "load", "indexes"}
    (look_back,) = cases["asof"]["runs"]
    for kind, query in look_back["notes"]["queries"].items():
        assert query["rows"] > 0, kind
        assert any("Execution Time" in line for line in query["plan"])


def test_the_figures_are_copied_into_the_page(measured: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = measured
    page = tmp_path / PAGE.name
    shutil.copy(PAGE, page)
    for _ in range(2):  # the second time in place of the first
        done = CliRunner().invoke(app, ["docs", "--folder", str(folder), "--page", str(page)], catch_exceptions=False)
        assert done.exit_code == 0
    text = page.read_text("utf-8")
    assert text.count("at most 1.5 x case 1") == 1
    assert text.index("## Figures") < text.index("at most 1.5 x case 1") < text.index("## How to run it")
    assert "at most 1.5 x case 1" in page.with_suffix(".svg").read_text("utf-8")


def test_an_unknown_case_is_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["run", "--cases", "1 eight", "--folder", str(tmp_path)])
    assert done.exit_code == 2
    assert "eight" in done.output
