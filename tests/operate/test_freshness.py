"""Freshness: when a delivery is due, what is late, and what its agency hears of it."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from etl import cli
from etl.contract import ContractError, load
from etl.pipeline.pipeline import Pipeline
from etl.settings import EXPECTATIONS
from etl.warehouse.freshness import freshness as of_all
from etl.warehouse.migrate import migrate

Send = Callable[..., Any]
DATASET, FOLDER = "civil.births", "civil/births"
CITY = timedelta(hours=7)  # ahead of UTC


@pytest.fixture
def births(clean_day: Path) -> bytes:
    return next((clean_day / FOLDER).iterdir()).read_bytes()


def freshness(pipeline: Pipeline) -> dict[str, Any]:
    return {row["dataset"]: row for row in of_all(pipeline.ledger)}[DATASET]


def sent_for(pipeline: Pipeline, send: Send, births: bytes, day: date) -> dict[str, Any]:
    return send(pipeline, FOLDER, f"births_{day}.csv", births)


def backdate(pipeline: Pipeline, by: timedelta) -> None:
    with pipeline.engine.begin() as connection:
        connection.execute(sa.text("UPDATE ops.delivery SET received_at = received_at - :by"), {"by": by})


def test_nothing_is_due_of_a_dataset_that_never_came(pipeline: Pipeline) -> None:
    row = freshness(pipeline)
    assert (row["last_period_loaded"], row["due_at"], row["late_by"]) == (None, None, None)


def test_the_next_period_is_due_when_it_has_ended_and_its_latency_is_over(
    pipeline: Pipeline, send: Send, births: bytes
) -> None:
    today = (datetime.now(UTC) + CITY).date()
    yesterday, long_ago = today - timedelta(days=1), today - timedelta(days=10)
    sent_for(pipeline, send, births, long_ago)
    row = freshness(pipeline)
    due = datetime.combine(long_ago + timedelta(days=2), datetime.min.time(), UTC) + timedelta(hours=12) - CITY
    assert (row["last_period_loaded"], row["due_at"]) == (long_ago, due)
    assert timedelta(days=7) < row["late_by"] < timedelta(days=9)
    sent_for(pipeline, send, births, yesterday)
    assert freshness(pipeline)["late_by"] is None
    sent_for(pipeline, send, births, today + timedelta(days=3000))
    assert freshness(pipeline)["last_period_loaded"] == yesterday, "a slip in a file's name does not stop the clock"


def test_what_came_and_is_not_loaded_does_not_make_the_table_fresh(pipeline: Pipeline, send: Send) -> None:
    yesterday = (datetime.now(UTC) + CITY).date() - timedelta(days=1)
    send(pipeline, FOLDER, f"births_{yesterday}.csv", b"so;quyen_so\n1;2\n")
    row = freshness(pipeline)
    assert (row["last_period_loaded"], row["last_period_received"]) == (None, yesterday)


def test_a_late_deliverys_receipt_says_so(pipeline: Pipeline, send: Send, births: bytes) -> None:
    today = (datetime.now(UTC) + CITY).date()
    first = sent_for(pipeline, send, births, today - timedelta(days=30))
    assert "đến trễ" not in receipt(pipeline, first), "the archive is not late"
    backdate(pipeline, timedelta(days=28))
    late = sent_for(pipeline, send, births, today - timedelta(days=9))
    assert re.search("đến trễ [78] ngày", receipt(pipeline, late))
    folder = Path(pipeline.storage.root) / "outbox" / FOLDER / late.delivery_id
    assert json.loads((folder / "receipt.json").read_text("utf-8"))["late_by_seconds"] > 7 * 86_400
    again = send(pipeline, FOLDER, f"births_{today - timedelta(days=9)}_r2.csv", births)
    assert "đến trễ" not in receipt(pipeline, again), "the period is served: what mends it is not late"


def test_a_second_word_in_time_does_not_hide_that_nothing_was_accepted_in_time(
    pipeline: Pipeline, send: Send, births: bytes
) -> None:
    today = (datetime.now(UTC) + CITY).date()
    sent_for(pipeline, send, births, today - timedelta(days=30))
    backdate(pipeline, timedelta(days=28))
    period = today - timedelta(days=9)
    refused = send(pipeline, FOLDER, f"births_{period}.csv", b"so;quyen_so\n1;2\n")
    assert refused.state == "held"
    backdate(pipeline, timedelta(days=8))  # it was there in time, and of no use
    second = send(pipeline, FOLDER, f"births_{period}_r2.csv", births)
    assert second.state == "loaded"
    assert re.search("đến trễ [78] ngày", receipt(pipeline, second))


def receipt(pipeline: Pipeline, entry: dict[str, Any]) -> str:
    folder = Path(pipeline.storage.root) / "outbox" / FOLDER / entry.delivery_id
    return html.unescape((folder / "receipt.html").read_text("utf-8"))


def test_from_the_command_line(pipeline: Pipeline, send: Send, births: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pipeline, "from_environment", classmethod(lambda cls: pipeline))
    sent_for(pipeline, send, births, date(2026, 3, 2))
    printed = CliRunner().invoke(cli.app, ["freshness"]).output
    assert "2026-03-02" in printed and "2026-03-04 12:00" in printed and "land.parcels" in printed


def test_a_month_is_a_month_and_not_a_minute(pipeline: Pipeline, tmp_path: Path) -> None:
    right = (EXPECTATIONS / "civil" / "births.yaml").read_text("utf-8")
    path = tmp_path / "civil" / "births.yaml"
    path.parent.mkdir()
    said = "slaProperties: [{{property: frequency, value: 1, unit: {}}}]\nschema:\n"
    monthly, unknown = (right.replace("schema:\n", said.format(unit)) for unit in "mq")
    path.write_text(monthly, "utf-8")
    contracts = pipeline.contracts | {DATASET: load(path)}
    migrate(Pipeline(pipeline.settings, contracts).engine, Pipeline(pipeline.settings, contracts).contracts.values())
    with pipeline.engine.connect() as connection:
        query = "SELECT frequency = interval '1 month' FROM ops.schedule WHERE dataset = 'civil.births'"
        assert connection.exec_driver_sql(query).scalar_one()
    path.write_text(unknown, "utf-8")
    with pytest.raises(ContractError, match="frequency is '1q'"):
        load(path)
