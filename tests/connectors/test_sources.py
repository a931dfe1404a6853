"""A dataset that is fetched from its agency's PostgreSQL: each pull is a delivery, and none is lost or taken twice."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st

from demo.servers import ADMIN, PostgresServer
from etl import site
from etl.connectors import connector, database
from etl.connectors.connection import Connection
from etl.connectors.model import SourceFault, Window
from etl.contract import Contract, load
from etl.contract.servers import DatabaseServer
from etl.delivery.entry import LedgerEntry
from etl.operate.notify import Message, send
from etl.pipeline.pipeline import Pipeline
from etl.pipeline.pull import Brought, pull
from etl.settings import DEFAULT_LIMITS, Limits
from tests import fetched_schools
from tests.fetched_schools import peak_of_a_pull

SECRET = "mat-khau-cua-so"
TABLE = """
CREATE TABLE truong (
    ma_truong text PRIMARY KEY, ten_truong text, ngay_thanh_lap date, dien_thoai text, so_hoc_sinh integer,
    cap_nhat timestamptz, chi_noi_bo text
)"""
SCHOOLS = [
    ("79000701", "Trường THPT Lê Quý Đôn", date(1877, 9, 5), "028 3930 1234", 1250),
    ("79000702", 'Trường "Hòa Bình", cơ sở 2', None, "", 300),
    ("79000703", "Trường THCS Nguyễn Du", date(1995, 9, 5), None, 410),
]


class Register:
    """An agency's database of schools, and the pipeline that pulls from it."""

    def __init__(self, server: PostgresServer, name: str, new_pipeline: Callable[..., Pipeline], folder: Path) -> None:
        self.server, self.name, self._folder, self._new_pipeline = server, name, folder, new_pipeline
        self.role = f"doc_{name}"
        with server.connect() as admin:
            admin.execute(f"CREATE DATABASE {name}".encode())
            admin.execute(f"CREATE ROLE {self.role} LOGIN PASSWORD '{SECRET}'".encode())
        with self.admin() as admin:
            admin.execute(TABLE.encode())
            admin.execute(f"GRANT SELECT ON truong TO {self.role}".encode())
            with admin.cursor() as cursor:
                cursor.executemany("INSERT INTO truong VALUES (%s, %s, %s, %s, %s, now(), 'bí mật')", SCHOOLS)

    def admin(self) -> psycopg.Connection[Any]:
        return self.server.connect(self.name)

    def contracts(self, mode: str = "snapshot", **properties: Any) -> Path:
        """A folder of contracts, in which the schools are fetched."""
        address = {"type": "postgresql", "port": self.server.port, "database": self.name, "schema": "public"}
        return fetched_schools.contracts(self._folder, address, mode, **properties)

    def contract(self, mode: str = "snapshot", **properties: Any) -> Contract:
        return load(self.contracts(mode, **properties) / "education" / "schools.yaml")

    def pipeline(self, mode: str = "snapshot", **properties: Any) -> Pipeline:
        return self._new_pipeline(self.contracts(mode, **properties))

    def account(self, _: str = "", password: str = SECRET) -> Connection:
        return Connection("so_giao_duc", login=self.role, password=password)

    def pull(self, pipeline: Pipeline, **asked: Any) -> tuple[Brought, list[LedgerEntry]]:
        """Pull, and walk what came to its end."""
        brought = pull(pipeline, "education.schools", asked.pop("connections", self.account), **asked)
        for received in brought.received:
            if not received.is_final:
                for _ in pipeline.walk(received.dataset, received.delivery_id):
                    pass
        return brought, [pipeline.ledger.get(r.dataset, r.delivery_id) for r in brought.received]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.end()


@pytest.fixture
def register(
    server: PostgresServer, new_pipeline: Callable[..., Pipeline], tmp_path: Path, request: pytest.FixtureRequest
) -> Register:
    name = "s" + sha256(request.node.name.encode()).hexdigest()[:12]
    folder = tmp_path / "folder"
    folder.mkdir()
    return Register(server, name.lower(), new_pipeline, folder)


def told(pipeline: Pipeline) -> list[dict[str, Any]]:
    """The lines of `ops.pull`."""
    with pipeline.engine.connect() as connection:
        return [dict(row._mapping) for row in connection.exec_driver_sql("SELECT * FROM ops.pull ORDER BY seen_at")]


def current(pipeline: Pipeline) -> list[tuple[Any, ...]]:
    with pipeline.engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT school_code, name, opened_on, pupils FROM people.schools_current ORDER BY school_code"
        )
        return [tuple(row) for row in rows]


def test_a_table_is_pulled_into_a_delivery_like_any_other(register: Register) -> None:
    pipeline = register.pipeline()
    brought, (entry,) = register.pull(pipeline)
    assert entry.state == "loaded", entry.message_en
    assert (entry.rows_in, entry.inserted) == (3, 3)
    assert current(pipeline) == [(code, name, day, pupils) for code, name, day, _, pupils in SCHOOLS]
    landed = pipeline.storage.content(entry.delivery).read_bytes().decode()
    assert landed.splitlines()[0] == "ma_truong,ten_truong,ngay_thanh_lap,dien_thoai,so_hoc_sinh"
    # A null has no quotation marks, an empty text has; what the contract does not name is not fetched.
    assert '"79000702","Trường ""Hòa Bình"", cơ sở 2",,"","300"' in landed
    assert "bí mật" not in landed
    manifest = pipeline.storage.manifest("education", "schools", entry.delivery_id)
    assert manifest["pull"]["source"] == "so_giao_duc" and manifest["pull"]["rows"] == 3
    assert manifest["pull"]["about"]["columns"]["so_hoc_sinh"] == "integer"
    (line,) = told(pipeline)
    assert (line["state"], line["delivery_id"], line["rows"], line["tries"]) == ("delivered", entry.delivery_id, 3, 1)

    site.build(pipeline.storage, pipeline.contracts, pipeline.ledger)
    page = (Path(pipeline.storage.root) / "site" / "education" / "schools" / "index.html").read_text("utf-8")
    assert "trung tâm lấy từ cơ sở dữ liệu PostgreSQL của cơ quan" in page and "127.0.0.1" not in page

    brought, _ = register.pull(pipeline)
    assert (brought.received, brought.same) == ((), 1)

    time.sleep(1.1)  # a name says seconds
    with register.admin() as admin:
        admin.execute("DELETE FROM truong WHERE ma_truong = '79000703'")
        admin.execute("UPDATE truong SET so_hoc_sinh = 1300 WHERE ma_truong = '79000701'")
    _, (entry,) = register.pull(pipeline)
    assert (entry.state, entry.changed, entry.unchanged, entry.ended) == ("loaded", 1, 1, 1)
    assert not any("was integer" in said for said in brought.told)
    with register.admin() as admin:
        admin.execute("ALTER TABLE truong ALTER so_hoc_sinh TYPE bigint")
        admin.execute("UPDATE truong SET so_hoc_sinh = 1301 WHERE ma_truong = '79000701'")
    time.sleep(1.1)
    brought, _ = register.pull(pipeline)
    assert "column so_hoc_sinh was integer and is bigint now" in brought.told
    assert any("chi_noi_bo" in said for said in brought.told)
    assert [code for code, *_ in current(pipeline)] == ["79000701", "79000702"]
    assert [line["state"] for line in told(pipeline)] == ["delivered", "same", "delivered", "delivered"]
    assert not any((pipeline.settings.home / "pulls/education/schools/ready").iterdir())


def test_the_same_rows_are_the_same_bytes_whatever_the_role_is_set_to(register: Register, tmp_path: Path) -> None:
    query = "SELECT *, cap_nhat::text AS luc FROM truong"
    contract = register.contract(query=query)

    def pulled(folder: str) -> bytes:
        (tmp_path / folder).mkdir()
        (one,) = connector(contract, register.account(), DEFAULT_LIMITS).pull(Window(), tmp_path / folder)
        return (tmp_path / folder / one.name).read_bytes()

    before = pulled("before")
    with register.admin() as admin:
        for setting in ("TimeZone = 'America/New_York'", "DateStyle = 'German'", "search_path = pg_catalog",
                        "client_encoding = 'LATIN1'", "default_transaction_isolation = 'read committed'"):  # fmt: skip
            admin.execute(f"ALTER ROLE {register.role} SET {setting}".encode())
    assert pulled("after") == before


def _password(register: Register) -> Connection:
    return register.account(password=f"{SECRET}-cu")


def _address(register: Register) -> Connection:
    return replace(register.account(), port=1)


def _nobody(register: Register) -> Connection:
    return replace(register.account(), host="khong-co.invalid", extra={"sslmode": "disable"})


def _insecure(register: Register) -> Connection:
    return replace(register.account(), extra={"sslmode": "verify-full", "sslrootcert": "system"}, host="127.0.0.1")


def _database(register: Register) -> Connection:
    return replace(register.account(), schema="khong_co")


@pytest.mark.parametrize(
    ("account", "damage", "kind", "says"),
    [
        (_password, "", "password", "does not let the account in"),
        (_address, "", "address", "does not answer"),
        (_nobody, "", "address", "nobody knows"),
        (_insecure, "", "tls", "no secure connection"),
        (_database, "", "name", "no such database"),
        (None, "REVOKE SELECT ON truong FROM {role}", "right", "GRANT SELECT"),
        (None, "ALTER TABLE truong RENAME TO truong_hoc", "table", "has no truong"),
        (None, "ALTER TABLE truong DROP COLUMN so_hoc_sinh", "column", "so_hoc_sinh"),
        (None, "ALTER TABLE truong RENAME COLUMN so_hoc_sinh TO so_hoc_sinh_moi", "column", "so_hoc_sinh_moi"),
        (None, "ALTER TABLE truong RENAME COLUMN ma_truong TO ma", "column", "ma_truong"),
    ],
    ids=["password", "address", "nobody", "tls", "database", "right", "table", "gone", "renamed", "key"],
)
def test_what_is_wrong_with_a_source_is_said_in_a_sentence(
    register: Register, account: Any, damage: str, kind: str, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    pipeline = register.pipeline()
    if damage:
        with register.admin() as admin:
            admin.execute(damage.format(role=register.role).encode())
    connection = account(register) if account else register.account()
    contract = pipeline.contracts["education.schools"]
    (complaint,) = connector(contract, connection, DEFAULT_LIMITS).check()
    with pytest.raises(SourceFault, match=re.escape(says)) as fault:
        pull(pipeline, "education.schools", lambda _: connection)
    assert fault.value.kind == complaint.kind == kind and complaint.sentence == str(fault.value)
    (line,) = told(pipeline)
    assert (line["state"], line["fault"], line["message"]) == ("failed", kind, complaint.sentence)
    assert pipeline.ledger.all("education.schools") == []
    everywhere = [caplog.text, str(line), repr(connection), repr(fault.value)]
    assert not any(SECRET in text for text in everywhere)


def test_a_new_column_is_told_and_stays_where_it_is(register: Register) -> None:
    checked = connector(register.contract(), register.account(), DEFAULT_LIMITS).check()
    assert ["chi_noi_bo" in complaint.sentence for complaint in checked] == [True]
    assert not checked[0].is_fatal
    with register.admin() as admin:
        admin.execute(f"GRANT UPDATE ON truong TO {register.role}".encode())
    checked = connector(register.contract(), register.account(), DEFAULT_LIMITS).check()
    assert any("may change" in complaint.sentence for complaint in checked)


def test_a_locked_table_is_waited_for_and_then_left(register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "LOCK_SECONDS", 1)
    pipeline = register.pipeline()
    with register.admin() as admin, admin.transaction():
        admin.execute("LOCK TABLE truong IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(SourceFault, match="locked") as fault:
            register.pull(pipeline)
    assert fault.value.kind == "lock"
    assert register.pull(pipeline)[1][0].state == "loaded"
    assert [line["tries"] for line in told(pipeline)] == [1, 2]


def test_a_server_that_goes_away_in_the_middle_of_a_row_leaves_nothing(register: Register) -> None:
    query = "SELECT t.*, pg_sleep(0.2) AS cho FROM truong t, generate_series(1, 100)"
    pipeline = register.pipeline(query=query)

    def cut() -> None:
        with register.admin() as admin:
            copying = (
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s AND query LIKE 'COPY%%'"
            )
            while not admin.execute(copying.encode(), [register.role]).fetchall():
                time.sleep(0.05)

    cutter = threading.Thread(target=cut)
    cutter.start()
    with pytest.raises(SourceFault) as fault:
        register.pull(pipeline)
    cutter.join()
    assert fault.value.kind == "gone"
    assert pipeline.ledger.all("education.schools") == []
    assert [line["state"] for line in told(pipeline)] == ["failed"]


def test_what_is_larger_than_a_file_may_be_ends_in_a_sentence(register: Register, tmp_path: Path) -> None:
    with register.admin() as admin:
        admin.execute("UPDATE truong SET ten_truong = repeat('x', 60000000) WHERE ma_truong = '79000702'")
    limits = Limits(file_bytes=50_000_000)
    with pytest.raises(SourceFault, match="larger than") as fault:
        list(connector(register.contract(), register.account(), limits).pull(Window(), tmp_path))
    assert fault.value.kind == "too_large"
    pipeline = register.pipeline()
    _, (entry,) = register.pull(pipeline)  # a row is too long for any cell
    assert entry.state.is_stopped or entry.rejected == 1
    assert "xxxx" not in f"{entry.message_en}"


def test_many_long_rows_need_no_more_memory_than_one(register: Register, tmp_path: Path) -> None:
    with register.admin() as admin:
        admin.execute("INSERT INTO truong SELECT 'x' || s, repeat('x', 60000000) FROM generate_series(1, 8) s")
        admin.execute("DELETE FROM truong WHERE ma_truong LIKE '79%'")
    peak = peak_of_a_pull(register.contract(), register.account(), tmp_path)
    assert peak < 800 << 20  # a row is in it some times over, as bytes and on its way


@pytest.mark.parametrize("hangs", [False, True], ids=["a query that never returns", "a server that hangs"])
def test_what_never_returns_ends_by_the_contract_s_timeout(
    register: Register, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, hangs: bool
) -> None:
    monkeypatch.setattr(DatabaseServer, "timeout", timedelta(seconds=2))
    monkeypatch.setattr(database, "LONGER", 0.0)
    query = "SELECT t.*, pg_sleep(60)::text AS cho FROM truong t"
    source = connector(register.contract(query=query), register.account(), DEFAULT_LIMITS)
    stopped: list[int] = []

    def stop() -> None:
        with register.admin() as admin:
            sleeping = "SELECT pid FROM pg_stat_activity WHERE usename = %s AND wait_event = 'PgSleep'"
            while not stopped:
                stopped.extend(pid for (pid,) in admin.execute(sleeping, [register.role]))
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)

    stopper = threading.Thread(target=stop)
    if hangs:
        stopper.start()
    try:
        with pytest.raises(SourceFault, match="has fallen silent" if hangs else "took longer") as fault:
            list(source.pull(Window(), tmp_path))
    finally:
        if hangs:
            stopper.join()
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    assert fault.value.kind == "timeout"


def test_an_expired_certificate_is_refused(register: Register, tmp_path: Path) -> None:
    authority, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    old = authority.issue_cert("127.0.0.1", not_before=datetime(2020, 1, 1), not_after=datetime(2021, 1, 1))
    old.configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    door = socket.create_server(("127.0.0.1", 0))  # as far as TLS goes it is PostgreSQL; ours here is built without

    def answer() -> None:
        line, _ = door.accept()
        line.recv(8)
        line.send(b"S")
        with suppress(OSError):
            context.wrap_socket(line, server_side=True)
        line.close()

    answering = threading.Thread(target=answer)
    answering.start()
    trusting = {"sslmode": "verify-full", "sslrootcert": str(tmp_path / "ca.pem")}
    account = replace(register.account(), host="127.0.0.1", port=door.getsockname()[1], extra=trusting)
    with pytest.raises(SourceFault, match="has expired") as fault:
        list(connector(register.contract(), account, DEFAULT_LIMITS).pull(Window(), tmp_path))
    answering.join()
    door.close()
    assert fault.value.kind == "tls"


def test_a_source_that_fails_is_left_alone_for_a_while_and_comes_back_by_itself(register: Register) -> None:
    pipeline = register.pipeline()
    wrong = {"connections": lambda _: _password(register)}
    for _ in range(5):
        with pytest.raises(SourceFault, match="let the account in"):
            register.pull(pipeline, **wrong)
    with pytest.raises(SourceFault, match="left alone until") as fault:
        register.pull(pipeline)
    assert fault.value.kind == "circuit" and len(told(pipeline)) == 5
    messages: list[Message] = []
    for _ in range(2):  # somebody is told once
        assert send(pipeline.ledger, pipeline.contracts, {"way": messages.append})[1] == []
    (notice,) = messages[0].notices
    assert (len(messages), notice.event, notice.facts["fault"]) == (1, "source", "password")
    assert "kehoach@example.gov.vn" in notice.text.vi and "so_giao_duc" in notice.text.en
    with pipeline.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE ops.pull SET seen_at = seen_at - interval '31 minutes'")
    assert register.pull(pipeline)[1][0].state == "loaded"
    assert told(pipeline)[-1]["tries"] == 6


WATERMARK = {
    "watermark": {"column": "cap_nhat", "overlap": {"value": 1, "unit": "h"}},
    "wholeEvery": {"value": 7, "unit": "d"},
}
XMIN = {"watermark": {"column": "xmin"}, "wholeEvery": {"value": 7, "unit": "d"}}


def test_what_has_not_changed_is_not_pulled_again_and_the_dataset_is_not_late(register: Register) -> None:
    pipeline = register.pipeline("append", **XMIN)
    _, (entry,) = register.pull(pipeline)
    assert entry.inserted == 3
    brought, _ = register.pull(pipeline)
    assert (brought.received, brought.same) == ((), 0)
    assert [line["state"] for line in told(pipeline)] == ["delivered", "nothing"]
    with pipeline.engine.begin() as connection:  # the delivery is of the day before, and nothing is new since
        connection.exec_driver_sql("UPDATE ops.delivery SET as_of = as_of - 3")
        late = connection.exec_driver_sql("SELECT late_by FROM ops.freshness WHERE dataset = 'education.schools'")
        assert late.scalar_one() is None
        connection.exec_driver_sql("DELETE FROM ops.pull WHERE state = 'nothing'")
        late = connection.exec_driver_sql("SELECT late_by FROM ops.freshness WHERE dataset = 'education.schools'")
        assert late.scalar_one() > timedelta(hours=1)


def test_a_watermark_does_not_move_past_what_was_turned_away(register: Register) -> None:
    pipeline = register.pipeline("append", **XMIN)
    register.pull(pipeline)
    with register.admin() as admin:
        admin.execute("INSERT INTO truong VALUES ('79000704', 'Trường mới', NULL, NULL, 5, now())")
    time.sleep(1.1)
    _, (entry,) = register.pull(pipeline)
    assert entry.rows_in == 1
    pipeline.withdraw("education.schools", entry.delivery_id, "nhầm")
    with register.admin() as admin:
        admin.execute("INSERT INTO truong VALUES ('79000705', 'Trường khác', NULL, NULL, 6, now())")
    time.sleep(1.1)
    brought, (entry,) = register.pull(pipeline)
    assert entry.rows_in == 2 and any("withdrawn" in said for said in brought.told)
    assert len(current(pipeline)) == 5
    brought, _ = register.pull(pipeline)
    assert (brought.received, brought.told) == ((), ()), "what was turned away has come again"


CHANGES = """
      - name: change_type
        physicalName: loai
        logicalType: string
        customProperties: [{property: element, value: change_type}]
      - name: changed_at
        physicalName: luc
        logicalType: timestamp
        customProperties: [{property: element, value: changed_at}]
"""


def test_what_is_deleted_at_the_source_ends_with_the_next_whole_pull(
    register: Register, new_pipeline: Callable[..., Pipeline]
) -> None:
    query = (
        "SELECT t.*, 'S' AS loai, to_char(cap_nhat AT TIME ZONE 'Asia/Ho_Chi_Minh', 'DD/MM/YYYY HH24:MI:SS') AS luc,"
        " t.xmin FROM truong t"
    )
    contracts = register.contracts("changes", query=query, gone="end", **XMIN)
    path = contracts / "education" / "schools.yaml"
    path.write_text(path.read_text("utf-8").replace("    properties:\n", f"    properties:{CHANGES}", 1), "utf-8")
    pipeline = new_pipeline(contracts)
    _, (entry,) = register.pull(pipeline)
    assert (entry.state, entry.inserted) == ("loaded", 3), entry.message_en
    time.sleep(1.1)
    with register.admin() as admin:
        admin.execute("DELETE FROM truong WHERE ma_truong = '79000702'")
        admin.execute("UPDATE truong SET so_hoc_sinh = 7, cap_nhat = now() WHERE ma_truong = '79000703'")
    _, (entry,) = register.pull(pipeline)
    assert (entry.rows_in, entry.changed, entry.ended) == (1, 1, 0), "a watermark does not see what is gone"
    with pipeline.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE ops.pull SET seen_at = seen_at - interval '8 days'")
    time.sleep(1.1)
    _, (entry,) = register.pull(pipeline)
    assert (entry.state, entry.rows_in, entry.unchanged, entry.ended) == ("loaded", 3, 2, 1), entry.message_en
    assert [code for code, *_ in current(pipeline)] == ["79000701", "79000703"]
    with register.admin() as admin:
        admin.execute("INSERT INTO truong SELECT '79000702', 'Mở lại', NULL, NULL, 9, now() + interval '2 seconds'")
    time.sleep(1.1)
    assert register.pull(pipeline)[1][0].state == "loaded"
    assert [code for code, *_ in current(pipeline)] == ["79000701", "79000702", "79000703"]


def test_days_that_are_asked_for_again_state_these_days(register: Register) -> None:
    pipeline = register.pipeline("append", **WATERMARK)
    with register.admin() as admin:
        admin.execute("UPDATE truong SET cap_nhat = '2026-03-02 10:00+07' WHERE ma_truong = '79000701'")
        admin.execute("UPDATE truong SET cap_nhat = '2026-03-03 00:00+07' WHERE ma_truong = '79000702'")
    _, (entry,) = register.pull(pipeline, days=(date(2026, 3, 1), date(2026, 3, 2)))
    assert (entry.as_of, entry.rows_in) == (date(2026, 3, 2), 1)
    _, (entry,) = register.pull(pipeline)  # what was asked for by hand moves no watermark
    assert entry.rows_in == 3


class Busy:
    """Somebody's transactions at the source, some of which are committed late, and pulls in between."""

    def __init__(self, register: Register, contract: Contract, folder: Path) -> None:
        self.register, self.folder = register, folder
        self.source = connector(contract, register.account(), DEFAULT_LIMITS)
        self.open: list[psycopg.Connection[Any]] = []
        self.since: str | None = None
        self.known: dict[str, str] = {}
        with register.admin() as admin:
            admin.execute("TRUNCATE truong")
        self.number = 0

    def write(self, key: int) -> None:
        server = self.register.server
        connection = psycopg.connect(
            host="127.0.0.1", port=server.port, user=ADMIN, password=server.password, dbname=self.register.name
        )
        self.number += 1
        connection.execute("SET lock_timeout = '100ms'")
        try:
            connection.execute(
                "INSERT INTO truong VALUES (%s, %s, NULL, NULL, 1, clock_timestamp())"
                " ON CONFLICT (ma_truong) DO UPDATE SET ten_truong = excluded.ten_truong, cap_nhat = excluded.cap_nhat",
                [f"7900{key:04}", f"lần {self.number}"],
            )
        except psycopg.errors.LockNotAvailable:  # somebody else is at this row
            connection.close()
            return
        self.open.append(connection)

    def commit(self, which: int) -> None:
        if self.open:
            connection = self.open.pop(which % len(self.open))
            connection.commit()
            connection.close()

    def pull(self) -> None:
        for pulled in self.source.pull(Window(since=self.since), self.folder):
            lines = (self.folder / pulled.name).read_text("utf-8").splitlines()[1:]
            for line in lines:
                cells = line.split(",")
                self.known[cells[0]] = cells[1]
            self.since = pulled.until

    def end(self) -> None:
        while self.open:
            self.commit(0)
        self.pull()
        with self.register.admin() as admin:
            there = {f'"{key}"': f'"{name}"' for key, name in admin.execute("SELECT ma_truong, ten_truong FROM truong")}
        assert self.known == there


@pytest.mark.parametrize("watermark", [XMIN, WATERMARK], ids=["xmin", "overlap"])
def test_no_late_commit_is_lost(register: Register, tmp_path: Path, watermark: dict[str, Any]) -> None:
    contract = register.contract("append", **watermark)
    step = st.one_of(
        st.tuples(st.just("write"), st.integers(0, 5)), st.tuples(st.just("commit"), st.integers(0, 5)),
        st.tuples(st.just("pull"), st.just(0)),
    )  # fmt: skip

    @settings(max_examples=25)
    @given(st.lists(step, max_size=14))
    def interleaved(steps: list[tuple[str, int]]) -> None:
        busy = Busy(register, contract, tmp_path)
        try:
            for name, number in steps:
                if name == "pull":
                    busy.pull()
                else:
                    getattr(busy, name)(number)
            busy.end()
        finally:
            for connection in busy.open:
                connection.close()

    interleaved()


def test_a_watermark_alone_would_lose_a_late_commit(register: Register, tmp_path: Path) -> None:
    """What the overlap is for: the test above can fail."""
    contract = register.contract(
        "append",
        watermark={"column": "cap_nhat", "overlap": {"value": 0, "unit": "h"}},
        wholeEvery={"value": 7, "unit": "d"},
    )
    busy = Busy(register, contract, tmp_path)
    busy.write(1)  # stamped first,
    busy.write(2)
    busy.commit(1)
    busy.pull()
    with pytest.raises(AssertionError):
        busy.end()  # and committed last
