"""The ledger refuses what does not add up, whoever writes it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from lxml import html

from etl import site
from etl.operate import notify
from etl.operate.hold import hold_page, holds
from etl.operate.notify import Message
from etl.pipeline.pipeline import Pipeline


@pytest.fixture
def loaded(pipeline: Pipeline, send: Callable[..., Any], clean_day: Path) -> Pipeline:
    file = next((clean_day / "tax" / "taxpayers").iterdir())
    entry = send(pipeline, "tax/taxpayers", file.name, file.read_bytes())
    assert entry.state == "loaded"
    return pipeline


@pytest.mark.parametrize(
    "falsehood",
    [
        "rows_in = rows_in + 1",
        "rejected = rejected - 1",
        "inserted = inserted + 1, unchanged = unchanged - 2",
        "superseded = NULL",
        "rows_in = NULL",
    ],
)
def test_a_row_that_does_not_add_up_is_refused(loaded: Pipeline, falsehood: str) -> None:
    with pytest.raises(sa.exc.IntegrityError, match="every_row_is_accounted_for"), loaded.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE ops.delivery SET {falsehood}")


def test_a_true_row_passes(loaded: Pipeline) -> None:
    with loaded.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE ops.delivery SET inserted = inserted - 1, unchanged = unchanged + 1")


def test_a_delivery_cannot_be_loaded_without_its_counts(loaded: Pipeline) -> None:
    empty = "INSERT INTO ops.delivery (dataset, delivery_id, revision, sha256, size_bytes, file_name, state)"
    with pytest.raises(sa.exc.IntegrityError, match="every_row_is_accounted_for"), loaded.engine.begin() as connection:
        connection.exec_driver_sql(f"{empty} VALUES ('a.b', 'c', 1, 'd', 1, 'e', 'loaded')")


def test_a_state_that_nobody_knows_is_refused(loaded: Pipeline) -> None:
    with pytest.raises(sa.exc.IntegrityError, match="known_state"), loaded.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE ops.delivery SET state = 'fine'")


def test_a_file_costs_the_same_after_ten_thousand_others(
    pipeline: Pipeline, send: Callable[..., Any], clean_day: Path
) -> None:
    """Received, walked, shown on the pages, told: all that a delivery asks of the ledger is found by an index."""
    with pipeline.engine.begin() as connection:  # five files a day, their receipts long written
        connection.exec_driver_sql(
            "INSERT INTO ops.delivery (dataset, delivery_id, as_of, revision, sha256, size_bytes, file_name, state,"
            " rows_in, rejected, duplicates, inserted, changed, unchanged, superseded, ended, loaded_at, receipt_at)"
            " SELECT dataset, n::text, date '2020-01-01' + n / 5, 1, md5(n::text), 1, n::text, 'loaded',"
            " 1, 0, 0, 1, 0, 0, 0, 0, now(), now() - (n + 2000) * interval '1 h' FROM generate_series(1, 10000) n,"
            " (VALUES ('health.visits'), ('civil.births')) d (dataset)"
        )
        connection.exec_driver_sql(
            "INSERT INTO ops.profile SELECT dataset, delivery_id, (as_of - date '2020-01-01')::text, 1, '[]'"
            " FROM ops.delivery"
        )
        connection.exec_driver_sql(
            "INSERT INTO ops.decision (dataset, delivery_id, decided_by, choice, reason)"
            " SELECT dataset, delivery_id, 'Lan', 'accept', 'right' FROM ops.delivery"
        )
        connection.exec_driver_sql(
            "INSERT INTO ops.notification SELECT dataset, 'rejected', delivery_id, 'mail' FROM ops.delivery"
        )
    site.build(pipeline.storage, pipeline.contracts, pipeline.ledger)
    with pipeline.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")
    visits = next((clean_day / "health" / "visits").iterdir())
    before = rows_read(pipeline)
    entry = send(pipeline, "health/visits", visits.name, visits.read_bytes())
    assert entry.state == "loaded"
    assert entry.inserted > 0
    held = send(pipeline, "civil/births", "births_2026-03-03.csv", b"so;quyen_so\n1;2\n")
    (hold,) = holds(pipeline.ledger, pipeline.contracts)
    assert hold.entry == held
    assert held.delivery_id in hold_page(pipeline.ledger, pipeline.storage, hold)
    pipeline.decide("civil.births", held.delivery_id, "reject", "Lan", "two columns only")
    pipeline.run_station("receipt", "civil.births", held.delivery_id)
    site.build(pipeline.storage, pipeline.contracts, pipeline.ledger)
    told: list[Message] = []
    notify.send(pipeline.ledger, pipeline.contracts, {"mail": told.append})
    assert [message.event for message in told] == ["late", "rejected"]
    assert rows_read(pipeline) - before < 5000
    page = (Path(pipeline.storage.site) / "health/visits/index.html").read_text("utf-8")
    assert entry.delivery_id in page and "10\u202f001" in page, "how many there are in all"


def test_a_month_of_very_many_deliveries_says_that_it_shows_the_last_ones(pipeline: Pipeline) -> None:
    with pipeline.engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO ops.delivery (dataset, delivery_id, as_of, revision, sha256, size_bytes, file_name, state)"
            " SELECT 'civil.births', n::text, '2026-03-02', n, n::text, 1, n::text, 'received'"
            " FROM generate_series(1, 1234) n"
        )
    page = (
        Path(site.build(pipeline.storage, pipeline.contracts, pipeline.ledger)).parent / "civil/births/2026-03.html"
    ).read_text("utf-8")
    assert page.count("<tr>") == 1 + 1000
    said = " ".join(html.fromstring(page).text_content().split())
    assert "This page has the last 1 000 by period only, of 1 234 in all." in said
    assert "<code>1234</code>" in page and "<code>234</code>" not in page


def test_a_station_asks_once_and_tells_once(pipeline: Pipeline, send: Callable[..., Any], clean_day: Path) -> None:
    file = next((clean_day / "tax" / "declarations").iterdir())
    pipeline.ledger.all()  # the pool's first connection asks PostgreSQL what it can do
    counts: Counter[str] = Counter()
    sa.event.listen(pipeline.engine, "checkout", lambda *_: counts.update(["connections"]))
    sa.event.listen(pipeline.engine, "before_cursor_execute", lambda *about: counts.update([about[2].split()[0]]))
    sa.event.listen(pipeline.engine, "commit", lambda _: counts.update(["transactions"]))
    assert send(pipeline, "tax/declarations", file.name, file.read_bytes()).state == "loaded"
    to_ask, to_tell = 4, 6  # load asks and tells in one; receiving only tells
    others = 3  # what the past says, that nobody else walks the delivery, and the question of this test
    assert counts["transactions"] <= counts["connections"] <= to_ask + to_tell + others
    assert counts["UPDATE"] <= 6 and counts["INSERT"] <= 6


def rows_read(pipeline: Pipeline) -> int:
    """How many rows of the ledger's tables were ever read, whether by an index or without one."""
    pipeline.engine.dispose()
    with pipeline.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:  # each look is new
        others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        while connection.exec_driver_sql(others).scalar():  # PostgreSQL counts what they read when they are gone
            time.sleep(0.05)
        whole = "SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE schemaname = 'ops'"
        by_index = "SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE schemaname = 'ops'"
        return int(connection.exec_driver_sql(f"SELECT ({whole}) + ({by_index})").scalar_one())
