"""An object store as the data root: the same tables as on a disk, and nothing lost or taken twice."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from upath import UPath

from etl.delivery import object_store
from etl.delivery.plain_files import status_of
from etl.delivery.publish import publish, write_once, write_text
from etl.delivery.storage import Storage
from etl.operate.audit import verify
from etl.pipeline.pipeline import Pipeline
from etl.pipeline.reception import receive, receive_inbox
from etl.receive.inbox import found_in
from etl.receive.processed import stamp_of
from etl.settings import Settings
from tests import commands
from tests.city import CONTRACTS, DATASETS, audited, expectations_of

BIRTHS = "civil/births"
# Receives, and is killed just before the n-th request that changes something in the store.
DIES_RECEIVING = """
import os, signal, sys
from aiobotocore.client import AioBaseClient
left, call = int(sys.argv[1]), AioBaseClient._make_api_call
async def count(self, operation, arguments):
    global left
    if operation not in ("GetObject", "HeadObject", "ListObjectsV2"):
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
    return await call(self, operation, arguments)
AioBaseClient._make_api_call = count
from etl.pipeline.pipeline import Pipeline
from etl.pipeline.reception import receive_inbox
receive_inbox(Pipeline.from_environment())
"""


@pytest.fixture(scope="module")
def expectations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return expectations_of(tmp_path_factory.mktemp("object store") / "expectations", *DATASETS)


@pytest.fixture
def pipeline(new_pipeline: Callable[..., Pipeline], expectations: Path) -> Pipeline:
    return new_pipeline(expectations)


def environment(pipeline: Pipeline) -> dict[str, str]:
    settings = pipeline.settings
    return os.environ | {
        "CITYDW_EXPECTATIONS": str(pipeline.contracts["civil.births"].path.parents[1]),
        "CITYDW_HOME": str(settings.home),
        "CITYDW_DATA": str(settings.data),
        "CITYDW_DATABASE_URL": str(settings.database_url),
        "CITYDW_QUIET_SECONDS": "0",
    }


def citydw(pipeline: Pipeline, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
    return commands.run(*command, env=environment(pipeline) | more)


def table(pipeline: Pipeline, name: str) -> list[tuple[Any, ...]]:
    with pipeline.engine.connect() as connection:
        return sorted(map(tuple, connection.exec_driver_sql(f"SELECT t::text FROM {name} t").all()))


def births(clean_day: Path, lines: int = 9) -> bytes:
    whole = next((clean_day / BIRTHS).iterdir()).read_bytes()
    return b"".join(whole.splitlines(keepends=True)[:lines])


def keys(folder: UPath) -> list[str]:
    """All objects below a folder, as another client sees them."""
    import boto3

    bucket, _, prefix = str(folder).removeprefix("s3://").partition("/")
    listed = boto3.client("s3").list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/")
    return [each["Key"].removeprefix(f"{prefix}/") for each in listed.get("Contents", [])]


def test_a_day_of_files_makes_the_same_tables_as_on_a_disk(
    new_pipeline: Callable[..., Pipeline], expectations: Path, pipeline_on_s3: Pipeline, clean_day: Path
) -> None:
    done = citydw(pipeline_on_s3, "run", str(clean_day))
    assert done.returncode == 0, done.stderr
    assert "10 of 10 files are loaded" in done.stdout
    on_disk = new_pipeline(expectations)
    for file in sorted(clean_day.rglob("*.*")):
        received = receive(on_disk, UPath(file))
        for _ in on_disk.walk(received.dataset, received.delivery_id):
            pass
    for contract in CONTRACTS.values():
        there = table(pipeline_on_s3, f"{contract.schema}.{contract.table}")
        assert there and there == table(on_disk, f"{contract.schema}.{contract.table}")
    assert audited(pipeline_on_s3) == []
    assert list(verify(pipeline_on_s3.ledger, pipeline_on_s3.storage)) == []
    root = pipeline_on_s3.storage.root
    assert not (pipeline_on_s3.settings.home / "data").exists()
    assert not [key for key in keys(root) if ".part" in key]
    assert (root / "site" / "index.html").exists()


def test_whoever_is_killed_receiving_leaves_nothing_half(pipeline_on_s3: Pipeline, clean_day: Path) -> None:
    storage, content = pipeline_on_s3.storage, births(clean_day)
    died, requests = 0, 0
    while died == requests:  # until one came to its end
        day = f"births_2026-02-{requests + 1:02d}.csv"
        (storage.inbox / BIRTHS / day).write_bytes(content)
        ended = commands.run(str(requests), program=DIES_RECEIVING, env=environment(pipeline_on_s3))
        assert ended.returncode in (0, -9), ended.stderr
        died += ended.returncode == -9
        requests += 1
        receive_inbox(pipeline_on_s3)
    assert died > 6
    entries = pipeline_on_s3.ledger.all()
    assert {entry.as_of.day for entry in entries} == set(range(1, requests + 1))
    assert [entry.word for entry in (e.delivery for e in entries)] == [1] * requests
    for entry in entries[:2]:
        *_, (_, outcome) = pipeline_on_s3.walk(entry.dataset, entry.delivery_id)
        assert outcome.state == "loaded"
    assert keys(storage.inbox) == []
    assert len(keys(storage.processed)) == requests
    assert audited(pipeline_on_s3) == []


def test_of_two_who_receive_one_file_each_ends_well_and_it_is_one_delivery(
    pipeline_on_s3: Pipeline, clean_day: Path
) -> None:
    for day in range(1, 4):
        (pipeline_on_s3.storage.inbox / BIRTHS / f"births_2026-02-0{day}.csv").write_bytes(births(clean_day))
    with ThreadPoolExecutor(2) as both:
        for received in [both.submit(receive_inbox, pipeline_on_s3) for _ in range(2)]:
            received.result()
    assert len(pipeline_on_s3.ledger.all()) == 3
    assert {entry.delivery.word for entry in pipeline_on_s3.ledger.all()} == {1}
    assert keys(pipeline_on_s3.storage.inbox) == []
    assert len(keys(pipeline_on_s3.storage.processed)) == 3


def test_of_many_who_write_a_file_once_one_does(s3: Callable[[], UPath]) -> None:
    word = s3() / "words" / "1"
    with ThreadPoolExecutor(8) as writers:
        wrote = list(writers.map(lambda name: write_once(word, name), map(str, range(8))))
    assert wrote.count(True) == 1
    assert word.read_text() == str(wrote.index(True))


def test_a_failed_writer_leaves_what_was_there(s3: Callable[[], UPath]) -> None:
    path = s3() / "outbox" / "receipt.json"
    write_text(path, "before")
    with pytest.raises(ZeroDivisionError), publish(path) as aside:
        aside.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "before"
    assert keys(path.parent) == ["receipt.json"]
    assert not aside.exists()


def test_what_somebody_puts_into_an_objects_place_is_not_taken_for_it(s3: Callable[[], UPath]) -> None:
    root = s3()
    file, target = root / "inbox" / "births.csv", root / "processed" / "births.csv"
    file.write_bytes(b"one")
    before = stamp_of(file)
    file.write_bytes(b"two")  # of the same size, within the same second
    assert stamp_of(file) != before
    assert not object_store.move(file, target, object_store.tag_of(status_of(file)).replace("b", "c"))
    assert not object_store.move(file, target, before[2])
    assert file.read_bytes() == b"two"
    assert not target.exists()
    assert object_store.move(file, target)
    assert target.read_bytes() == b"two"
    assert keys(root / "inbox") == []


def test_what_others_write_is_seen_though_the_folder_was_listed_before(s3: Callable[[], UPath]) -> None:
    import boto3

    inbox = Storage(s3() / "data").inbox
    (inbox / BIRTHS / "births_2026-02-01.csv").write_bytes(b"x")
    assert len(found_in(inbox).files) == 1
    bucket, _, prefix = str(inbox).removeprefix("s3://").partition("/")
    client = boto3.client("s3")
    client.put_object(Bucket=bucket, Key=f"{prefix}/{BIRTHS}/", Body=b"")  # as consoles make a folder
    client.put_object(Bucket=bucket, Key=f"{prefix}/{BIRTHS}/births_2026-02-02.csv", Body=b"x")
    found = found_in(UPath(str(inbox)))
    assert [file.name for file in found.files] == ["births_2026-02-01.csv", "births_2026-02-02.csv"]
    assert found.left_alone == []


def test_a_store_that_is_away_is_told_in_a_sentence_without_the_secret(
    pipeline_on_s3: Pipeline, clean_day: Path
) -> None:
    file = next((clean_day / BIRTHS).iterdir())
    away = citydw(pipeline_on_s3, "run", str(file), AWS_ENDPOINT_URL="http://127.0.0.1:1", AWS_MAX_ATTEMPTS="1")
    assert away.returncode == 2
    assert "CITYDW_DATA" in away.stderr
    assert "Traceback" not in away.stderr
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in away.stderr + away.stdout


@pytest.mark.parametrize("data", ["sftp://host/data", "memory://data", "s3:/bucket"])
def test_a_place_that_could_show_half_a_file_is_no_data_root(monkeypatch: pytest.MonkeyPatch, data: str) -> None:
    monkeypatch.setenv("CITYDW_DATA", data)
    with pytest.raises(ValueError, match="CITYDW_DATA must be a folder or s3://bucket"):
        Settings.from_environment()
