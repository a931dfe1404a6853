"""A dataset that is fetched from an HTTP API: each record in the bytes in which it was sent, all of them, or none."""

from __future__ import annotations

import base64
import json
import logging
import multiprocessing
import signal
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import trustme
import yaml
from upath import UPath

from etl.connectors import asking, connector
from etl.connectors.connection import Connection
from etl.connectors.model import SourceFault, Window
from etl.contract import Contract, ContractError, load, load_all
from etl.delivery.entry import LedgerEntry
from etl.pipeline.pipeline import Pipeline
from etl.pipeline.pull import pull
from etl.settings import DEFAULT_LIMITS, Settings
from tests import TESTS
from tests.city import audited

SECRET = "khoa-cua-so-giao-duc"
DATASET = "education.schools"
# As an API may write them: a number that no float holds, blanks, a line end, an escaped letter.
RECORDS = [
    '{"ma_truong": "79000701", "ten_truong": "Trường THPT Lê Quý Đôn", "so_hoc_sinh": 1250}',
    '{"ma_truong":"79000702","ten_truong":"Tr\\u01b0\\u1eddng Hòa Bình","so_hoc_sinh":300}',
    '{"ma_truong": "79000703",\r\n "ten_truong": "Trường THCS Nguyễn Du", "so_hoc_sinh": 410}',
    '{"ma_truong": "79000704", "ten_truong": "Trường Tiểu học Kim Đồng", "so_hoc_sinh": 520}',
    '{"ma_truong": "79000705", "ten_truong": "Trường Mầm non Hoa Sen", "so_hoc_sinh": 150}',
]
LINES = [record.replace("\r\n", "  ") for record in RECORDS]
Answer = tuple[int, dict[str, str], str]  # status, headers, body


class Agency:
    """An API with pages of two records.

    Attributes:
        records: what it holds.
        asked: the questions, as path and parameters.
        faults: what becomes of the next questions instead of an answer, by its number from 0.
        clock: by which it says when it answers, seconds from ours.
    """

    def __init__(self) -> None:
        self.records = list(RECORDS)
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.headers: list[dict[str, str]] = []
        self.faults: dict[int, Callable[[BaseHTTPRequestHandler], Answer | None]] = {}
        self.tokens: list[str] = []
        self.clock = 0.0
        agency = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None: ...

            def date_time_string(self, timestamp: float | None = None) -> str:
                return format_datetime(datetime.now(UTC) + timedelta(seconds=agency.clock), usegmt=True)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                account = base64.b64decode(self.headers["Authorization"].removeprefix("Basic ")).decode()
                if account == f"citydw:{SECRET}":
                    agency.tokens.append(f"token-{len(agency.tokens)}")
                    self.say((200, {}, json.dumps({"access_token": agency.tokens[-1], "expires_in": 3600})))
                else:
                    self.say((401, {}, '{"error": "invalid_client"}'))

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                number = len(agency.asked)
                agency.asked.append((parts.path, dict(parse_qsl(parts.query))))
                agency.headers.append({name.lower(): value for name, value in self.headers.items()})
                fault = agency.faults.get(number)
                answer = fault(self) if fault else agency.answer(parts.path, dict(parse_qsl(parts.query)))
                if answer:
                    self.say(answer)

            def say(self, answer: Answer) -> None:
                status, headers, body = answer
                content = body.encode()
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(content))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None: ...  # a client that goes away

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def answer(self, path: str, asked: dict[str, str]) -> Answer:
        size, number = 2, int(asked.get("page", 1))
        start = int(asked.get("offset", (number - 1) * size))
        if "after" in asked:
            start = int(asked["after"][1:])
        if path == "/linked":
            start = int(asked.get("start", 0))
        page = self.records[start : start + size]
        following = f"c{start + size}" if start + size < len(self.records) else None
        links = {"Link": f'</linked?start={start + size}>; rel="next"'} if path == "/linked" and following else {}
        meta = {"total": len(self.records), "next": following}
        return 200, links, f'{{"meta": {json.dumps(meta)}, "data": {{"items": [{", ".join(page)}]}}}}'

    def end(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def agency(monkeypatch: pytest.MonkeyPatch) -> Iterator[Agency]:
    monkeypatch.setattr(asking, "_FIRST_PAUSE", 0.01)
    agency = Agency()
    yield agency
    agency.end()


PAGES: dict[str, dict[str, Any]] = {
    "page": {"by": "page", "parameter": "page", "total": "meta.total"},
    "offset": {"by": "offset", "parameter": "offset"},
    "cursor": {"by": "cursor", "parameter": "after", "next": "meta.next", "total": "meta.total"},
    "link": {"by": "link", "total": "meta.total"},
}


@pytest.fixture
def contracts(tmp_path: Path) -> Callable[..., Path]:
    """A folder of contracts of which the one has schools that stand behind an API."""

    def make(agency: Agency, mode: str = "snapshot", scheme: str = "http", **properties: Any) -> Path:
        folder = tmp_path / "expectations"
        (folder / "education").mkdir(parents=True, exist_ok=True)
        here = TESTS / "schools"
        document = yaml.safe_load((here / "schools.yaml").read_text("utf-8"))
        for custom in document["customProperties"]:
            if custom["property"] == "source":
                custom["value"] = {"format": "ndjson"}
            if custom["property"] == "deliveryMode":
                custom["value"] = mode
        (table,) = document["schema"]
        kept = ("ma_truong", "ten_truong", "so_hoc_sinh")
        table["properties"] = [column for column in table["properties"] if column.get("physicalName") in kept]
        said = {"schedule": "30 2 * * *", "records": "data.items", "perMinute": 0, "pages": PAGES["cursor"]}
        path = "/linked" if (said | properties)["pages"]["by"] == "link" else "/schools"
        document["servers"] = [
            {
                "server": "so_giao_duc",
                "type": "api",
                "location": f"{scheme}://localhost:{agency.port}{path}",
                "customProperties": [{"property": n, "value": v} for n, v in (said | properties).items()],
            }
        ]
        (folder / "education" / "schools.yaml").write_text(yaml.safe_dump(document, allow_unicode=True), "utf-8")
        suite = {"name": DATASET, "id": "3f0c1b1e-6f0f-4a52-8d1c-6d1d6f0c9b11", "expectations": [], "meta": {}}
        (folder / "education" / "schools.json").write_text(json.dumps(suite), "utf-8")
        return folder

    return make


@pytest.fixture
def contract(contracts: Callable[..., Path]) -> Callable[..., Contract]:
    return lambda agency, **said: load(contracts(agency, **said) / "education" / "schools.yaml")


def fetch(contract: Contract, into: Path, account: Connection | None = None, **window: Any) -> list[str] | None:
    """The lines of the file that a pull writes; None if it writes none."""
    source = connector(contract, account or Connection("so_giao_duc"), window.pop("limits", DEFAULT_LIMITS))
    into.mkdir(exist_ok=True)
    pulled = list(source.pull(Window(**window), into))
    if not pulled:
        return None
    lines = (into / pulled[0].name).read_text("utf-8").splitlines()
    assert pulled[0].rows == len(lines)
    return lines


def questions(agency: Agency) -> list[str]:
    """What was asked for, page by page."""
    return ["&".join(f"{name}={value}" for name, value in asked.items()) for _, asked in agency.asked]


# --- pages

by_each_kind_of_page = pytest.mark.parametrize(
    ("by", "asked"),
    [
        ("page", ["page=1", "page=2", "page=3"]),
        ("offset", ["offset=0", "offset=2", "offset=4", "offset=5"]),
        ("cursor", ["", "after=c2", "after=c4"]),
        ("link", ["", "start=2", "start=4"]),
    ],
)


@by_each_kind_of_page
def test_all_records_come_as_they_were_sent(
    agency: Agency, contract: Callable[..., Contract], tmp_path: Path, by: str, asked: list[str]
) -> None:
    agency.records[1] = '{"ma_truong":"79000702","ten_truong":"A","so_hoc_sinh":0.10000000000000000555e400}'
    lines = fetch(contract(agency, pages=PAGES[by]), tmp_path / "work")
    assert lines == [LINES[0], agency.records[1], *LINES[2:]]
    assert questions(agency) == asked


def test_a_pull_is_a_delivery_like_any_other(
    agency: Agency, contracts: Callable[..., Path], new_pipeline: Callable[..., Pipeline]
) -> None:
    pipeline = new_pipeline(contracts(agency))
    (entry,) = pulled(pipeline)
    assert (entry.state, entry.rows_in, entry.inserted) == ("loaded", 5, 5)
    manifest = pipeline.storage.manifest("education", "schools", entry.delivery_id)
    pages = manifest["pull"]["about"]["pages"]
    assert [(number, records) for number, records, *_ in pages] == [(1, 2), (2, 2), (3, 1)]
    assert pulled(pipeline) == []  # the same bytes
    del agency.records[0]
    (entry,) = pulled(pipeline)
    assert (entry.state, entry.ended) == ("loaded", 1)
    assert audited(pipeline) == []


def pulled(pipeline: Pipeline, account: Connection | None = None) -> list[LedgerEntry]:
    brought = pull(pipeline, DATASET, lambda name: account or Connection(name))
    for received in brought.received:
        for _ in pipeline.walk(received.dataset, received.delivery_id):
            pass
    return [pipeline.ledger.get(r.dataset, r.delivery_id) for r in brought.received]


def test_what_has_changed_since_is_asked_for(agency: Agency, contract: Callable[..., Contract], tmp_path: Path) -> None:
    changed = {"since": "tu", "until": "den", "format": "timestamp", "overlap": {"value": 2, "unit": "h"}}
    said = contract(agency, mode="append", changed=changed, wholeEvery={"value": 7, "unit": "d"})
    source = connector(said, Connection("so_giao_duc"), DEFAULT_LIMITS)
    agency.clock = -3600
    (whole,) = source.pull(Window(), tmp_path)
    assert whole.since is None and "tu" not in questions(agency)[0]
    assert datetime.fromisoformat(str(whole.until)) < datetime.now(UTC) - timedelta(minutes=59)  # by its own clock
    agency.asked.clear()
    (since,) = source.pull(Window(since="2026-03-02T10:00:00+00:00"), tmp_path)
    assert questions(agency)[0] == "tu=2026-03-02T08:00:00Z"
    assert (since.since, since.until is not None) == ("2026-03-02T10:00:00+00:00", True)
    agency.asked.clear()
    city = datetime(2026, 3, 2, tzinfo=UTC) - timedelta(hours=7)
    (days,) = source.pull(Window(first=city, last=city + timedelta(days=1)), tmp_path)
    assert questions(agency)[0] == "tu=2026-03-01T17:00:00Z&den=2026-03-02T17:00:00Z"
    assert days.until is None
    agency.records.clear()
    assert list(source.pull(Window(since="2026-03-02T10:00:00+00:00"), tmp_path)) == []


# --- a pull that dies


def gone(_: BaseHTTPRequestHandler) -> Answer:
    return 404, {}, ""


@by_each_kind_of_page
def test_the_next_pull_goes_on_behind_the_pages_that_one_has_taken(
    agency: Agency, contract: Callable[..., Contract], tmp_path: Path, by: str, asked: list[str]
) -> None:
    agency.records += [RECORDS[0].replace("701", f"70{number}") for number in (6, 7, 8, 9)]
    source = connector(contract(agency, pages=PAGES[by]), Connection("so_giao_duc"), DEFAULT_LIMITS)
    agency.faults = {3: gone}  # of five pages three have come
    with pytest.raises(SourceFault, match="page 4"):
        list(source.pull(Window(), tmp_path))
    died_at = datetime.now(UTC)
    agency.asked.clear()
    agency.faults.clear()
    (one,) = source.pull(Window(), tmp_path)
    assert (tmp_path / one.name).read_text("utf-8").splitlines() == [*LINES, *agency.records[5:]]
    first, last, *behind = questions(agency)
    assert [first, last] == [asked[0], asked[2]], "only whether these are as they were"
    assert [question[-1] for question in behind] == {"page": ["4", "5"], "offset": ["6", "8", "9"]}.get(by, ["6", "8"])
    assert (one.about["taken_before"], len(one.about["pages"])) == (3, 5 + (by == "offset"))
    assert one.seen_at < died_at, "it holds what was there when the first of both looked"
    agency.asked.clear()
    (tmp_path / one.name).unlink()
    (again,) = source.pull(Window(), tmp_path)
    assert (again.about["taken_before"], questions(agency)[:2]) == (0, [asked[0], asked[1]])


def _another_total(agency: Agency, _: Path) -> None:
    agency.records.append(RECORDS[0].replace("701", "706"))


def _another_record(agency: Agency, _: Path) -> None:
    agency.records[3] = RECORDS[3].replace("520", "521")  # on the last page that was taken


def _moved_records(agency: Agency, _: Path) -> None:
    del agency.records[2]
    agency.records.insert(4, RECORDS[0].replace("701", "706"))


def _too_long_ago(_: Agency, into: Path) -> None:
    (note,) = into.glob("begun/*.json")
    said = json.loads(note.read_text("utf-8"))
    note.write_text(json.dumps(said | {"at": (datetime.now(UTC) - timedelta(minutes=61)).isoformat()}), "utf-8")


def _half_a_page(_: Agency, into: Path) -> None:
    for kept in into.glob("begun/*.page"):
        kept.write_bytes(kept.read_bytes()[:-5])


@pytest.mark.parametrize("change", [_another_total, _another_record, _moved_records, _too_long_ago, _half_a_page])
def test_what_has_changed_since_a_pull_died_is_asked_for_anew(
    agency: Agency, contract: Callable[..., Contract], tmp_path: Path, change: Callable[[Agency, Path], None]
) -> None:
    source = connector(contract(agency), Connection("so_giao_duc"), DEFAULT_LIMITS)
    agency.faults = {2: gone}
    with pytest.raises(SourceFault, match="page 3"):
        list(source.pull(Window(), tmp_path))
    change(agency, tmp_path)
    agency.faults.clear()
    (one,) = source.pull(Window(), tmp_path)
    said = (tmp_path / one.name).read_text("utf-8").splitlines()
    assert said == [record.replace("\r\n", "  ") for record in agency.records]
    assert one.about["taken_before"] == 0 and questions(agency)[-3:] == ["", "after=c2", "after=c4"]


def test_another_question_takes_nothing_over(agency: Agency, contract: Callable[..., Contract], tmp_path: Path) -> None:
    changed = {"since": "tu", "overlap": {"value": 2, "unit": "h"}}
    said = contract(agency, mode="append", changed=changed, wholeEvery={"value": 7, "unit": "d"})
    source = connector(said, Connection("so_giao_duc"), DEFAULT_LIMITS)
    agency.faults = {2: gone}
    with pytest.raises(SourceFault, match="page 3"):
        list(source.pull(Window(), tmp_path))
    agency.faults.clear()
    (since,) = source.pull(Window(since="2026-03-02T10:00:00+00:00"), tmp_path)
    assert since.about["taken_before"] == 0 and len(agency.asked) == 6


def _pull_in_vain(contracts: Path, home: Path, url: str) -> None:
    """Another process, which is killed at a page."""
    settings = Settings(home=home, data=UPath(home / "data"), database_url=url)
    pull(Pipeline(settings, load_all(contracts)), DATASET, Connection)


def test_a_puller_that_is_killed_at_a_page_is_gone_on_behind_it(
    agency: Agency, contracts: Callable[..., Path], new_pipeline: Callable[..., Pipeline]
) -> None:
    pipeline = new_pipeline(contracts(agency))
    home, url = pipeline.settings.home, str(pipeline.settings.database_url)
    processes = multiprocessing.get_context("spawn")
    for page in (2, 3):  # the second one dies behind the first
        puller = processes.Process(target=_pull_in_vain, args=(contracts(agency), home, url))
        agency.asked.clear()
        agency.faults = {page - 1: lambda _, puller=puller: puller.kill()}  # type: ignore[dict-item]
        puller.start()
        puller.join()
        assert puller.exitcode == -signal.SIGKILL
    agency.faults.clear()
    agency.asked.clear()
    (entry,) = pulled(pipeline)
    assert (entry.state, entry.inserted) == ("loaded", 5)
    assert questions(agency) == ["", "after=c2", "after=c4"]
    manifest = pipeline.storage.manifest("education", "schools", entry.delivery_id)
    assert manifest["pull"]["about"]["taken_before"] == 2
    assert not list((home / "pulls").rglob("*.page")) and audited(pipeline) == []


# --- who asks


def test_a_key_goes_into_its_header_and_nowhere_else(
    agency: Agency, contract: Callable[..., Contract], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said = contract(agency, login={"by": "key", "header": "X-Khoa"})
    account = Connection("so_giao_duc", password=SECRET)
    assert fetch(said, tmp_path / "work", account) == LINES
    assert {headers["x-khoa"] for headers in agency.headers} == {SECRET}
    assert SECRET not in caplog.text + str(agency.asked) + repr(account)


def test_a_token_is_asked_for_once_and_again_when_it_is_not_taken_any_more(
    agency: Agency, contract: Callable[..., Contract], tmp_path: Path
) -> None:
    agency.faults[1] = lambda _: (401, {}, "")
    login = {"by": "oauth2", "tokenUrl": f"http://localhost:{agency.port}/token", "scope": "read"}
    said = contract(agency, login=login)
    assert fetch(said, tmp_path / "work", Connection("so_giao_duc", login="citydw", password=SECRET)) == LINES
    assert [headers["authorization"] for headers in agency.headers] == [
        "Bearer token-0",
        "Bearer token-0",
        "Bearer token-1",
        "Bearer token-1",
    ]
    with pytest.raises(SourceFault, match="no token is given") as fault:
        fetch(said, tmp_path / "work", Connection("so_giao_duc", login="citydw", password="cu"))
    assert fault.value.kind == "password"


def certificates(folder: Path, agency: Agency, *, expired: bool = False, asks: bool = False) -> trustme.CA:
    """Let an API speak TLS only; gives who signs its certificate."""
    authority = trustme.CA()
    ends = {"not_before": datetime(2020, 1, 1), "not_after": datetime(2021, 1, 1)} if expired else {}
    certificate = authority.issue_cert("localhost", **ends)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    if asks:
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    agency.server.socket = context.wrap_socket(agency.server.socket, server_side=True)
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    ours = authority.issue_cert("citydw@example.vn")
    ours.private_key_and_cert_chain_pem.write_to_path(str(folder / "ours.pem"))
    return authority


@pytest.mark.parametrize(
    ("expired", "extra", "says"),
    [
        (False, {"ca_file": "ca.pem", "client_cert": "ours.pem"}, None),
        (False, {"ca_file": "ca.pem"}, "ours is not taken|broke off"),
        (False, {"client_cert": "ours.pem"}, "its certificate is wrong"),
        (True, {"ca_file": "ca.pem", "client_cert": "ours.pem"}, "its certificate has expired"),
        (False, {"ca_file": "nothing.pem"}, "cannot be read"),
    ],
    ids=["both right", "ours missing", "nobody's", "expired", "no file"],
)
def test_certificates_of_both_sides_are_looked_at(
    agency: Agency, contract: Callable[..., Contract], tmp_path: Path,
    expired: bool, extra: dict[str, str], says: str | None,
) -> None:  # fmt: skip
    certificates(tmp_path, agency, expired=expired, asks=True)
    account = Connection("so_giao_duc", extra={name: str(tmp_path / file) for name, file in extra.items()})
    said = contract(agency, scheme="https")
    if says is None:
        assert fetch(said, tmp_path / "work", account) == LINES
        return
    with pytest.raises(SourceFault, match=says):
        fetch(said, tmp_path / "work", account)
    assert agency.asked == []


# --- what goes wrong


def half(handler: BaseHTTPRequestHandler) -> None:
    """Half a page, of which the whole length was said."""
    handler.send_response(200)
    handler.send_header("Content-Length", "10000")
    handler.end_headers()
    handler.wfile.write(b'{"meta": {"total": 5, "next": "c4"}, "data": {"items": [')
    handler.wfile.flush()
    handler.connection.close()


@pytest.mark.parametrize(
    "fault",
    [
        half,
        lambda _: (429, {"Retry-After": "0"}, ""),
        lambda _: (503, {"Retry-After": format_datetime(datetime.now(UTC), usegmt=True)}, ""),
        lambda _: (500, {}, "<html>secret</html>"),
        lambda _: (200, {}, '{"meta": {}, "data": {"items": [{"ma'),
        lambda handler: handler.connection.close(),
    ],
    ids=["half a page", "429", "503", "500", "half JSON", "closed"],
)
def test_a_page_that_fails_is_asked_for_again_and_no_other(
    agency: Agency, contract: Callable[..., Contract], tmp_path: Path, fault: Any
) -> None:
    agency.faults = {1: fault, 2: fault}
    assert fetch(contract(agency), tmp_path / "work") == LINES
    assert questions(agency) == ["", "after=c2", "after=c2", "after=c2", "after=c4"]


def test_whoever_is_asked_to_wait_waits(agency: Agency, contract: Callable[..., Contract], tmp_path: Path) -> None:
    agency.faults = {0: lambda _: (429, {"Retry-After": "1"}, "")}
    began = time.monotonic()
    assert fetch(contract(agency), tmp_path / "work") == LINES
    assert time.monotonic() - began >= 1
    agency.asked.clear()
    agency.faults = {0: lambda _: (429, {"Retry-After": "86400"}, "")}
    with pytest.raises(SourceFault, match="left alone for 86400 seconds"):
        fetch(contract(agency), tmp_path / "work")
    assert len(agency.asked) == 1


def test_no_more_is_asked_in_a_minute_than_it_bears(
    agency: Agency, contract: Callable[..., Contract], tmp_path: Path
) -> None:
    began = time.monotonic()
    fetch(contract(agency, perMinute=240), tmp_path / "work")
    assert time.monotonic() - began >= 2 * 60 / 240


@pytest.mark.parametrize(
    ("answer", "kind", "says"),
    [
        ((500, {}, "<html>79000701</html>"), "gone", "refused with status 500"),
        ((401, {}, ""), "password", "does not know who asks"),
        ((403, {}, ""), "right", "may not read"),
        ((404, {}, ""), "name", "is not there"),
        ((302, {"Location": "http://khong-co.invalid/"}, ""), "answer", "redirects are not followed"),
        ((200, {}, "<html>Xin hãy đăng nhập</html>"), "answer", "is no JSON"),
        ((200, {}, '{"meta": {"next": null}, "items": []}'), "answer", "has no data.items"),
        ((200, {}, '{"meta": {}, "data": {"items": [{"ma": "79000701", "ten_truong": "A"}]}}'), "column", "ma_truong"),
    ],
    ids=["500", "401", "403", "404", "redirect", "a page to log in", "another shape", "another field"],
)
def test_what_is_wrong_with_an_api_is_said_in_a_sentence(
    agency: Agency, contracts: Callable[..., Path], new_pipeline: Callable[..., Pipeline], answer: Answer,
    kind: str, says: str, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    pipeline = new_pipeline(contracts(agency, login={"by": "basic"}))
    agency.faults = dict.fromkeys(range(20), lambda _: answer)
    account = Connection("so_giao_duc", login="citydw", password=SECRET)
    (complaint,) = connector(pipeline.contracts[DATASET], account, DEFAULT_LIMITS).check()
    with pytest.raises(SourceFault, match=says) as fault:
        pulled(pipeline, account)
    assert (fault.value.kind, complaint.kind, complaint.sentence) == (kind, kind, str(fault.value))
    assert pipeline.ledger.all() == []
    with pipeline.engine.connect() as connection:
        (line,) = connection.exec_driver_sql("SELECT state, fault, message FROM ops.pull").all()
    assert tuple(line) == ("failed", kind, complaint.sentence)
    shown = caplog.text + str(line)
    assert not any(word in shown for word in (SECRET, "79000701", base64.b64encode(b"citydw:").decode()[:8]))


def test_a_total_that_moves_is_asked_for_anew(
    agency: Agency, contract: Callable[..., Contract], tmp_path: Path
) -> None:
    def grow(_: BaseHTTPRequestHandler) -> Answer:
        agency.records.append(RECORDS[0].replace("701", "706"))
        return agency.answer("/schools", {"after": "c2"})

    agency.faults = {1: grow}
    assert fetch(contract(agency), tmp_path / "work") == [*LINES, LINES[0].replace("701", "706")]


def test_a_page_that_repeats_a_record_is_asked_for_anew(
    agency: Agency, contract: Callable[..., Contract], tmp_path: Path
) -> None:
    def insert(_: BaseHTTPRequestHandler) -> Answer:
        agency.records.insert(0, RECORDS[0].replace("701", "700"))
        return agency.answer("/schools", {"offset": "2"})

    agency.faults = {1: insert}
    lines = fetch(contract(agency, pages=PAGES["offset"]), tmp_path / "work")
    assert lines == [LINES[0].replace("701", "700"), *LINES]


@pytest.mark.parametrize("by", ["page", "offset", "cursor", "link"])
def test_the_same_page_over_and_over_ends_in_a_sentence(
    agency: Agency, contract: Callable[..., Contract], tmp_path: Path, by: str
) -> None:
    first = agency.answer("/linked", {})
    agency.faults = dict.fromkeys(range(50), lambda _: first)
    with pytest.raises(SourceFault, match="changed under 3 pulls, and nothing was taken") as fault:
        fetch(contract(agency, pages=PAGES[by]), tmp_path / "work")
    assert fault.value.kind == "answer"
    assert len(agency.asked) == 6


def test_fewer_records_than_it_says_are_not_taken(
    agency: Agency, contract: Callable[..., Contract], tmp_path: Path
) -> None:
    status, links, body = agency.answer("/schools", {"after": "c4"})
    agency.faults = dict.fromkeys((2, 5, 8), lambda _: (status, links, body.replace(RECORDS[4], "")))
    with pytest.raises(SourceFault, match="says that it has 5 records, and 4 came"):
        fetch(contract(agency), tmp_path / "work")


def test_what_has_no_end_ends(
    agency: Agency, contract: Callable[..., Contract], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "_LARGEST_PAGE", 1 << 20)

    def pour(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(b" " * 65536)

    agency.faults = {0: pour}
    with pytest.raises(SourceFault, match=r"page 1 is larger than") as fault:
        fetch(contract(agency), tmp_path / "work")
    assert fault.value.kind == "too_large"

    def more(_: BaseHTTPRequestHandler) -> Answer:
        number = len(agency.asked)
        record = RECORDS[0].replace("79000701", f"{number:08}")
        return 200, {}, f'{{"meta": {{"next": "c{number}"}}, "data": {{"items": [{record}]}}}}'

    agency.faults = dict.fromkeys(range(1, 1000), more)
    limits = replace(DEFAULT_LIMITS, rows=100)
    with pytest.raises(SourceFault, match="has no end"):
        fetch(contract(agency, pages=PAGES["cursor"]), tmp_path / "work", limits=limits)


def test_a_next_page_on_another_host_is_not_asked(
    agency: Agency, contract: Callable[..., Contract], tmp_path: Path
) -> None:
    status, _, body = agency.answer("/linked", {})
    elsewhere = {"Link": '<http://khong-co.invalid/linked?start=2>; rel="next"'}
    agency.faults = {0: lambda _: (status, elsewhere, body)}
    with pytest.raises(SourceFault, match="another host"):
        fetch(contract(agency, pages=PAGES["link"]), tmp_path / "work")


def test_an_api_that_is_away(agency: Agency, contract: Callable[..., Contract], tmp_path: Path) -> None:
    said = contract(agency)
    agency.end()
    (complaint,) = connector(said, Connection("so_giao_duc"), DEFAULT_LIMITS).check()
    assert (complaint.kind, "does not answer" in complaint.sentence) == ("address", True)


@pytest.mark.parametrize(
    ("properties", "says"),
    [
        ({"scheme": "ftp"}, "must be https"),
        ({"login": {"by": "oauth2"}}, "`tokenUrl` is needed"),
        ({"login": {"by": "oauth2", "tokenUrl": "http://example.vn/token"}}, "is not https"),
        ({"pages": {"by": "page"}}, "need `parameter`"),
        ({"pages": {"by": "cursor", "parameter": "after"}}, "`next` is needed"),
        ({"wholeEvery": {"value": 7, "unit": "d"}}, "without it, do not"),
        ({"changed": {"since": "tu", "overlap": {"value": 1, "unit": "d"}}}, "say how often all is pulled"),
    ],
)
def test_a_contract_that_cannot_be_kept_is_refused(
    agency: Agency, contract: Callable[..., Contract], properties: dict[str, Any], says: str
) -> None:
    with pytest.raises(ContractError, match=says):
        contract(agency, **properties)
