"""Notifications: a real SMTP server and a real HTTP server are told what they should be, once, and no personal data."""

from __future__ import annotations

import email
import email.policy
import html
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from aiosmtpd.controller import Controller

from etl.delivery.state import State
from etl.operate import notify
from etl.pipeline.pipeline import Pipeline
from etl.settings import PROJECT
from etl.warehouse import address
from tests.hook import Hook, listening

Send = Callable[..., Any]
# What Airflow runs as the DAG's task.
TELL = """
from airflow.dag_processing.dagbag import DagBag
dag = DagBag(sys.argv[1]).dags["notify"]
print("schedule", dag.schedule)
print("told", dag.get_task("tell").python_callable())
"""


class Mailbox:
    def __init__(self) -> None:
        self.mails: list[Any] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 OK"


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    box = Mailbox()
    with socket.socket() as probe:  # the controller wants a number
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    yield box, port
    controller.stop()


@pytest.fixture
def hook() -> Iterator[Hook]:
    with listening() as server:
        yield server


def tell(pipeline: Pipeline, home: Path, mail: int, hook: Hook | None) -> subprocess.CompletedProcess[str]:
    dags = PROJECT / "dags"
    database = pipeline.settings.database_url
    assert database
    settings = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_CONN_SMTP_DEFAULT": f"smtp://127.0.0.1:{mail}/?disable_ssl=true&disable_tls=true&from_email=dw@example.vn",
        "CITYDW_HOME": str(pipeline.settings.home),
        "CITYDW_DATA": str(pipeline.settings.data),
        "CITYDW_DATABASE_URL": database,
        "CITYDW_NOTIFY_MAIL": "lan@example.vn, minh@example.vn",
        "CITYDW_NOTIFY_WEBHOOK": f"http://127.0.0.1:{hook.server_port}/k3y" if hook else "",
        "PYTHONPATH": os.pathsep.join([str(PROJECT), str(dags), str(dags / "plugins")]),
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }
    return subprocess.run(
        [sys.executable, "-c", f"import sys\n{TELL}", str(dags / "notify.py")],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def troubled(pipeline: Pipeline, send: Send, clean_day: Path) -> Pipeline:
    """One delivery is held (its only line names persons), one lost rows, one was rejected; and births are late."""
    births = next((clean_day / "civil" / "births").iterdir()).read_text("utf-8-sig").splitlines()
    line = births[1].split(",")
    line[5] = line[7]
    headerless = "\n".join([",".join(line), *births[2:]]).encode("utf-8-sig")
    broken = [births[0], *(",".join(["?", *row.split(",")[1:]]) for row in births[1:10]), *births[10:]]
    long_ago = datetime.now(UTC) - timedelta(days=20)
    folder = "civil/births"
    sent = (("\n".join(broken).encode("utf-8-sig"), "loaded"), (headerless, "held"), (b"", "rejected"))
    for days, (content, state) in enumerate(sent):
        entry = send(pipeline, folder, f"births_{long_ago + timedelta(days=days):%Y-%m-%d}.csv", content)
        assert entry.state == state, entry.message_en
    return pipeline


def test_each_thing_is_told_once_by_mail_and_webhook(
    troubled: Pipeline, tmp_path: Path, mailbox: tuple[Mailbox, int], hook: Hook
) -> None:
    box, port = mailbox
    done = tell(troubled, tmp_path, port, hook)
    assert "told 6" in done.stdout, done.stdout[-2000:] + done.stderr[-2000:]
    assert "schedule */5 * * * *" in done.stdout
    assert [(body["event"], body["count"], body["more"]) for body in hook.bodies] == [
        ("held", 1, 0),
        ("late", 1, 0),
        ("rejected", 2, 0),
    ]
    (held,), (late,), rejected = (body["notices"] for body in hook.bodies)
    assert held["dataset"] == "civil.births"
    assert held["facts"]["default"] == "reject"
    assert late["facts"]["late_by_seconds"] > 15 * 86_400
    assert "A file has come and is not loaded." in late["text"]["en"]
    assert {notice["facts"]["state"] for notice in rejected} == {"loaded", "rejected"}
    assert len(box.mails) == 3
    for mail, body in zip(box.mails, hook.bodies, strict=True):
        assert mail["to"] == "lan@example.vn, minh@example.vn"
        assert mail["subject"] == f"{body['title']['vi']} / {body['title']['en']}"
        text = html.unescape(mail.get_body(("html",)).get_content())
        for notice in body["notices"]:
            assert text.index(notice["text"]["vi"]) < text.index(notice["text"]["en"])
    assert "told 0" in tell(troubled, tmp_path, port, hook).stdout
    assert len(box.mails) == len(hook.bodies) == 3

    said = json.dumps(hook.bodies, ensure_ascii=False) + "".join(
        str(part) for mail in box.mails for part in (mail["subject"], mail.get_body(("html",)).get_content())
    )
    contract = troubled.contracts["civil.births"]
    values = {
        value
        for rows in map(pl.read_parquet, (troubled.storage.root / "raw").rglob("rows.parquet"))
        for column in contract.columns
        for name in (f"received.{column.name}", column.name)
        if name in rows.columns
        for value in rows[name].drop_nulls().cast(pl.String)
        if len(value) > 3
    }
    assert len(values) > 50
    assert [value for value in values if value in said + done.stdout + done.stderr] == []
    (entry,) = troubled.ledger.in_state(State.HELD)
    assert entry.rule == "no_header" and "tệp thiếu dòng tên cột" in said


def test_a_way_that_is_shut_does_not_shut_the_other_and_is_tried_again(
    troubled: Pipeline, tmp_path: Path, mailbox: tuple[Mailbox, int], hook: Hook
) -> None:
    box, port = mailbox
    hook.status = 503
    done = tell(troubled, tmp_path, port, hook)
    assert done.returncode != 0
    assert "3 messages were sent, 3 were not: webhook: RuntimeError" in done.stderr
    assert "k3y" not in done.stdout + done.stderr, "the webhook's address may hold a key"
    assert (len(box.mails), len(hook.bodies)) == (3, 0)
    hook.status = 200
    assert "told 3" in tell(troubled, tmp_path, port, hook).stdout
    assert (len(box.mails), len(hook.bodies)) == (3, 3)


def unknown_folders(pipeline: Pipeline, count: int, days_ago: int = 0) -> None:
    """So many files in folders that nobody knows, each refused and receipted."""
    with pipeline.engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO ops.delivery (dataset, delivery_id, revision, sha256, size_bytes, file_name, state, rule,"
                " receipt_at) SELECT 'civil.x' || n || '_' || :days, 'undated-' || left(md5(n::text), 12), 1,"
                " md5(n::text), 1, 'x.csv', 'rejected', 'unknown_dataset', now() - make_interval(days => :days)"
                " FROM generate_series(1, :count) n"
            ),
            {"count": count, "days": days_ago},
        )


def test_three_hundred_unknown_folders_are_one_mail(
    pipeline: Pipeline, tmp_path: Path, mailbox: tuple[Mailbox, int], hook: Hook
) -> None:
    unknown_folders(pipeline, 300)
    box, port = mailbox
    assert "told 2" in tell(pipeline, tmp_path, port, hook).stdout
    (body,), (mail,) = hook.bodies, box.mails
    assert (body["count"], body["more"], len(body["notices"])) == (300, 250, 50)
    assert "300" in mail["subject"]
    text = html.unescape(mail.get_body(("html",)).get_content())
    assert all(f"{notice['dataset']}/" in text for notice in body["notices"]) and "and 250 more" in text
    assert "told 0" in tell(pipeline, tmp_path, port, hook).stdout, "all three hundred are told"


def test_nothing_is_open_in_the_warehouse_while_a_message_is_sent(troubled: Pipeline) -> None:
    seen = []
    observer = sa.create_engine(address.warehouse_url(troubled.settings))

    def slow(message: notify.Message) -> None:
        of_ours = "datname = current_database() AND starts_with(state, 'idle in transaction')"
        with observer.connect() as connection:
            seen.append(
                connection.exec_driver_sql(f"SELECT count(*) FROM pg_stat_activity WHERE {of_ours}").scalar_one()
            )

    assert notify.send(troubled.ledger, troubled.contracts, {"slow": slow}) == (3, [])
    assert seen == [0, 0, 0]


def test_after_days_without_a_mail_server_nothing_is_lost_and_nothing_told_twice(pipeline: Pipeline) -> None:
    got: list[str] = []
    is_shut = False

    def way(message: notify.Message) -> None:
        if is_shut:
            raise ConnectionError
        got.extend(notice.dataset for notice in message.notices)

    tell_all = partial(notify.send, pipeline.ledger, pipeline.contracts, {"mail": way})
    unknown_folders(pipeline, 1, days_ago=9)
    assert (tell_all(), got) == ((0, []), []), "whoever turns this on is not told of what was long ago"
    unknown_folders(pipeline, 1)
    assert (tell_all(), got) == ((1, []), ["civil.x1_0"])
    with pipeline.engine.begin() as connection:  # that was ten days ago, and since then the server is away
        connection.exec_driver_sql("UPDATE ops.notification SET sent_at = sent_at - interval '10 days'")
        connection.exec_driver_sql("UPDATE ops.delivery SET receipt_at = receipt_at - interval '10 days'")
    unknown_folders(pipeline, 2, days_ago=5)
    is_shut = True
    assert tell_all() == (0, ["mail: ConnectionError"])
    is_shut = False
    assert tell_all() == (1, [])
    assert sorted(got) == ["civil.x1_0", "civil.x1_5", "civil.x2_5"]
    assert tell_all() == (0, [])
