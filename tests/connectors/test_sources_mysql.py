"""A dataset that is fetched from its agency's MariaDB, in the server's own text."""

from __future__ import annotations

import csv
import io
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from demo.servers import MariaServer
from etl.connectors import connector, database
from etl.connectors.connection import Connection
from etl.connectors.model import SourceFault, Window
from etl.contract import Contract, load
from etl.contract.servers import DatabaseServer
from etl.pipeline.pipeline import Pipeline
from etl.pipeline.pull import pull
from etl.settings import DEFAULT_LIMITS
from tests import fetched_schools
from tests.fetched_schools import peak_of_a_pull

pytestmark = pytest.mark.skipif(
    MariaServer.PROGRAM is None, reason="no MariaDB on this machine (apt-get install mariadb-server): nothing is pulled"
)
SECRET = "mat-khau-cua-so"
TABLE = """
CREATE TABLE truong (
    ma_truong varchar(20) PRIMARY KEY, ten_truong text, ngay_thanh_lap date, dien_thoai varchar(30),
    so_hoc_sinh int unsigned, cap_nhat datetime(6)
) DEFAULT CHARSET utf8mb4"""
WATERMARK = {
    "watermark": {"column": "cap_nhat", "overlap": {"value": 1, "unit": "h"}},
    "wholeEvery": {"value": 7, "unit": "d"},
}


class Register:
    """An agency's database of schools."""

    def __init__(self, server: MariaServer, folder: Path) -> None:
        self.server, self._folder = server, folder
        self.do(
            "DROP DATABASE IF EXISTS giao_duc",
            "CREATE DATABASE giao_duc",
            f"CREATE USER IF NOT EXISTS doc@'127.0.0.1' IDENTIFIED BY '{SECRET}'",
            "GRANT SELECT ON giao_duc.* TO doc@'127.0.0.1'",
            "USE giao_duc",
            TABLE,
            database=None,
        )

    def do(self, *statements: str, database: str | None = "giao_duc") -> None:
        connection = self.server.connect(database)
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        connection.close()

    def contracts(self, mode: str = "snapshot", **properties: Any) -> Path:
        address = {"type": "mysql", "port": self.server.port, "database": "giao_duc"}
        return fetched_schools.contracts(self._folder, address, mode, **properties)

    def contract(self, mode: str = "snapshot", **properties: Any) -> Contract:
        return load(self.contracts(mode, **properties) / "education" / "schools.yaml")

    def account(self, _: str = "") -> Connection:
        return Connection("so_giao_duc", login="doc", password=SECRET)

    def pulled(self, contract: Contract, folder: Path, window: Window = Window()) -> tuple[Any, bytes]:  # noqa: B008
        folder.mkdir(exist_ok=True)
        (one,) = connector(contract, self.account(), DEFAULT_LIMITS).pull(window, folder)
        return one, (folder / one.name).read_bytes()


@pytest.fixture(scope="module")
def server() -> Iterator[MariaServer]:
    server = MariaServer()
    yield server
    server.end()


@pytest.fixture
def register(server: MariaServer, tmp_path: Path) -> Register:
    (tmp_path / "folder").mkdir()
    return Register(server, tmp_path / "folder")


def test_every_value_arrives_as_it_stands(register: Register, tmp_path: Path) -> None:
    register.do(
        "SET sql_mode = 'ALLOW_INVALID_DATES'",
        """INSERT INTO truong VALUES
            ('1', 'NULL', '0000-00-00', NULL, 4294967295, NULL),
            ('2', NULL, '2026-02-30', '', 0, '2026-03-02 10:00:00.5'),
            ('3', 'Trường "Hòa Bình", cơ sở 2\\nquận 1 \\\\ 😀', '1877-09-05', 'a;b', 1, NULL)""",
    )
    pulled, said = register.pulled(register.contract(), tmp_path / "one")
    assert said.decode().splitlines()[:3] == [
        "ma_truong,ten_truong,ngay_thanh_lap,dien_thoai,so_hoc_sinh",
        '"1","NULL",0000-00-00,,4294967295',  # a null has no quotation marks, the text NULL has
        '"2",,2026-02-30,"",0',
    ]
    assert list(csv.reader(io.StringIO(said.decode())))[3][1] == 'Trường "Hòa Bình", cơ sở 2\nquận 1 \\ 😀'
    assert pulled.rows == 3
    register.do("SET GLOBAL time_zone = '-05:00'", "SET GLOBAL sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES'")
    try:
        assert register.pulled(register.contract(), tmp_path / "two")[1] == said
    finally:
        register.do("SET GLOBAL time_zone = 'SYSTEM'", "SET GLOBAL sql_mode = DEFAULT")


def test_texts_of_other_character_sets_bits_and_bytes(register: Register, tmp_path: Path) -> None:
    register.do(
        "CREATE TABLE khac (ma_truong varchar(20) PRIMARY KEY, ten_truong varchar(50) CHARACTER SET latin1,"
        " dien_thoai bit(8), so_hoc_sinh varbinary(8), ngay_thanh_lap time)",
        "INSERT INTO khac VALUES ('1', 'caf\u00e9', b'101', x'00ff', '-838:59:59')",
        "CREATE TABLE tron (ma_truong enum('1', '\"2') COLLATE utf8mb4_unicode_ci PRIMARY KEY,"
        " ten_truong varchar(50) CHARACTER SET utf8mb3, dien_thoai varchar(9) COLLATE utf8mb4_bin,"
        " so_hoc_sinh decimal(8, 2) ZEROFILL, ngay_thanh_lap json)",
        """INSERT INTO tron VALUES ('"2', 'Ngô "Đ"', 'A"', 1.5, '{"z": 1}')""",
    )
    _, said = register.pulled(register.contract(table="khac"), tmp_path / "one")
    assert said.decode().splitlines()[1] == '"1","café",-838:59:59,"5","00FF"'
    _, mixed = register.pulled(register.contract(table="tron"), tmp_path / "two")
    assert mixed.decode().splitlines()[1] == '"""2","Ngô ""Đ""","{""z"": 1}","A""",000001.50'


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("tinyint(1)", "1"), ("int(8) unsigned zerofill", "00000042"), ("bigint unsigned", "18446744073709551615"),
        ("decimal(38,20)", "-0.12345678901234567890"), ("float", "1.17549e-38"), ("double", "1.7976931348623157e308"),
        ("year", "2026"), ("date", "9999-12-31"), ("datetime(6)", "0001-01-01 00:00:00.000001"),
        ("timestamp(3)", "2026-03-02 10:00:00.500"), ("time(2)", "-00:00:00.01"), ("enum('a\"b', 'c')", 'a"b'),
        ("char(5) CHARACTER SET ucs2", 'ư"đ'), ("json", '{"a": 1.0}'),
    ],
)  # fmt: skip
def test_a_value_of_each_type_is_the_server_s_own_text(
    register: Register, tmp_path: Path, kind: str, value: str
) -> None:
    register.do(
        f"CREATE TABLE mot (ma_truong varchar(20), ten_truong {kind}, ngay_thanh_lap date, dien_thoai text,"
        " so_hoc_sinh int)",
        "SET time_zone = '+07:00'",
        "INSERT INTO mot (ma_truong, ten_truong) VALUES ('1', '{}')".format(value.replace("'", "''")),
    )
    _, said = register.pulled(register.contract(table="mot"), tmp_path / "one")
    assert next(csv.reader(said.decode().splitlines()[1:]))[1] == value


def test_the_warehouse_has_what_the_table_has(register: Register, new_pipeline: Callable[..., Pipeline]) -> None:
    register.do("INSERT INTO truong VALUES ('79000701', 'Trường A', '1995-09-05', NULL, 410, NOW())")
    pipeline = new_pipeline(register.contracts())
    (received,) = pull(pipeline, "education.schools", register.account).received
    for _ in pipeline.walk(received.dataset, received.delivery_id):
        pass
    with pipeline.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT school_code, name, opened_on::text, pupils FROM people.schools")
        assert [tuple(row) for row in rows] == [("79000701", "Trường A", "1995-09-05", 410)]


def test_what_is_committed_late_is_within_the_overlap(register: Register, tmp_path: Path) -> None:
    contract = register.contract("append", **WATERMARK)
    insert = "INSERT INTO truong VALUES ('%s', 'Trường', NULL, NULL, 1, NOW(6))"
    register.do(insert % 1)
    late = register.server.connect("giao_duc")
    late.begin()
    with late.cursor() as cursor:
        cursor.execute(insert % 2)
    time.sleep(0.1)
    register.do(insert % 3)
    first, said = register.pulled(contract, tmp_path / "one")
    assert [line[:3] for line in said.decode().splitlines()[1:]] == ['"1"', '"3"'] and first.since is None
    late.commit()
    late.close()
    second, said = register.pulled(contract, tmp_path / "two", Window(since=first.until))
    assert '"2"' in said.decode() and second.since == first.until
    register.do("UPDATE truong SET cap_nhat = '2099-01-01'")  # a stamp ahead of the clock hides nothing behind it
    ahead, _ = register.pulled(contract, tmp_path / "three", Window(since=second.until))
    register.do(insert % 4)
    _, said = register.pulled(contract, tmp_path / "four", Window(since=ahead.until))
    assert '"4"' in said.decode()


def test_a_value_that_the_server_cannot_send_ends_in_a_sentence(register: Register, tmp_path: Path) -> None:
    register.do(
        "SET GLOBAL max_allowed_packet = 104857600",
    )
    register.do("ALTER TABLE truong MODIFY ten_truong longtext")
    register.do("INSERT INTO truong VALUES ('1', REPEAT('x', 60000000), NULL, NULL, 1, NULL)")
    register.do("SET GLOBAL max_allowed_packet = 16777216")
    with pytest.raises(SourceFault, match="max_allowed_packet") as fault:
        list(connector(register.contract(), register.account(), DEFAULT_LIMITS).pull(Window(), tmp_path))
    assert fault.value.kind == "too_large" and "xxx" not in str(fault.value)


@pytest.mark.parametrize(
    ("change", "damage", "kind", "says"),
    [
        ({"password": f"{SECRET}-cu"}, "", "password", "does not let the account in"),
        ({"port": 1}, "", "address", "does not answer"),
        ({"schema": "khong_co"}, "", "right", "may not read"),
        ({"extra": {"ssl_ca": "/etc/ssl/certs/ca-certificates.crt"}}, "", "tls", "no secure connection"),
        ({}, "RENAME TABLE truong TO truong_hoc", "table", "has no truong"),
        ({}, "ALTER TABLE truong DROP COLUMN so_hoc_sinh", "column", "so_hoc_sinh"),
        ({}, "ALTER TABLE truong CHANGE so_hoc_sinh so_hoc_sinh_moi int", "column", "so_hoc_sinh_moi"),
    ],
    ids=["password", "address", "database", "tls", "table", "gone", "renamed"],
)
def test_what_is_wrong_with_a_source_is_said_in_a_sentence(
    register: Register, change: dict[str, Any], damage: str, kind: str, says: str, tmp_path: Path
) -> None:
    register.do("INSERT INTO truong VALUES ('1', 'Trường', NULL, NULL, 1, NULL)")
    if damage:
        register.do(damage)
    source = connector(register.contract(), replace(register.account(), **change), DEFAULT_LIMITS)
    (complaint,) = source.check()
    with pytest.raises(SourceFault, match=re.escape(says)) as fault:
        list(source.pull(Window(), tmp_path))
    assert fault.value.kind == complaint.kind == kind and SECRET not in str(fault.value)


def test_a_locked_table_is_waited_for_and_then_left(
    register: Register, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(database, "LOCK_SECONDS", 1)
    locker = register.server.connect("giao_duc")
    with locker.cursor() as cursor:
        cursor.execute("LOCK TABLES truong WRITE")
    try:
        with pytest.raises(SourceFault, match="locked"):
            list(connector(register.contract(), register.account(), DEFAULT_LIMITS).pull(Window(), tmp_path))
    finally:
        locker.close()


def test_many_long_rows_need_no_more_memory_than_one(register: Register, tmp_path: Path) -> None:
    register.do("SET GLOBAL max_allowed_packet = 104857600")
    register.do("ALTER TABLE truong MODIFY ten_truong longtext")
    for number in range(8):
        register.do(f"INSERT INTO truong VALUES ('{number}', REPEAT('x', 60000000), NULL, NULL, 1, NULL)")
    peak = peak_of_a_pull(register.contract(), register.account(), tmp_path)
    register.do("SET GLOBAL max_allowed_packet = 16777216")
    assert peak < 800 << 20  # a row is in it some times over, as bytes and on its way


@pytest.mark.parametrize("hangs", [False, True], ids=["a query that never returns", "a server that hangs"])
def test_what_never_returns_ends_by_the_contract_s_timeout(
    register: Register, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, hangs: bool
) -> None:
    register.do("INSERT INTO truong VALUES ('1', 'Trường', NULL, NULL, 1, NULL)")
    query = "SELECT SLEEP(60) AS ma_truong, t.ten_truong, t.ngay_thanh_lap, t.dien_thoai, t.so_hoc_sinh FROM truong t"
    monkeypatch.setattr(DatabaseServer, "timeout", timedelta(seconds=1))
    monkeypatch.setattr(database, "LONGER", 1.0)
    source = connector(register.contract(query=query), register.account(), DEFAULT_LIMITS)
    if hangs:
        threading.Timer(0.5, os.kill, (register.server.pid, signal.SIGSTOP)).start()
    try:
        with pytest.raises(SourceFault, match="has fallen silent" if hangs else "took longer") as fault:
            list(source.pull(Window(), tmp_path))
    finally:
        os.kill(register.server.pid, signal.SIGCONT)
    assert fault.value.kind == "timeout"


def test_an_expired_certificate_and_a_clock_an_hour_off(
    server: MariaServer, register: Register, tmp_path: Path
) -> None:
    authority = trustme.CA()
    old = authority.issue_cert("127.0.0.1", not_before=datetime(2020, 1, 1), not_after=datetime(2021, 1, 1))
    files = {name: server.folder / f"{name}.pem" for name in ("ca", "cert", "key")}
    authority.cert_pem.write_to_path(str(files["ca"]))
    old.cert_chain_pems[0].write_to_path(str(files["cert"]))
    old.private_key_pem.write_to_path(str(files["key"]))
    for file in files.values():
        file.chmod(0o644)
    server.kill()
    # By such a server's clock it is an hour earlier for whoever may not administer it.
    server.start(
        *(f"--ssl-{name}={file}" for name, file in files.items()), "--sysdate-is-now",
        "--init-connect=SET SESSION timestamp = UNIX_TIMESTAMP() - 3600",
    )  # fmt: skip
    try:
        trusting = replace(register.account(), extra={"ssl_ca": str(files["ca"])})
        with pytest.raises(SourceFault) as fault:
            list(connector(register.contract(), trusting, DEFAULT_LIMITS).pull(Window(), tmp_path))
        assert fault.value.kind == "tls" and "has expired" in str(fault.value)

        contract = register.contract("append", **WATERMARK)
        complaints = {each.kind: each for each in connector(contract, register.account(), DEFAULT_LIMITS).check()}
        assert not complaints["clock"].is_fatal and "60 minutes apart" in complaints["clock"].sentence
        stamped = "INSERT INTO truong VALUES ('%s', 'Trường', NULL, NULL, 1, NOW(6) - INTERVAL 1 HOUR)"
        register.do(stamped % 1)
        first, said = register.pulled(contract, tmp_path / "one")
        register.do(stamped % 2)
        _, since = register.pulled(contract, tmp_path / "two", Window(since=first.until))
        assert '"1"' in said.decode() and '"2"' in since.decode() and first.until is not None
    finally:
        server.kill()
        server.start()


def test_a_connection_that_is_cut_in_the_middle_is_a_fault(register: Register, tmp_path: Path) -> None:
    register.do("INSERT INTO truong VALUES ('1', 'Trường', NULL, NULL, 1, NULL)")
    query = (
        "SELECT CONCAT(t.ma_truong, s.seq) AS ma_truong, t.ten_truong, t.ngay_thanh_lap, t.dien_thoai,"
        " t.so_hoc_sinh + SLEEP(0.01) AS so_hoc_sinh FROM truong t, giao_duc.nhieu s"
    )
    register.do("CREATE TABLE nhieu (seq int)", "INSERT INTO nhieu VALUES (0)" + ", (1)" * 400)
    done = threading.Event()

    def cut() -> None:
        connection = register.server.connect()
        while not done.is_set():
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT id FROM information_schema.processlist WHERE user = 'doc' AND info LIKE 'SELECT CONCAT%'"
                )
                for (number,) in cursor.fetchall():
                    cursor.execute(f"KILL {number}")
                    done.set()
            time.sleep(0.05)

    cutter = threading.Thread(target=cut)
    cutter.start()
    try:
        with pytest.raises(SourceFault) as fault:
            list(connector(register.contract(query=query), register.account(), DEFAULT_LIMITS).pull(Window(), tmp_path))
    finally:
        done.set()
        cutter.join()
    assert fault.value.kind == "gone"
