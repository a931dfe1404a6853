"""Held deliveries: what a person may decide, what becomes of it, and what she sees before she decides."""

from __future__ import annotations

import csv
import html
import io
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from etl import cli
from etl.operate.hold import HeldDelivery, Undecidable, hold_page, holds, masked
from etl.pipeline.pipeline import Pipeline
from tests.city import audited

Send = Callable[..., Any]
FOLDER = "civil/births"
NAME = "births_2026-03-02.csv"
STRANGE = "Trần Thị 77Bích"


def sent(day: Path) -> tuple[list[str], list[list[str]]]:
    header, *rows = csv.reader(io.StringIO(next((day / FOLDER).iterdir()).read_text("utf-8-sig")))
    return header, [row for row in rows if len(row) == len(header)]


def as_csv(header: list[str], rows: list[list[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows([header, *rows])
    return ("\ufeff" + out.getvalue()).encode()


@pytest.fixture
def doubtful(clean_day: Path) -> bytes:
    """Of 102 rows, 42 have page 0, against a rule of the suite; two of these no number, another one a strange name."""
    header, rows = sent(clean_day)
    page, number, kind, name = (header.index(n) for n in ("trang_so", "so", "loai_thay_doi", "ho_ten"))
    rows = [list(rows[at % len(rows)]) for at in range(102)]
    for at, row in enumerate(rows):
        row[kind], row[number], row[page] = "T", f"{at + 5001}/2026" if at < 100 else "", "1" if at < 60 else "0"
    rows[0][name] = STRANGE
    return as_csv(header, rows)


@pytest.fixture
def held(pipeline: Pipeline, send: Send, doubtful: bytes) -> dict[str, Any]:
    entry = send(pipeline, FOLDER, NAME, doubtful)
    assert (entry.state, entry.rule) == ("held", "too_many_rejected")
    return entry


def walk_on(pipeline: Pipeline, entry: dict[str, Any], *decision: str) -> dict[str, Any]:
    name = (entry.dataset, entry.delivery_id)
    outcome = pipeline.decide(*name, *decision)  # type: ignore[arg-type]
    for _ in pipeline.walk(*name, "receipt" if outcome.stopped else "normalize"):
        pass
    return pipeline.ledger.get(*name)


def receipt(pipeline: Pipeline, entry: dict[str, Any]) -> str:
    folder = Path(pipeline.storage.root) / "outbox" / FOLDER / entry.delivery_id
    return html.unescape((folder / "receipt.html").read_text("utf-8"))


def test_accept_loads_what_breaks_only_rules_of_the_suite(pipeline: Pipeline, held: dict[str, Any]) -> None:
    entry = walk_on(pipeline, held, "accept", "Lan", "pages are not numbered in this book")
    assert entry.state == "loaded"
    assert entry.held_at is None
    assert (entry.rows_in, entry.rejected, held.rejected) == (102, 3, 43)
    with pipeline.engine.connect() as connection:
        warned = connection.exec_driver_sql(
            "SELECT severity, count(*) FROM ops.problem WHERE rule = 'page_no_positive' GROUP BY 1"
        ).all()
    assert [tuple(row) for row in warned] == [("warning", 40)]  # the other two rows are sent back for something else
    for told in (entry.message_en, receipt(pipeline, entry)):
        assert "Lan" in told and "pages are not numbered in this book" in told
    assert audited(pipeline) == []


def test_accept_passing_keeps_every_row_with_a_fault_out(pipeline: Pipeline, held: dict[str, Any]) -> None:
    entry = walk_on(pipeline, held, "accept-passing", "Lan", "the other rows are right")
    assert entry.state == "loaded"
    assert (entry.rejected, entry.inserted) == (43, 59)
    assert "the other rows are right" in receipt(pipeline, entry)


def test_reject_is_the_end_and_the_agency_hears_why(pipeline: Pipeline, held: dict[str, Any]) -> None:
    entry = walk_on(pipeline, held, "reject", "Lan", "scanned upside down")
    assert (entry.state, entry.rule, entry.held_at) == ("rejected", "rejected_on_review", None)
    assert "scanned upside down" in entry.message_vi and held.message_vi in entry.message_vi
    assert held.message_en in receipt(pipeline, entry)
    assert holds(pipeline.ledger, pipeline.contracts) == []


def test_a_decision_stands_when_the_delivery_walks_again(pipeline: Pipeline, held: dict[str, Any]) -> None:
    name = (held.dataset, held.delivery_id)
    rejected = walk_on(pipeline, held, "reject", "Lan", "no")
    assert [o.state for _, o in pipeline.walk(*name)][-1] == "rejected"
    assert pipeline.ledger.get(*name).message_en == rejected.message_en
    accepted = walk_on(pipeline, held, "accept", "Lan", "yes, after all")
    assert [o.state for _, o in pipeline.walk(*name)][-1] == "loaded"
    assert pipeline.ledger.get(*name).rejected == accepted.rejected
    assert [o.state for _, o in pipeline.backfill(held.dataset)] == ["normalized"]
    with pipeline.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT choice, decided_by, reason, rule FROM ops.decision ORDER BY 1").all()
    assert [tuple(row) for row in rows] == [
        ("accept", "Lan", "yes, after all", "rejected_on_review"),
        ("reject", "Lan", "no", "too_many_rejected"),
    ]


def test_what_could_not_be_read_can_only_be_rejected(pipeline: Pipeline, send: Send, clean_day: Path) -> None:
    header, rows = sent(clean_day)
    entry = send(pipeline, FOLDER, NAME, as_csv(header[:-1], [row[:-1] for row in rows]).replace(b"ngay_dang_ky", b"x"))
    assert entry.state == "held"
    with pytest.raises(Undecidable, match="could not be read as a whole"):
        pipeline.decide(entry.dataset, entry.delivery_id, "accept", "Lan", "let it in")
    assert pipeline.ledger.get(entry.dataset, entry.delivery_id).state == "held"
    assert walk_on(pipeline, entry, "reject", "Lan", "no such column").state == "rejected"


def test_a_false_manifest_can_be_accepted_and_does_not_hide_bad_rows(
    pipeline: Pipeline, send: Send, doubtful: bytes
) -> None:
    inbox = Path(pipeline.storage.inbox) / FOLDER
    inbox.mkdir(parents=True)
    (inbox / f"{NAME}.manifest.json").write_text('{"rows": 1}')
    entry = send(pipeline, FOLDER, NAME, doubtful)
    assert (entry.state, entry.rule) == ("held", "declared_rows")
    assert "Too many rows are wrong" in entry.message_en
    assert walk_on(pipeline, entry, "accept-passing", "Lan", "the manifest is wrong").state == "loaded"


def test_what_is_not_held_waits_for_no_decision(pipeline: Pipeline, send: Send, clean_day: Path) -> None:
    entry = send(pipeline, FOLDER, NAME, next((clean_day / FOLDER).iterdir()).read_bytes())
    with pytest.raises(Undecidable, match="waits for no decision"):
        pipeline.decide(entry.dataset, entry.delivery_id, "reject", "Lan", "too late")


def test_the_page_shows_what_to_decide_on_and_no_personal_data(pipeline: Pipeline, held: dict[str, Any]) -> None:
    page = hold_page(pipeline.ledger, pipeline.storage, HeldDelivery(held, pipeline.contracts[held.dataset]))
    assert held.rule in page and "page_no_positive" in page and "accept what passes" in page
    assert "| accept | 102 | 3 |" in page
    assert "| accept what passes | 102 | 43 |" in page
    assert "`Xxxx Xxx ##Xxxx`" in page
    rows = pl.read_parquet(next(Path(pipeline.storage.root / "raw").rglob("rows.parquet")))
    contract = pipeline.contracts[held.dataset]
    for column in contract.columns:
        if column.classification != "open":
            named = next(name for name in (f"received.{column.name}", column.name) if name in rows.columns)
            for value in rows[named].drop_nulls().cast(pl.String).unique():
                assert len(value) < 4 or value not in page, column.name


def test_a_file_without_a_header_shows_nobodys_data(pipeline: Pipeline, send: Send, clean_day: Path) -> None:
    _, rows = sent(clean_day)
    rows[0][5] = rows[0][7] = STRANGE
    entry = send(pipeline, FOLDER, NAME, as_csv(rows[0], rows[1:]))
    assert entry.rule == "no_header" and STRANGE not in entry.message_vi
    page = hold_page(pipeline.ledger, pipeline.storage, HeldDelivery(entry, pipeline.contracts[entry.dataset]))
    assert "tệp thiếu dòng tên cột" in page and STRANGE not in page


def test_a_value_is_masked_unless_its_column_is_open_and_it_is_short(pipeline: Pipeline) -> None:
    contract = pipeline.contracts["civil.births"]
    assert masked("079226000123", contract.column("personal_id")) == "############"
    assert masked("Nguyễn Văn A", contract.column("full_name")) == "Xxxxxx Xxx X"
    assert masked("0", contract.column("page_no")) == "0"
    assert masked("079226000123", contract.column("page_no")) == "############", "a column that slipped"
    assert masked("Nguyễn Văn A", None) == "Xxxxxx Xxx X"


def test_from_the_command_line(pipeline: Pipeline, held: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pipeline, "from_environment", classmethod(lambda cls: pipeline))
    run = CliRunner().invoke
    listed = run(cli.app, ["held"]).output
    assert held.delivery_id in listed and "reject" in listed and held.message_en in listed.replace("\n", " ")
    name = [held.dataset, held.delivery_id]
    assert run(cli.app, ["decide", *name, "maybe", "--reason", "x"]).exit_code != 0
    assert run(cli.app, ["decide", *name, "accept", "--reason", " "]).exit_code != 0
    done = run(cli.app, ["decide", *name, "accept", "--reason", "unusual but right"])
    assert done.exit_code == 0, done.output
    assert pipeline.ledger.get(*name).state == "loaded"
    assert "Nothing waits" in run(cli.app, ["held"]).output


def test_when_nobody_decides_the_contracts_default_is_decided(
    pipeline: Pipeline, held: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pipeline, "from_environment", classmethod(lambda cls: pipeline))
    run, name = CliRunner().invoke, (held.dataset, held.delivery_id)
    run(cli.app, ["held", "--apply-defaults"])
    assert pipeline.ledger.get(*name).state == "held", "there is time left"
    (hold,) = holds(pipeline.ledger, pipeline.contracts)
    assert hold.deadline - held.held_at == timedelta(days=3)
    with pipeline.engine.begin() as connection:
        connection.execute(sa.text("UPDATE ops.delivery SET held_at = held_at - interval '73 hours'"))
    run(cli.app, ["held", "--apply-defaults"])
    entry = pipeline.ledger.get(*name)
    assert entry.state == "rejected"
    assert "nobody decided within 3 days" in entry.message_en
    assert "nobody decided" in receipt(pipeline, entry)
    assert json.loads((Path(pipeline.storage.root) / "outbox" / FOLDER / name[1] / "receipt.json").read_text())
