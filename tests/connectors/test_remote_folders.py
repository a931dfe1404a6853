"""Datasets that are fetched from a folder on an SFTP server or in an object store: each file once, and whole."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from upath import UPath

from demo.sftp import USER, Served
from etl.connectors import connector
from etl.connectors.connection import Connection
from etl.connectors.model import SourceFault
from etl.delivery.entry import LedgerEntry
from etl.pipeline.pipeline import Pipeline
from etl.pipeline.pull import pull
from etl.settings import DEFAULT_LIMITS
from tests.city import audited, expectations_of

PASSWORD = "mat-khau-cua-so-y-te"
DATASET = "civil.births"
NAME = "births_2026-03-02.csv"
QUIET = 0.3  # seconds between two looks
PULL = """
import sys
from etl.pipeline.pipeline import Pipeline
from etl.pipeline.pull import pull
from etl.contract import load_all
from etl.settings import Settings
from pathlib import Path
print("begun", flush=True)
pull(Pipeline(Settings.from_environment(), load_all(Path(sys.argv[1]))), "civil.births")
"""


class OnSftp:
    """A folder on an SFTP server."""

    kind, secret = "sftp", PASSWORD

    def __init__(self, root: Path) -> None:
        self.folder = root / "out"
        self.folder.mkdir()
        self.server = Served(root, PASSWORD)
        self.written = int(time.time())

    @property
    def location(self) -> dict[str, Any]:
        return {"location": f"sftp://127.0.0.1:{self.server.port}/out"}

    def connection(self) -> dict[str, Any]:
        return {"login": USER, "password": PASSWORD, "extra": {"host_key": self.server.key}}

    def put(self, name: str, content: bytes) -> None:
        """Write a file, a second after the one before it: SFTP tells no shorter times, and here looks are quicker."""
        (self.folder / name).write_bytes(content)
        self.written += 1
        os.utime(self.folder / name, (self.written, self.written))

    def names(self) -> list[str]:
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())


class OnS3:
    """A folder in an object store."""

    kind, secret = "s3", "secret of the health department"

    def __init__(self, bucket: UPath) -> None:
        self.folder = bucket / "out"

    @property
    def location(self) -> dict[str, Any]:
        return {"location": str(self.folder), "endpointUrl": os.environ["AWS_ENDPOINT_URL"]}

    def connection(self) -> dict[str, Any]:
        return {"login": "health", "password": self.secret, "extra": {"region_name": "us-east-1"}}

    def put(self, name: str, content: bytes) -> None:
        (self.folder / name).write_bytes(content)

    def names(self) -> list[str]:
        return sorted(str(path)[len(str(self.folder)) + 1 :] for path in self.folder.rglob("*") if path.is_file())


Place = OnSftp | OnS3


@pytest.fixture
def sftp(tmp_path: Path) -> Iterator[OnSftp]:
    root = tmp_path / "their server"
    root.mkdir()
    place = OnSftp(root)
    yield place
    place.server.end()


@pytest.fixture(params=["sftp", "s3"])
def place(request: pytest.FixtureRequest) -> Place:
    return request.getfixturevalue("sftp") if request.param == "sftp" else OnS3(request.getfixturevalue("s3")())


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITYDW_QUIET_SECONDS", str(QUIET))


@pytest.fixture
def births(clean_day: Path) -> bytes:
    whole = next((clean_day / "civil" / "births").iterdir()).read_bytes()
    return b"".join(whole.splitlines(keepends=True)[:9])


@pytest.fixture
def city(new_pipeline: Callable[..., Pipeline], tmp_path: Path) -> Callable[..., Pipeline]:
    """A pipeline whose births stand at a place."""

    def make(place: Place, after: str = "leave", receipts: str = "keep") -> Pipeline:
        contracts = expectations_of(tmp_path / "contracts", DATASET)
        path = contracts / "civil" / "births.yaml"
        said = {"schedule": "30 2 * * *", "after": after, "receipts": receipts}
        properties = [{"property": name, "value": value} for name, value in said.items()]
        server = {"server": "so_y_te", "type": place.kind, **place.location, "customProperties": properties}
        text = path.read_text("utf-8")
        path.write_text(text.replace("schema:\n", f"servers: [{json.dumps(server)}]\nschema:\n", 1), "utf-8")
        return new_pipeline(contracts)

    return make


def account(place: Place, **other: Any) -> Callable[[str], Connection]:
    return lambda name: Connection(name, **(place.connection() | other))


def fetch(pipeline: Pipeline, place: Place, **asked: Any) -> list[LedgerEntry]:
    """Pull, and walk what came to its end."""
    brought = pull(pipeline, DATASET, asked.pop("connections", account(place)), **asked)
    for received in brought.received:
        if not received.is_final:
            for _ in pipeline.walk(received.dataset, received.delivery_id):
                pass
    return [pipeline.ledger.get(r.dataset, r.delivery_id) for r in brought.received]


def told(pipeline: Pipeline) -> list[dict[str, Any]]:
    """The lines of `ops.pull`."""
    with pipeline.engine.connect() as connection:
        return [dict(row._mapping) for row in connection.exec_driver_sql("SELECT * FROM ops.pull ORDER BY seen_at")]


def landed(pipeline: Pipeline) -> set[str]:
    """The hash of each content in landing."""
    contents = (pipeline.storage.root / "landing").rglob("content*")
    return {hashlib.sha256(path.read_bytes()).hexdigest() for path in contents}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# --- what is taken


def test_each_file_is_taken_once_and_again_when_it_has_changed(
    place: Place, city: Callable[..., Pipeline], births: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    pipeline = city(place)
    place.put(NAME, births)
    place.put("notes.docx.tmp", b"not sent")
    before = place.names()
    (entry,) = fetch(pipeline, place)
    assert (entry.state, entry.sha256, entry.file_name) == ("loaded", sha256(births), NAME)
    assert fetch(pipeline, place) == []
    place.put(NAME, births.rsplit(b"\n", 2)[0] + b"\n")
    (again,) = fetch(pipeline, place)
    assert (again.state, again.delivery.word) == ("loaded", 2)
    assert place.names() == before
    assert [line["state"] for line in told(pipeline)] == ["delivered", "nothing", "delivered"]
    assert audited(pipeline) == []
    manifests = [path.read_text() for path in (pipeline.storage.root / "landing").rglob("manifest.json")]
    assert '"source": "so_y_te"' in manifests[0]
    assert not any(place.secret in text for text in (caplog.text, str(told(pipeline)), *manifests))


def test_a_file_may_be_called_as_we_call_our_own(place: Place, city: Callable[..., Pipeline], births: bytes) -> None:
    pipeline = city(place)
    place.put("pull.json", births)
    (entry,) = fetch(pipeline, place)
    assert (entry.file_name, entry.sha256) == ("pull.json", sha256(births))
    assert landed(pipeline) == {sha256(births)}


def test_days_are_asked_for_again(place: Place, city: Callable[..., Pipeline], births: bytes) -> None:
    from datetime import date

    pipeline = city(place)
    for day in (1, 2, 3):
        place.put(f"births_2026-03-0{day}.csv", births)
    assert len(fetch(pipeline, place)) == 3
    brought = pull(pipeline, DATASET, account(place), (date(2026, 3, 2), date(2026, 3, 3)))
    assert (brought.received, brought.same) == ((), 2)


def test_what_stands_beside_a_file_comes_with_it(place: Place, city: Callable[..., Pipeline], births: bytes) -> None:
    pipeline = city(place)
    place.put(f"{NAME}.sha256", b"0" * 64)
    place.put(NAME, births)
    (entry,) = fetch(pipeline, place)
    assert (entry.state, entry.rule) == ("held", "declared_sha256")
    place.put(f"{NAME}.sha256", sha256(births).encode())
    (entry,) = fetch(pipeline, place)
    assert entry.state == "loaded"


def test_a_file_that_is_still_written_waits(
    sftp: OnSftp, city: Callable[..., Pipeline], births: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline = city(sftp)
    sftp.put("births_2026-03-01.csv", births)
    stops = threading.Event()

    def write() -> None:
        with (sftp.folder / NAME).open("wb", buffering=0) as file:
            for byte in births:
                file.write(bytes([byte]))
                if not stops.is_set():
                    time.sleep(0.02)

    writer = threading.Thread(target=write)
    writer.start()
    assert [entry.as_of.day for entry in fetch(pipeline, sftp)] == [1]
    assert f"{NAME} is still being written" in caplog.text
    stops.set()
    writer.join()
    assert [entry.sha256 for entry in fetch(pipeline, sftp)] == [sha256(births)]


def test_a_file_is_archived_once_landing_has_it(place: Place, city: Callable[..., Pipeline], births: bytes) -> None:
    pipeline = city(place, "archive")
    place.put(NAME, births)
    place.put(f"{NAME}.done", b"")
    (entry,) = fetch(pipeline, place)
    assert entry.state == "loaded"
    assert [re.sub(r"/\w{8}_", "/", name) for name in place.names()] == [f"processed/{NAME}", f"processed/{NAME}.done"]
    place.put(NAME, births)  # the clerk sends it again
    assert fetch(pipeline, place) == []
    assert NAME not in place.names()
    assert [line["state"] for line in told(pipeline)] == ["delivered", "same"]


def test_what_is_fetched_may_land_in_an_object_store(
    sftp: OnSftp, city: Callable[..., Pipeline], s3: Callable[[], UPath], births: bytes
) -> None:
    pipeline = city(sftp, receipts="outbox")
    on_s3 = Pipeline(replace(pipeline.settings, data=s3() / "data"), pipeline.contracts)
    sftp.put(NAME, births)
    (entry,) = fetch(on_s3, sftp)
    assert (entry.state, landed(on_s3)) == ("loaded", {sha256(births)})
    assert fetch(on_s3, sftp) == []
    assert f"outbox/{entry.delivery_id}/receipt.html" in sftp.names()


def test_receipts_are_put_back_where_the_file_came_from(
    place: Place, city: Callable[..., Pipeline], births: bytes
) -> None:
    pipeline = city(place, receipts="outbox")
    place.put(NAME, births)
    (entry,) = fetch(pipeline, place)
    assert fetch(pipeline, place) == []
    names = [f"outbox/{entry.delivery_id}/{name}" for name in ("receipt.html", "receipt.json")]
    assert place.names() == [NAME, *names]
    receipt = place.folder / names[1]
    assert json.loads(receipt.read_text("utf-8"))["state"] == "loaded"
    receipt.unlink()
    assert fetch(pipeline, place) == []
    assert not receipt.exists()  # given once
    pipeline.withdraw(DATASET, entry.delivery_id, "the agency asks for it")
    assert fetch(pipeline, place) == []
    assert json.loads(receipt.read_text("utf-8"))["state"] == "withdrawn"


def test_a_file_that_is_too_large_is_refused_without_being_copied(
    sftp: OnSftp, city: Callable[..., Pipeline], births: bytes
) -> None:
    pipeline = city(sftp, "archive")
    small = Pipeline(
        replace(pipeline.settings, limits=replace(DEFAULT_LIMITS, file_bytes=len(births))), pipeline.contracts
    )
    sftp.put(NAME, births * 1000)
    sftp.put("births_2026-03-03.csv", births)
    entries = fetch(small, sftp)
    assert [(entry.state, entry.rule) for entry in entries] == [("rejected", "file_too_large"), ("loaded", None)]
    assert sftp.server.read <= 2 * len(births)
    assert NAME in sftp.names()
    assert fetch(small, sftp) == []


def test_links_and_strange_names_are_left_alone(sftp: OnSftp, city: Callable[..., Pipeline], births: bytes) -> None:
    pipeline = city(sftp)
    secret = sftp.folder.parent / "secret.csv"
    secret.write_bytes(births)
    (sftp.folder / "births_2026-03-01.csv").symlink_to(secret)
    sftp.put("a\\..\\births_2026-03-02.csv", births)
    sftp.put("b" * 230 + "_2026-03-02.csv", births)
    (sftp.folder / "births_2026-03-03.csv").mkdir()
    assert fetch(pipeline, sftp) == []
    assert [line["state"] for line in told(pipeline)] == ["nothing"]


# --- what is wrong with a source


def test_a_server_with_another_key_is_refused_before_anything_is_sent(
    sftp: OnSftp, city: Callable[..., Pipeline], births: bytes
) -> None:
    import asyncssh

    pipeline = city(sftp)
    sftp.put(NAME, births)
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    for key, says in ((other, "another key"), ("", "no host_key"), ("AAAA", "no public key")):
        with pytest.raises(SourceFault, match=says) as fault:
            fetch(pipeline, sftp, connections=account(sftp, extra={"host_key": key}))
        assert fault.value.kind == "tls"
    assert sftp.server.logins == []
    assert pipeline.ledger.all() == []


def test_a_private_key_that_is_none_is_not_quoted(
    sftp: OnSftp, city: Callable[..., Pipeline], caplog: pytest.LogCaptureFixture
) -> None:
    pipeline = city(sftp)
    secret = "-----BEGIN OPENSSH PRIVATE KEY-----\nnonsense\n-----END OPENSSH PRIVATE KEY-----\n"
    broken = account(sftp, password=None, extra={"host_key": sftp.server.key, "private_key": secret})
    with pytest.raises(SourceFault, match="cannot be read") as fault:
        fetch(pipeline, sftp, connections=broken)
    assert fault.value.kind == "password"
    assert "nonsense" not in caplog.text + str(told(pipeline))


@pytest.mark.parametrize(
    ("other", "damage", "kind", "says"),
    [
        ({"password": "mat-khau-cu"}, None, "password", "does not let the account in"),
        ({"port": 1}, None, "address", "does not answer"),
        ({"host": "khong-co.invalid"}, None, "address", "nobody knows"),
        ({}, lambda folder: folder.rmdir(), "name", "is not there"),
    ],
    ids=["password", "address", "nobody", "folder"],
)
def test_what_is_wrong_with_an_sftp_server_is_said_in_a_sentence(
    sftp: OnSftp, city: Callable[..., Pipeline], other: Any, damage: Any, kind: str, says: str,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    pipeline = city(sftp)
    if damage:
        damage(sftp.folder)
    connection = account(sftp, **other)
    (complaint,) = connector(pipeline.contracts[DATASET], connection("so_y_te"), DEFAULT_LIMITS).check()
    with pytest.raises(SourceFault, match=says) as fault:
        fetch(pipeline, sftp, connections=connection)
    assert fault.value.kind == complaint.kind == kind
    (line,) = told(pipeline)
    assert (line["state"], line["fault"], line["message"]) == ("failed", kind, complaint.sentence)
    assert not any(secret in caplog.text + str(line) for secret in (PASSWORD, "mat-khau-cu"))


def test_a_file_that_may_not_be_read_stops_no_other(sftp: OnSftp, city: Callable[..., Pipeline], births: bytes) -> None:
    pipeline = city(sftp)
    for day in (1, 2, 3):
        sftp.put(f"births_2026-03-0{day}.csv", births)
    sftp.server.denied = {"/out/births_2026-03-02.csv"}
    with pytest.raises(SourceFault, match=r"births_2026-03-02\.csv.*the account may not read") as fault:
        pull(pipeline, DATASET, account(sftp))
    assert fault.value.kind == "right"
    assert {entry.as_of.day for entry in pipeline.ledger.all()} == {1, 3}
    sftp.server.denied = set()
    assert [received.delivery.as_of.day for received in pull(pipeline, DATASET, account(sftp)).received] == [2]


def test_what_is_wrong_with_an_object_store_is_said_in_a_sentence(
    s3: Callable[[], UPath], city: Callable[..., Pipeline], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    place = OnS3(s3())
    pipeline = city(place)
    contract = pipeline.contracts[DATASET]
    assert connector(contract, account(place)("so_y_te"), DEFAULT_LIMITS).check() == []  # an empty folder
    away = account(place, extra={"endpoint_url": "http://127.0.0.1:1"})("so_y_te")
    (complaint,) = connector(contract, away, DEFAULT_LIMITS).check()
    assert (complaint.kind, "does not answer" in complaint.sentence) == ("address", True)
    place.folder.fs.rmdir(str(place.folder.parent).removeprefix("s3://").strip("/"))
    with pytest.raises(SourceFault, match="no such bucket") as fault:
        fetch(pipeline, place)
    assert fault.value.kind == "name"
    assert place.secret not in caplog.text + str(told(pipeline))


def test_an_object_store_that_does_not_know_the_key(
    s3: Callable[[], UPath], city: Callable[..., Pipeline], births: bytes
) -> None:
    import requests

    place = OnS3(s3())
    place.put(NAME, births)
    pipeline = city(place)
    address = os.environ["AWS_ENDPOINT_URL"]
    requests.post(f"{address}/moto-api/reset-auth", data=b"0", timeout=10)  # from now on it asks who somebody is
    try:
        with pytest.raises(SourceFault, match="does not know the access key") as fault:
            fetch(pipeline, place)
    finally:
        requests.post(f"{address}/moto-api/reset-auth", data=b"1e99", timeout=10)
    assert fault.value.kind == "password"


# --- whoever goes away in the middle


def test_a_copy_that_is_cut_off_goes_on_where_it_was(
    sftp: OnSftp, city: Callable[..., Pipeline], births: bytes
) -> None:
    pipeline = city(sftp)
    content = births + b"\n" * (20 << 20)
    sftp.put(NAME, content)
    sftp.server.cut_after = 14 << 20
    brought = pull(pipeline, DATASET, account(sftp))
    assert sftp.server.cut_after is None and len(sftp.server.logins) == 2
    assert sftp.server.read < len(content) + (12 << 20)  # what was on its way is sent again, and no more
    assert [received.delivery.sha256 for received in brought.received] == [sha256(content)]


def test_an_object_that_is_replaced_while_it_is_copied_comes_whole_or_later(
    s3: Callable[[], UPath], city: Callable[..., Pipeline], births: bytes
) -> None:
    place = OnS3(s3())
    pipeline = city(place)
    versions = [births + bytes([sign]) * (20 << 20) for sign in b" \t"]
    place.put(NAME, versions[0])
    place.put(f"{NAME}.done", b"")
    puller = threading.Thread(target=fetch, args=(pipeline, place))
    puller.start()
    time.sleep(random.uniform(0, 0.5))
    place.put(NAME, versions[1])
    puller.join()
    fetch(pipeline, place)
    assert sha256(versions[1]) in landed(pipeline)
    assert landed(pipeline) <= set(map(sha256, versions))


def test_whoever_is_killed_pulling_loses_nothing_and_takes_nothing_twice(
    sftp: OnSftp, city: Callable[..., Pipeline], births: bytes, tmp_path: Path
) -> None:
    pipeline = city(sftp, "archive")
    contents = {f"births_2026-02-{day:02d}.csv": births + b"\n" * day for day in range(1, 13)}
    for name, content in contents.items():
        sftp.put(name, content)
        sftp.put(f"{name}.done", b"")
    settings = pipeline.settings
    connection = json.dumps(sftp.connection())
    environment = os.environ | {
        "CITYDW_HOME": str(settings.home),
        "CITYDW_DATABASE_URL": str(settings.database_url),
        "AIRFLOW_CONN_SO_Y_TE": connection,
    }
    chance, killed = random.Random(24), 0
    for _ in range(4):
        puller = subprocess.Popen(
            [sys.executable, "-c", PULL, str(tmp_path / "contracts")], env=environment, stdout=subprocess.PIPE
        )
        assert puller.stdout is not None
        puller.stdout.readline()
        assert PASSWORD not in Path(f"/proc/{puller.pid}/cmdline").read_text()
        wait_for = len(list(sftp.folder.glob("*.*"))) - chance.randint(1, 3)  # until it has archived some of them
        while puller.poll() is None and len(list(sftp.folder.glob("*.*"))) > wait_for:
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.1))
        puller.send_signal(signal.SIGKILL)
        killed += puller.wait() == -signal.SIGKILL
    assert killed >= 2
    fetch(pipeline, sftp)
    assert landed(pipeline) == set(map(sha256, contents.values()))
    assert len(pipeline.ledger.all()) == len(contents)
    assert {line["delivery_id"] for line in told(pipeline) if line["state"] == "delivered"} == {
        entry.delivery_id for entry in pipeline.ledger.all()
    }
    assert [name for name in sftp.names() if not name.startswith("processed/")] == []
