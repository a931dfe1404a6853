"""Rules are judged as polars expressions, a batch at a time: with the answers that Great Expectations itself gives."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import traceback
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from upath import UPath

from etl.contract import Contract, load_all
from etl.delivery import batches
from etl.delivery.columns import AS_OF
from etl.delivery.model import Delivery
from etl.delivery.storage import Storage
from etl.pipeline import stations
from etl.receive.landing import land
from etl.settings import EXPECTATIONS
from etl.validate import core_conditions as core
from etl.validate import own_conditions as own
from etl.validate import results
from etl.validate.conditions import Condition
from etl.validate.expected import Expectation, follows
from etl.validate.findings import Finding, JudgeError, judge, merged
from etl.validate.kinds import KINDS
from etl.validate.rows import Rows
from etl.validate.suite import expected, read
from tests.city import CONTRACTS

BIRTHS = load_all()["civil.births"]
META = {"rule": "r", "vi": "v", "en": "e", "dimension": "validity", "responsible": "agency"}
COUNTS = ("element_count", "unexpected_count", "missing_count", "unexpected_percent", "missing_percent")
TEXTS = ["", "a", "ab", "ABC", "đường", "0123", "1 2", "x\n", "\t", "٣", "K", "ſ"]
PATTERNS = [r"^\w+$", r"\d", r"^.?$", r"^x$", r"\s", "(?i)k", r"(?=a)a", r"(.)\1", r"^[^\W\d]*\Z"]
COLUMNS: dict[str, tuple[st.SearchStrategy[Any], Any]] = {
    "whole": (st.integers(-3, 3) | st.sampled_from([2**53 + 1, -(2**62)]), pl.Int64()),
    "other": (st.integers(-3, 3), pl.Int64()),
    "decimal": (st.integers(-250, 250).map(lambda n: Decimal(n).scaleb(-2)), pl.Decimal(18, 2)),
    "real": (st.sampled_from([-1.5, 0.0, 0.5, 1.0, 2.0, math.inf, -math.inf, math.nan]), pl.Float64()),
    "text": (st.sampled_from(TEXTS), pl.String()),
    "said": (st.sampled_from(["2026", "02/2026", "28/02/2026", "31/02/2026", "x"]), pl.String()),
    "code": (st.sampled_from([BIRTHS.column("sex").example, "?", "1", ""]), pl.String()),
    "shape": (
        st.sampled_from(["POLYGON ((0 0, 4 0, 4 1, 0 1, 0 0))", "POINT (0 0)", "POINT (602966 1191274)", "?"]),
        pl.String(),
    ),
    "ward": (st.sampled_from(["26743", "27664", "99999"]), pl.String()),
}
DAYS = st.integers(-400, 3).map(lambda n: date(2026, 3, 1) + timedelta(n))


@st.composite
def frames(draw: st.DrawFn) -> pl.DataFrame:
    """Rows with nulls in any share, and numbers, texts and days of all kinds about the bounds."""
    height = draw(st.integers(1, 20))

    def column(values: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(values, min_size=height, max_size=height))

    nulls = draw(st.sampled_from([0, 1, 2]))  # none, some or all
    made = {
        name: pl.Series(column([values, st.none() | values, st.none()][nulls]), dtype=kind)
        for name, (values, kind) in COLUMNS.items()
    }
    days = {name: pl.Series(column(DAYS), dtype=pl.Date) for name in ("day", "later")}
    return pl.DataFrame({"_row": range(height)} | made | days)


@st.composite
def conditions(draw: st.DrawFn) -> list[Condition]:
    """One or more of each kind that is judged without Great Expectations."""
    mostly = {"mostly": draw(st.sampled_from([0.5, 0.8, 0.95, 1.0]))}
    quarter = st.integers(-8, 8).map(lambda n: n / 4)  # as it is written, a float holds it
    least, most = sorted([draw(quarter), draw(quarter)])
    bound = draw(st.sampled_from([{"min_value": least}, {"max_value": most}, {"min_value": least, "max_value": most}]))
    bounds = bound | {"strict_min": draw(st.booleans()), "strict_max": draw(st.booleans())}
    lengths = {name: int(value) if "value" in name else value for name, value in bounds.items()}
    patterns = draw(st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=3))
    several = draw(st.sampled_from(["all_values_are_missing", "any_value_is_missing", "never"]))
    pair = {"or_equal": draw(st.booleans())}
    missing = draw(st.sampled_from(["both_values_are_missing", "either_value_is_missing", "neither"]))
    either = {"ignore_row_if": "either_value_is_missing"} | mostly  # else Great Expectations fails at a null
    texts, numbers = draw(st.lists(st.sampled_from(TEXTS), min_size=1)), draw(st.lists(st.integers(-3, 3), min_size=1))
    slack = draw(st.integers(0, 2))
    return [
        *(core.NotNull(column=name, **mostly) for name in COLUMNS),
        *(core.Null(column=name, **mostly) for name in COLUMNS),
        *(core.Between(column=name, **bounds, **mostly) for name in ("whole", "decimal", "real")),
        core.Between(column="whole", max_value=2.0**53, **mostly),
        core.LengthsBetween(column="text", **lengths, **mostly),
        core.LengthsEqual(column="text", value=2, **mostly),
        *(core.MatchRegex(column="text", regex=pattern, **mostly) for pattern in patterns),
        core.NotMatchRegex(column="text", regex=patterns[0], **mostly),
        core.MatchRegexList(column="text", regex_list=patterns, match_on="any", **mostly),
        core.MatchRegexList(column="text", regex_list=patterns, match_on="all", **mostly),
        core.NotMatchRegexList(column="text", regex_list=patterns, **mostly),
        core.InSet(column="text", value_set=texts, **mostly),
        core.NotInSet(column="text", value_set=texts, **mostly),
        core.InSet(column="whole", value_set=numbers, **mostly),
        core.NotInSet(column="whole", value_set=numbers, **mostly),
        core.PairGreater(column_A="whole", column_B="other", **pair, **either),
        core.PairGreater(column_A="day", column_B="later", ignore_row_if=missing, **pair, **mostly),
        core.PairEqual(column_A="whole", column_B="other", **either),
        core.PairEqual(column_A="day", column_B="later", ignore_row_if=missing, **mostly),
        *(core.Unique(column=name, **mostly) for name in ("whole", "decimal", "text", "day")),
        core.UniqueTogether(column_list=["other", "text"], ignore_row_if=several, **mostly),
        own.RowCondition(column_list=["other", "whole"], condition="other > whole", ignore_row_if=several, **mostly),
        own.DaysInOrder(column_list=["said", "day"], slack=slack, ignore_row_if=several, **mostly),
        own.DaysInOrder(column_list=["said", "day"], at_most=300, **mostly),
        own.NearWard(column_list=["ward", "shape", "day"], ignore_row_if=several, **mostly),
        own.NearWard(column_list=["ward", "shape"], **mostly),
        own.AreaAgrees(column_list=["decimal", "shape"], times=2.0, slack=0.5, ignore_row_if=several, **mostly),
    ]


def expectation(condition: Condition) -> Expectation:
    return Expectation.of(condition, META, "critical")


def plain(frame: pl.DataFrame, asked: Sequence[Any]) -> list[dict[str, Any]]:
    """What Great Expectations itself says of all rows, by its public API."""
    import great_expectations as gx  # here and not above: seconds, wherever tests are collected

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    definition = context.data_sources.add_pandas("p").add_dataframe_asset("a").add_batch_definition_whole_dataframe("b")
    batch = definition.get_batch(batch_parameters={"dataframe": frame.to_pandas(use_pyarrow_extension_array=True)})
    answers = []
    for one in asked:
        result = batch.validate(one, result_format="COMPLETE")
        assert not any("Traceback" in str(value) for value in result.exception_info.values()), result
        failing = {"success": result.success, "failing": result.result.get("unexpected_index_list") or []}
        answers.append(failing | {count: result.result.get(count) for count in COUNTS})
    return answers


def ours(finding: Finding, positions: np.ndarray[Any, Any]) -> dict[str, Any]:
    failing = {"success": finding.success, "failing": positions.tolist()}
    return failing | {count: finding.result.get(count) for count in COUNTS}


@settings(max_examples=20, suppress_health_check=list(HealthCheck))
@given(frames(), conditions())
def test_rules_are_judged_as_great_expectations_judges_them(frame: pl.DataFrame, made: list[Condition]) -> None:
    from etl.validate import gx as with_gx

    assert {type(condition) for condition in made} == {*KINDS.values()}
    assert all(condition.suits(frame.schema) for condition in made)
    asked = [expectation(condition) for condition in made]
    theirs = plain(frame, [with_gx.kind(e.type)(**e.kwargs) for e in asked])
    found = judge(Rows(frame, BIRTHS), asked)
    for one, answer in zip(found, theirs, strict=True):
        assert ours(one, one.positions) == answer, one.expectation.kwargs


@settings(max_examples=30)
@given(frames(), conditions(), st.integers(1, 20))
def test_batches_are_judged_as_the_whole(frame: pl.DataFrame, made: list[Condition], size: int) -> None:
    asked = [e for e in map(expectation, made) if e.is_rowwise]
    lots = list(frame.iter_slices(size))
    parts = [judge(Rows(lot, BIRTHS), asked) for lot in lots]
    starts = np.cumsum([0, *(lot.height for lot in lots)])
    whole = judge(Rows(frame, BIRTHS), asked)
    for number, one in enumerate(merged(parts)):
        positions = [part[number].positions + start for part, start in zip(parts, starts, strict=False)]
        assert ours(one, np.concatenate(positions)) == ours(whole[number], whole[number].positions)


@pytest.mark.parametrize("dataset", CONTRACTS)
def test_great_expectations_opens_and_runs_a_suite_with_the_same_answers(
    dataset: str, clean_day: Path, tmp_path: Path
) -> None:
    from etl.validate import gx as with_gx

    contract = CONTRACTS[dataset]
    frame = extracted(contract, clean_day, tmp_path).head(300)
    opened = with_gx.opened(contract, str(tmp_path)).expectations
    asked = [e for e in read(contract) if e.type != own.LikeThePast.type]
    assert [e.id for e in asked] == [e.id for e in opened]
    assert all(e.condition for e in asked), "none is left to Great Expectations"
    found = judge(Rows(frame, contract), asked)
    assert [ours(one, one.positions) for one in found] == plain(frame, opened)


def test_what_follows_from_a_contract_is_judged_as_great_expectations_judges_it(
    clean_day: Path, tmp_path: Path
) -> None:
    from etl.validate import gx as with_gx

    frame = extracted(BIRTHS, clean_day, tmp_path)
    asked = follows(BIRTHS)
    found = judge(Rows(frame, BIRTHS), asked)
    theirs = plain(frame, [with_gx.kind(e.type)(**e.kwargs) for e in asked])
    assert [ours(one, one.positions) for one in found] == theirs


def test_nothing_is_required_of_a_row_that_only_deletes_as_in_great_expectations() -> None:
    from etl.validate import gx as with_gx

    frame = pl.DataFrame({"a": ["x", None, None, None], "_deletes": pl.Series([0, 1, 0, 1], dtype=pl.Int8)})
    kwargs = {"column": "a", "mostly": 0.8, "row_condition": core.UNLESS_DELETED}
    (found,) = judge(Rows(frame, BIRTHS), [expectation(core.NotNullUnlessDeleted(**kwargs))])
    assert [ours(found, found.positions)] == plain(frame, [with_gx.kind(core.NotNull.type)(**kwargs)])
    assert (found.evaluated, found.positions.tolist()) == (2, [2])


def extracted(contract: Contract, clean_day: Path, tmp_path: Path) -> pl.DataFrame:
    """The typed rows of a day's first file."""
    file = min((clean_day / contract.agency / contract.dataset).iterdir())
    storage = Storage(UPath(tmp_path / "data"))
    landed = land(storage, UPath(file), (contract.agency, contract.dataset))
    assert not stations.run("extract", storage, landed.delivery, contract, str(tmp_path)).stop
    rows = pl.concat(batches.read(storage.folder("raw", landed.delivery) / "rows.parquet"))
    return rows.with_columns(pl.lit(landed.delivery.as_of, pl.Date).alias(AS_OF))


def test_a_bound_is_taken_as_it_is_written() -> None:
    rows = Rows(pl.DataFrame({"a": pl.Series(["0.10", "0.09"], dtype=pl.Decimal(18, 2))}), BIRTHS)
    (found,) = judge(rows, [expectation(core.Between(column="a", min_value=0.1))])
    assert found.positions.tolist() == [1]


def test_a_value_beside_a_missing_one_is_no_fault() -> None:
    rows = Rows(pl.DataFrame({"a": [1, None, 1], "b": [2, 2, None]}), BIRTHS)
    (found,) = judge(rows, [expectation(core.PairGreater(column_A="a", column_B="b"))])
    assert found.positions.tolist() == [0]


def with_suite(tmp_path: Path, *written: dict[str, Any]) -> Contract:
    """The births with other expectations in their suite."""
    folder = tmp_path / "expectations"
    (folder / "civil").mkdir(parents=True)
    for name in ("great_expectations.yml", "civil/births.yaml"):
        (folder / name).write_bytes((EXPECTATIONS / name).read_bytes())
    made = [{"meta": META | {"rule": f"r{n}"}, "severity": "critical"} | fields for n, fields in enumerate(written)]
    (folder / "civil" / "births.json").write_text(json.dumps({"name": BIRTHS.id, "expectations": made}), "utf-8")
    return load_all(folder)[BIRTHS.id]


def test_what_is_not_known_here_or_does_not_suit_a_column_is_judged_by_great_expectations(
    clean_day: Path, tmp_path: Path
) -> None:
    from etl.validate import gx as with_gx

    contract = with_suite(
        tmp_path,
        {"type": "expect_column_mean_to_be_between", "kwargs": {"column": "page_no", "min_value": 1000}},
        {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "page_no", "regex": "^1"}},
        {"type": "expect_column_values_to_match_strftime_format", "kwargs": {"column": "sex", "strftime_format": "%Y"}},
    )
    rows = Rows(extracted(contract, clean_day, tmp_path), contract)
    mean, regex, time = read(contract)
    assert (mean.condition, regex.condition, time.condition) == (None, None, None)
    found = with_gx.judge(rows, mean)
    assert found.is_of_table and not found.success
    assert found.result == {"observed_value": pytest.approx(rows.frame["page_no"].mean())}
    pages = rows.frame["page_no"].cast(pl.String)
    assert (
        with_gx.judge(rows, regex).positions.tolist()
        == (~pages.str.starts_with("1")).fill_null(False).arg_true().to_list()
    )
    assert with_gx.judge(rows, time).failed == rows.frame["sex"].count()


def test_an_expectation_that_cannot_be_evaluated_is_named_without_a_value(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from etl.validate import gx as with_gx

    secret = "sec" + "ret"
    rows = Rows(pl.DataFrame({"text": [secret], "more": ["1"]}), BIRTHS)
    cast = expectation(own.RowCondition(column_list=["text", "more"], condition="CAST(text AS INT) > 1"))
    bounds = Expectation(core.Between.type, {"column": "text", "min_value": 0}, META, "critical")
    for ask in (lambda: judge(rows, [cast]), lambda: with_gx.judge(rows, bounds)):
        with pytest.raises(JudgeError, match="'r'") as told:
            ask()
        assert secret not in "".join(traceback.format_exception(told.value))
    assert secret not in caplog.text


DELIVERY = Delivery("civil", "births", date(2026, 3, 2), 1, "0" * 64, 1, "births_2026-03-02.csv")


def test_a_result_is_stored_as_great_expectations_stores_it_and_its_page_is_made_later(tmp_path: Path) -> None:
    from etl.validate import gx as with_gx

    frame = pl.DataFrame({"text": ["secret", None], "real": [1.0, 2.0]})
    asked = [
        core.NotNull(column="text"),
        core.MatchRegex(column="text", regex="^x", mostly=0.1),
        core.Null(column="real"),
    ]
    found = judge(Rows(frame, BIRTHS), [expectation(condition) for condition in asked])
    results.store(found, DELIVERY, str(tmp_path))
    (file,) = tmp_path.glob("validations/**/*.json")
    store = with_gx.context(EXPECTATIONS, str(tmp_path)).validation_results_store
    (key,) = store.list_keys()
    assert (key.run_id.run_name, key.run_id.run_time) == (DELIVERY.id, datetime(2026, 3, 2, tzinfo=UTC))
    written = json.loads(file.read_text("utf-8"))
    theirs = store.get(key).to_json_dict()
    theirs["meta"]["run_id"]["run_time"] = written["meta"]["run_id"]["run_time"]
    assert written == theirs
    assert "secret" not in file.read_text("utf-8")
    assert not list(tmp_path.glob("data_docs/**/*.html"))
    results.render([BIRTHS], tmp_path)
    (page,) = tmp_path.glob("data_docs/validations/**/*.html")
    assert "v / e" in page.read_text("utf-8")
    assert page.relative_to(tmp_path / "data_docs").as_posix() in (tmp_path / "data_docs/index.html").read_text("utf-8")


def test_to_check_a_file_needs_no_great_expectations(clean_day: Path, tmp_path: Path) -> None:
    """It takes longer to import than a file takes to check."""
    (file, *_) = (clean_day / "civil" / "births").iterdir()
    code = f"""
import sys
from etl.cli import app
try:
    app(["check", {str(file)!r}, "--out", {str(tmp_path)!r}], standalone_mode=False)
finally:
    print("imported:", sorted({{"great_expectations", "sqlalchemy"}} & sys.modules.keys()))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "imported: []" in ran.stdout, ran.stderr


@pytest.mark.parametrize(
    ("kind", "kwargs"),
    [
        (core.Unique.type, {"column": "page_no"}),
        ("expect_column_value_z_scores_to_be_less_than", {"column": "page_no", "threshold": 3, "double_sided": True}),
        ("expect_column_mean_to_be_between", {"column": "page_no", "min_value": 0}),
    ],
)
def test_what_depends_on_other_rows_is_judged_on_all_of_them(tmp_path: Path, kind: str, kwargs: dict[str, Any]) -> None:
    *_, asked = expected(with_suite(tmp_path, {"type": kind, "kwargs": kwargs}))
    assert (asked.type, asked.is_rowwise) == (kind, False)
