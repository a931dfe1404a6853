"""The judge asks Great Expectations some rows at a time, without its graph, and for whole columns: same answers."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import traceback
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import great_expectations as gx
import numpy as np
import polars as pl
import pytest
from great_expectations.core.expectation_validation_result import expectationSuiteValidationResultSchema
from great_expectations.core.run_identifier import RunIdentifier
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.row_conditions import Column
from great_expectations.validator.validator import Validator

from etl import expectation_store, judge
from etl.contract import load_all
from tests.city import CONTRACTS
from tests.plain_gx import COUNTS, name

ANY = next(iter(load_all().values()))
META = {"rule": "r", "vi": "v", "en": "e", "dimension": "validity", "responsible": "agency"}


def frame(seed: int) -> pl.DataFrame:
    """Rows with nulls in any share, numbers of each kind around the bounds, and texts."""
    some = random.Random(seed)
    height = some.choice([1, 2, 7, 40, 300])
    nulls = some.choice([0, 0.1, 0.6, 1])

    def column(make: Any, dtype: Any) -> pl.Series:
        return pl.Series([None if some.random() < nulls else make() for _ in range(height)], dtype=dtype)

    return pl.DataFrame(
        {
            "_row": range(height),
            "whole": column(lambda: some.randint(-3, 3) * 10 ** some.choice([0, 0, 17]), pl.Int64),
            "decimal": column(lambda: Decimal(some.randint(-250, 250)).scaleb(-2), pl.Decimal(18, 2)),
            "real": column(lambda: some.choice([-1.5, 0.0, 0.5, 1.0, 2.0, float("inf")]), pl.Float64),
            "text": column(lambda: some.choice(["", "a", "ab", "ABC", "đường", "0123", "1 2"]), pl.String),
            "day": column(lambda: date(2026, 3, 1) + timedelta(some.randint(-3, 3)), pl.Date),
            "later": column(lambda: date(2026, 3, 1) + timedelta(some.randint(-3, 3)), pl.Date),
        }
    )


def expectations(seed: int) -> list[dict[str, Any]]:
    """One of each type that the suites use, in the ways that they use it."""
    some = random.Random(seed)
    mostly = {"mostly": some.choice([0.5, 0.8, 0.95, 1.0])}
    bounds = some.choice([{"min_value": 0}, {"min_value": 1.0, "strict_min": True}, {"min_value": -1, "max_value": 1}])
    pair = {
        "column_A": "later",
        "column_B": "day",
        "or_equal": some.random() < 0.5,
        "ignore_row_if": "either_value_is_missing",
    }
    kinds: list[tuple[str, dict[str, Any]]] = [
        *(("expect_column_values_to_be_between", {"column": c} | bounds) for c in ("whole", "decimal", "real")),
        ("expect_column_values_to_match_regex", {"column": "text", "regex": r"^\w+$"}),
        ("expect_column_value_lengths_to_equal", {"column": "text", "value": 2}),
        *(("expect_column_values_to_not_be_null", {"column": c}) for c in ("whole", "decimal", "real", "text", "day")),
        ("expect_column_pair_values_a_to_be_greater_than_b", pair),
    ]
    return [{"type": kind, "kwargs": kwargs | mostly, "meta": META, "severity": "critical"} for kind, kwargs in kinds]


def across_rows(seed: int) -> list[dict[str, Any]]:
    """One of each type that is asked of all rows at once."""
    mostly = {"mostly": random.Random(seed).choice([0.5, 0.8, 1.0])}
    columns = [*frame(seed).columns, *(["other"] if seed % 2 else [])]
    kinds: list[tuple[str, dict[str, Any]]] = [
        *(("expect_column_values_to_be_unique", {"column": c} | mostly) for c in ("whole", "decimal", "text", "day")),
        ("expect_compound_columns_to_be_unique", {"column_list": ["whole", "text"]} | mostly),
        ("expect_table_columns_to_match_set", {"column_set": columns, "exact_match": False}),
    ]
    return [{"type": kind, "kwargs": kwargs, "meta": META, "severity": "critical"} for kind, kwargs in kinds]


def our_own(seed: int) -> tuple[pl.DataFrame, list[judge.Configuration]]:
    """Rows with numbers, their bounds and a code, and what only our own types of expectation can say of them."""
    some = random.Random(seed)
    height = some.choice([1, 2, 40])
    contract = load_all()["civil.births"]
    coded = next(column for column in contract.columns if column.semantic_type == "code")

    def column(make: Any, dtype: Any) -> pl.Series:
        return pl.Series([None if some.random() < 0.2 else make() for _ in range(height)], dtype=dtype)

    rows = pl.DataFrame(
        {
            "_row": range(height),
            "expectation": [some.randint(0, 1) for _ in range(height)],
            "value": column(lambda: some.randint(-3, 3) / 2, pl.Float64),
            "least": column(lambda: -1.0, pl.Float64),
            "most": column(lambda: 1.0, pl.Float64),
            coded.name: column(lambda: some.choice([coded.example, "?", "1", ""]), pl.String),
            "born": column(lambda: some.choice(["2026", "02/2026", "28/02/2026", "31/02/2026", "x"]), pl.String),
            "came": column(lambda: date(2026, 2, 27) + timedelta(some.randint(-400, 3)), pl.Date),
        }
    )
    shapes = ["POLYGON ((0 0, 4 0, 4 1, 0 1, 0 0))", "POINT (0 0)", "?"]
    rows = rows.with_columns(column(lambda: some.choice(shapes), pl.String).alias("shape"))
    within = {"column_list": ["value", "least", "most"], "condition": "value BETWEEN least AND most"}
    understood = {"column_list": [coded.name, "_row"], "contract": contract.id, "semantic_type": "code"}
    like_the_past = {"measure": "rows", "row_condition": (Column("expectation") == 1) & Column("most").is_not_null()}
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("expect_row_condition", within | {"mostly": 0.8}),
        ("expect_column_values_to_be_understood", understood | {"mostly": 0.8}),
        ("expect_days_in_order", {"column_list": ["born", "came"], "slack": some.randint(0, 1), "mostly": 0.8}),
        ("expect_days_in_order", {"column_list": ["born", "came"], "at_most": 300, "mostly": 0.8}),
        ("expect_area_to_agree", {"column_list": ["most", "shape"], "times": 2.0, "slack": 0.5, "mostly": 0.8}),
        ("expect_like_the_past", like_the_past),
    ]
    return rows, [judge.Configuration(type=kind, kwargs=kwargs, meta=META) for kind, kwargs in kinds]


SEEDS = range(30)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, dict[str, Any]]]:
    """What Great Expectations itself says of all frames, each judged as a whole."""
    folder = tmp_path_factory.mktemp("plain")
    for seed in SEEDS:
        frame(seed).write_parquet(folder / f"{seed}.parquet")
        (folder / f"{seed}.json").write_text(json.dumps(expectations(seed) + across_rows(seed)), "utf-8")
    subprocess.run([sys.executable, str(Path(__file__).with_name("plain_gx.py")), str(folder)], check=True)
    return json.loads((folder / "answers.json").read_text("utf-8"))


@pytest.mark.parametrize("seed", SEEDS)
def test_lots_are_judged_as_great_expectations_judges_the_whole(
    seed: int, answers: dict[str, dict[str, dict[str, Any]]]
) -> None:
    rows = frame(seed)
    asked = [judge.Configuration(**fields) for fields in expectations(seed)]
    assert all(map(judge.is_rowwise, asked))
    lots = list(rows.iter_slices(max(1, rows.height // 3)))
    parts = [judge.judge(lot, asked, ANY) for lot in lots]
    starts = np.cumsum([0, *(lot.height for lot in lots)])
    for number, whole in enumerate(judge.merged(parts)):
        positions = [judge.finding(part[number]).positions + start for part, start in zip(parts, starts, strict=False)]
        found = {"success": whole.success, "failing": np.concatenate(positions).tolist()}
        counts = {count: whole.result.get(count) for count in COUNTS}
        assert found | counts == answers[str(seed)][name(whole.expectation_config)]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_whole_is_judged_as_great_expectations_judges_it(
    seed: int, answers: dict[str, dict[str, dict[str, Any]]]
) -> None:
    asked = [judge.Configuration(**fields) for fields in across_rows(seed)]
    for result in judge.judge(frame(seed), asked, ANY):
        assert said(result) == answers[str(seed)][name(result.expectation_config)]


@pytest.mark.parametrize("seed", SEEDS)
def test_our_own_expectations_are_judged_as_in_great_expectations_graph(seed: int) -> None:
    rows, asked = our_own(seed)
    answered = judge.judge(rows, asked, load_all()["civil.births"])
    engine = PandasExecutionEngine()
    engine.load_batch_data("delivery", rows.to_pandas(use_pyarrow_extension_array=True))
    validator = Validator(execution_engine=engine, data_context=gx.get_context(mode="ephemeral"))
    graph = validator.graph_validate(asked, runtime_configuration={"result_format": "COMPLETE"})
    assert list(map(said, answered)) == list(map(said, graph))


def test_a_result_is_stored_as_great_expectations_stores_it() -> None:
    rows, asked = our_own(3)
    contract = load_all()["civil.births"]
    asked += [judge.Configuration(**fields) for fields in expectations(3)]
    rows = pl.concat([rows, frame(3).drop("_row").head(rows.height)], how="horizontal")
    stored = judge.suite_result(judge.judge(rows, asked, contract), contract)
    stored.meta |= {"run_id": RunIdentifier(run_name="r", run_time=datetime(2026, 3, 2, tzinfo=UTC))}
    theirs = expectationSuiteValidationResultSchema.dumps(stored.to_json_dict(), indent=2, sort_keys=True)
    assert json.loads(json.dumps(expectation_store.as_json(stored))) == json.loads(theirs)


def said(result: judge.Result) -> dict[str, Any]:
    """What must be equal in two results."""
    failing = {"success": result.success, "failing": result.result.get("unexpected_index_list") or []}
    return failing | {count: result.result.get(count) for count in COUNTS}


def test_an_expectation_that_cannot_be_evaluated_is_named_without_a_value() -> None:
    asked = {"column": "text", "min_value": 0}
    configuration = judge.Configuration(type="expect_column_values_to_be_between", kwargs=asked, meta=META)
    rows = pl.DataFrame({"text": ["sec" + "ret"]})
    with pytest.raises(judge.JudgeError, match="'r'") as told:
        judge.judge(rows, [configuration], ANY)
    assert "secret" not in "".join(traceback.format_exception(told.value))


def test_every_type_that_the_suites_use_is_compared() -> None:
    used = set()
    for contract in CONTRACTS.values():
        suite = json.loads(contract.path.with_suffix(".json").read_text("utf-8"))
        used |= {e["type"] for e in suite["expectations"]}
    compared = {e["type"] for e in expectations(0)} | {e.type for e in our_own(0)[1]}
    assert used <= compared


@pytest.mark.parametrize(
    ("kind", "kwargs"),
    [
        ("expect_column_values_to_be_unique", {"column": "whole"}),
        ("expect_column_value_z_scores_to_be_less_than", {"column": "whole", "threshold": 3, "double_sided": True}),
        ("expect_column_mean_to_be_between", {"column": "whole", "min_value": 0}),
    ],
)
def test_what_depends_on_other_rows_is_judged_on_all_of_them(kind: str, kwargs: dict[str, Any]) -> None:
    assert not judge.is_rowwise(judge.Configuration(type=kind, kwargs=kwargs, meta=META))
