"""A bad sender: whatever one agency drops costs itself alone, within seconds, and speaks for nobody else."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from upath import UPath

from etl.operate.audit import verify
from etl.operate.backup import backup
from etl.pipeline import reception
from etl.pipeline.pipeline import Pipeline
from etl.pipeline.reception import Received, receive_inbox
from etl.receive import arrival
from etl.receive.arrival import complete_files
from etl.receive.landing import NotReceived
from etl.receive.turns import arriving, in_turn, turn_of, waiting
from etl.settings import PROJECT
from tests.city import audited

SECONDS = 10.0  # for everything that an inbox holds
FOLDER, NAME = "civil/births", "births_2026-03-02.csv"
OTHERS = "tax/taxpayers"
TEXT = "so_dang_ky\n1\n"
MANIFEST = ".manifest.json"
Attack = Callable[[Path], object]


@pytest.fixture(scope="module")
def shared(new_pipeline: Callable[..., Pipeline]) -> Pipeline:
    return new_pipeline()


@pytest.fixture
def inbox(shared: Pipeline) -> Iterator[Path]:
    """The folder of the agency that attacks, in an empty data root with an empty ledger."""
    root = Path(shared.storage.root)
    with shared.engine.begin() as connection:
        for table in ("people.births", "business.taxpayers", "ops.delivery", "ops.arrival", "ops.problem"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
    folder = Path(shared.storage.inbox) / FOLDER
    folder.mkdir(parents=True)
    yield folder
    subprocess.run(["chmod", "-R", "u+rwx", str(root)], check=False, stderr=subprocess.DEVNULL)
    subprocess.run(["rm", "-rf", str(root)], check=True)  # the only one that gets 1,900 folders down


def drop_good(pipeline: Pipeline, clean_day: Path, name: str | None = None) -> bytes:
    """Put a right file of another agency beside whatever lies in the inbox."""
    file = next((clean_day / OTHERS).iterdir())
    folder = Path(pipeline.storage.inbox) / OTHERS
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, folder / (name or file.name))
    return file.read_bytes()


def receive(pipeline: Pipeline) -> list[Received]:
    started = time.monotonic()
    received = receive_inbox(pipeline)
    assert time.monotonic() - started < SECONDS
    return received


def good(pipeline: Pipeline, received: list[Received], sent: bytes) -> None:
    """The other agency's file is in landing as it was sent, and goes on."""
    (other,) = (each for each in received if each.dataset == "tax.taxpayers")
    assert other.state == "received"
    assert pipeline.storage.content(other.delivery).read_bytes() == sent


# --- forty objects


def manifest(text: str | bytes) -> Attack:
    def make(folder: Path) -> None:
        (folder / NAME).write_text(TEXT)
        (folder / f"{NAME}{MANIFEST}").write_bytes(text if isinstance(text, bytes) else text.encode())

    return make


def beside(ending: str, make: Attack) -> Attack:
    def both(folder: Path) -> None:
        (folder / NAME).write_text(TEXT)
        make(folder / f"{NAME}{ending}")

    return both


def as_link(path: Path) -> None:
    secret = path.parents[3] / "secret.json"
    secret.write_text('{"password": 1}')
    path.symlink_to(secret)


def as_hard_link(path: Path) -> None:
    secret = path.parents[3] / "secret.json"
    secret.write_text('{"password": 1}')
    path.hardlink_to(secret)


def as_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path.name)
    os.chdir(here)


def deep(folder: Path) -> None:
    here = os.open(folder, os.O_RDONLY)
    for _ in range(1_900):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


def long_path(folder: Path) -> None:
    here = os.open(folder, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("x" * 250, dir_fd=here)
        below = os.open("x" * 250, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open(NAME, os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)


def sparse(size: int, name: str = NAME) -> Attack:
    def make(folder: Path) -> None:
        with (folder / name).open("wb") as file:
            file.truncate(size)

    return make


def sparse_and_declared(folder: Path) -> None:
    sparse(1 << 40)(folder)
    (folder / f"{NAME}{MANIFEST}").write_text(json.dumps({"sha256": "0" * 64}))


def file_of(name: str) -> Attack:
    return lambda folder: (folder / name).write_text(TEXT)


HELD: dict[str, Attack] = {
    "a revision of eleven digits": manifest('{"revision": 99999999999}'),
    "a revision of 300 digits": manifest(f'{{"revision": {"9" * 300}}}'),
    "a revision of 5,000 digits": manifest(f'{{"revision": {"9" * 5_000}}}'),
    "the highest revision of all": manifest('{"revision": 2147483647}'),
    "a revision that leaps": manifest('{"revision": 9999}'),
    "a revision that is true": manifest('{"revision": true}'),
    "NUL in a name": manifest('{"x\\u0000y": 1}'),
    "NUL in a value": manifest('{"sha256": "\\u0000"}'),
    "NUL in a total": manifest('{"totals": {"a\\u0000": 1}}'),
    "half a letter": manifest('{"as_of": "\\ud800"}'),
    "half a letter in a name": manifest('{"\\udfff": 1}'),
    "half a letter in a total": manifest('{"totals": {"\\udfff": 1}}'),
    "NaN": manifest('{"totals": {"a": NaN}}'),
    "a total of sNaN": manifest('{"totals": {"a": "sNaN"}}'),
    "Infinity": manifest('{"rows": Infinity}'),
    "a total of 300 digits": manifest(f'{{"totals": {{"a": {"9" * 300}}}}}'),
    "a huge exponent": manifest('{"totals": {"a": 1e999999999}}'),
    "one name twice": manifest('{"rows": 1, "rows": 2}'),
    "deep JSON": manifest("[" * 100_000),
    "a manifest of 3 MB": manifest('{"rows": 1}' + " " * 3_000_000),
    "no JSON": manifest(b"\xff\xfe\x00"),
    "the year 9999": manifest('{"as_of": "9999-12-31"}'),
    "the year 1": manifest('{"as_of": "0001-01-01"}'),
    "another period than the name's": manifest('{"as_of": "2026-03-01"}'),
    "a pipe as manifest": beside(MANIFEST, os.mkfifo),
    "a folder as manifest": beside(MANIFEST, Path.mkdir),
    "a link as manifest": beside(MANIFEST, as_link),
    "a hard link as manifest": beside(MANIFEST, as_hard_link),
    "a link that leads nowhere as hash": beside(".sha256", lambda path: path.symlink_to("nowhere")),
    "a socket as hash": beside(".md5", as_socket),
}
REJECTED: dict[str, Attack] = {
    "a period before there were registers": file_of("births_1905-01-01.csv"),
    "a period in the future": file_of("births_2098-01-01.csv"),
    "a revision that leaps in the name": file_of("births_2026-03-02_r9999.csv"),
    "a sparse file of 3 GB": sparse(3 << 30),
    "a sparse file of 1 TB": sparse(1 << 40),
    "a sparse file whose hash is declared": sparse_and_declared,
}
LEFT: dict[str, Attack] = {
    "a pipe": lambda folder: os.mkfifo(folder / NAME),
    "a folder with a file's name": lambda folder: (folder / NAME).mkdir(),
    "a socket": lambda folder: as_socket(folder / NAME),
    "a device": lambda folder: (folder / NAME).symlink_to("/dev/zero"),
    "a link": lambda folder: as_link(folder / NAME),
    "a hard link": lambda folder: as_hard_link(folder / NAME),
    "a link in a circle": lambda folder: (folder / NAME).symlink_to(NAME),
    "1,900 folders": deep,
    "a path that is too long": long_path,
    "another agency's folders": lambda folder: (
        shutil.copytree(folder, folder / "tax/taxpayers") and file_of("tax/taxpayers/taxpayers_2026-03-03.csv")(folder)
    ),
    "a file beside the datasets": lambda folder: file_of("../births_2026-03-02.csv")(folder),
    "a file beside the agencies": lambda folder: file_of("../../births_2026-03-02.csv")(folder),
}
TAKEN: dict[str, Attack] = {
    "a pipe as .done": beside(".done", os.mkfifo),
    "a folder as .done": beside(".done", Path.mkdir),
    "a link as .done": beside(".done", lambda path: path.symlink_to("nowhere")),
}


@pytest.mark.parametrize("kind", [*HELD, *REJECTED, *LEFT, *TAKEN])
def test_an_odd_object_costs_itself_alone(
    kind: str, shared: Pipeline, inbox: Path, clean_day: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (HELD | REJECTED | LEFT | TAKEN)[kind](inbox)
    sent = drop_good(shared, clean_day)
    with caplog.at_level(logging.WARNING):
        received = receive(shared)
    good(shared, received, sent)
    theirs = [each for each in received if each.dataset != "tax.taxpayers"]
    if kind in LEFT:
        assert theirs == []
        assert sum("left alone" in record.getMessage() for record in caplog.records) == 1
    else:
        (mine,) = theirs
        assert mine.dataset == "civil.births"
        if not mine.is_final:
            for _ in shared.walk(mine.dataset, mine.delivery_id):
                pass
        entry = shared.ledger.get(mine.dataset, mine.delivery_id)
        if kind in TAKEN:
            assert entry.rule != "unreadable_manifest"
        else:
            assert entry.state == ("held" if kind in HELD else "rejected")
            assert entry.receipt_at is not None
    landed = [path for path in Path(shared.storage.root / "landing").rglob("*") if path.is_file()]
    assert sum(512 * path.stat().st_blocks for path in landed) < 8 << 20
    assert all("password" not in path.read_text(errors="replace") for path in landed)
    assert not any(path.is_symlink() for path in Path(shared.storage.processed).rglob("*"))
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        assert [each for each in receive(shared) if each.dataset == "tax.taxpayers"] == []
    assert not any("left alone" in record.getMessage() for record in caplog.records), "it is told once"
    assert list(verify(shared.ledger, shared.storage)) == []


# --- folders and floods


AS_NOBODY = """
import os, sys
from upath import UPath
from etl.receive.inbox import found_in, told
folder = UPath(sys.argv[1])
os.setgid(65534), os.setuid(65534)
found = found_in(folder)
print(len(found.files), *(line.rpartition(", for ")[2] for line in told(found)), sep="\\n")
"""


@pytest.mark.skipif(os.getuid() != 0, reason="nobody but root can become somebody who may not read everything")
@pytest.mark.parametrize("mode", [0o000, 0o444, 0o111])
def test_a_folder_that_may_not_be_read_costs_itself_alone(tmp_path: Path, mode: int) -> None:
    for parent in (tmp_path, *tmp_path.parents[:3]):
        parent.chmod(0o755)
    for folder in (FOLDER, OTHERS):
        (tmp_path / "in" / folder).mkdir(parents=True)
        (tmp_path / "in" / folder / "x_2026-03-02.csv").write_text(TEXT)
    (tmp_path / "in" / FOLDER).chmod(mode)
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, str(tmp_path / "in")], capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == ["1", "it cannot be read (PermissionError)"], done.stderr


def test_a_flood_of_one_agency_delays_another_by_one_file() -> None:
    flood = [UPath(f"/in/civil/births/{n:04}.csv") for n in range(1_000)]
    other = UPath("/in/tax/taxpayers/x.csv")
    assert in_turn([*flood, other]).index(other) == 1
    assert in_turn([*flood, other])[2:] == flood[1:]


def test_a_huge_file_stands_behind_all_that_others_send_meanwhile(tmp_path: Path) -> None:
    sizes = {"civil/births/a.csv": 9 << 20, "civil/births/b.csv": 1, "tax/taxpayers/1.csv": 1, "tax/taxpayers/2.csv": 1}
    for name, size in sizes.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * size)
    files = [UPath(tmp_path / name) for name in sizes]
    assert [file.name for file in in_turn(files)] == ["1.csv", "2.csv", "a.csv", "b.csv"]
    assert [file.name for file in in_turn(files, {"tax": 99 << 20})] == ["a.csv", "b.csv", "1.csv", "2.csv"]


def test_who_comes_while_another_floods_is_next_and_none_comes_twice(
    shared: Pipeline, inbox: Path, clean_day: Path
) -> None:
    for number in range(200):
        (inbox / f"births_2026-03-02_r{number}.csv").write_text(f"{TEXT}{number}\n")
    files = arriving(shared.storage, quiet_seconds=0, between_looks=0)
    begun = [next(files) for _ in range(5)]
    drop_good(shared, clean_day)
    (inbox / "births_2026-03-02_r500.csv").write_text(f"{TEXT}500\n")
    begun += [next(files) for _ in range(2)]
    assert "taxpayers" in {file.parent.name for file in begun[5:]}
    begun += files
    assert len(begun) == len(set(begun)) == 202
    assert waiting(shared.storage, {"civil", "tax"}) == set()


def test_a_file_that_comes_in_the_midst_of_a_flood_is_received_in_its_midst(
    shared: Pipeline, inbox: Path, clean_day: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(200):
        sparse(1 << 40, f"births_2026-03-02_r{number}.csv")(inbox)
        (inbox / f"births_2026-03-02_r{number}.csv.sha256").write_text("0" * 64)
    for number in range(300):
        (inbox / f"a flood {number}.csv").write_text(f"{TEXT}{number}\n")
    took = {}

    def send() -> None:
        while not shared.ledger.all("civil.births"):
            time.sleep(0.01)
        drop_good(shared, clean_day)
        sent_at = time.monotonic()
        while not shared.ledger.all("tax.taxpayers"):
            time.sleep(0.01)
        took["seconds"] = time.monotonic() - sent_at

    with ThreadPoolExecutor(1) as other:
        sent = other.submit(send)
        received = receive_inbox(shared)
        sent.result(timeout=60)
    (place,) = (number for number, each in enumerate(received) if each.dataset == "tax.taxpayers")
    assert place < len(received) - 1, "others of the flood came after it"
    with capsys.disabled():
        sys.stdout.write(f"\nin a flood of 500 files, another agency's was received in {took['seconds']:.1f} s\n")


def test_a_look_reads_only_so_much_of_each_agency(
    shared: Pipeline, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrival, "_MOST_READ", 3_000)
    (inbox.parents[1] / OTHERS).mkdir(parents=True)
    content = b"x" * 1_200
    for file in [*(inbox / f"births_2026-03-0{day}.csv" for day in (1, 2, 3)), inbox.parents[1] / OTHERS / "x.csv"]:
        file.write_bytes(content)
        file.with_name(f"{file.name}.sha256").write_text(hashlib.sha256(content).hexdigest())
    named = [file.name for file in complete_files(shared.storage, quiet_seconds=1_000)]
    assert named == ["births_2026-03-01.csv", "births_2026-03-02.csv", "x.csv"]
    assert len(complete_files(shared.storage, quiet_seconds=0)) == 4, "of the last one, the quiet tells"


def test_what_stays_in_the_inbox_keeps_nothing_from_its_turn(shared: Pipeline, inbox: Path) -> None:
    for number in range(1, 6):
        sparse(1 << 40, f"births_2026-03-01_r{number}.csv")(inbox)
    (inbox / NAME).write_text(TEXT)
    rounds = [receive_inbox(shared, seconds=0) for _ in range(5)]
    assert [each.state for received in rounds for each in received] == ["rejected"] * 5
    assert waiting(shared.storage, {"civil"}) == {"civil"}
    (inbox / "births_2026-02-28.csv").write_text(TEXT + "2")
    assert {receive_inbox(shared, seconds=0)[0].state for _ in range(2)} == {"received"}
    assert waiting(shared.storage, {"civil"}) == set(), "what stays does not call for one round after the other"
    assert receive_inbox(shared, seconds=0) == []


def test_a_round_takes_a_file_of_each_agency_however_slow_it_is(shared: Pipeline, inbox: Path, clean_day: Path) -> None:
    for number in range(3):
        (inbox / f"births_2026-03-02_r{number}.csv").write_text(f"{TEXT}{number}\n")
    drop_good(shared, clean_day)
    assert sorted(each.dataset for each in receive_inbox(shared, seconds=0)) == ["civil.births", "tax.taxpayers"]


def test_one_receiver_at_a_time_is_at_an_agency(shared: Pipeline, inbox: Path, clean_day: Path) -> None:
    (inbox / NAME).write_text(TEXT)
    sent = drop_good(shared, clean_day)
    with turn_of(shared.storage, "civil") as is_ours:
        assert is_ours
        (other,) = receive(shared)
        good(shared, [other], sent)
        assert waiting(shared.storage, {"civil", "tax"}) == {"civil"}
    assert len(receive(shared)) == 1
    assert waiting(shared.storage, {"civil", "tax"}) == set()


def test_what_one_agency_may_send_at_a_time_is_a_setting(shared: Pipeline, inbox: Path, clean_day: Path) -> None:
    limits = replace(shared.settings.limits, agency_bytes=20)
    careful = replace(shared, settings=replace(shared.settings, limits=limits))
    for day in range(1, 5):
        (inbox / f"births_2026-03-0{day}.csv").write_text(f"{TEXT}{day}\n")
    sent = drop_good(careful, clean_day)
    received = receive(careful)
    good(careful, received, sent)
    assert len(received) == 3
    assert len(receive(careful)) == 2, "the others come next"


@pytest.mark.parametrize("size", [1_000, 1_500])
def test_a_file_over_the_limit_is_refused_without_being_copied(shared: Pipeline, inbox: Path, size: int) -> None:
    limits = replace(shared.settings.limits, file_bytes=1_000)
    careful = replace(shared, settings=replace(shared.settings, limits=limits))
    (inbox / NAME).write_bytes(b"x" * size)
    (received,) = receive(careful)
    content = careful.storage.content(received.delivery)
    if size <= limits.file_bytes:
        assert (received.state, content.stat().st_size) == ("received", size)
        return
    entry = careful.ledger.get(received.dataset, received.delivery_id)
    assert (entry.state, entry.rule, entry.size_bytes) == ("rejected", "file_too_large", size)
    assert content.stat().st_size < 200
    assert (inbox / NAME).exists()
    assert receive(careful) == []
    assert careful.run_station("extract", received.dataset, received.delivery_id).rule == "file_too_large"
    assert audited(careful) == []
    (whole,) = receive(shared)
    assert whole.state == "received", "the limit was raised"
    assert not (inbox / NAME).exists()


# --- who sends


@pytest.mark.parametrize(
    "place",
    ["civil/births/tax/taxpayers", "x/y/z/tax/taxpayers", "civil/tax/taxpayers", "tax/taxpayers/x", "tax", "."],
)
def test_no_folders_name_but_the_first_two_says_who_sends(shared: Pipeline, inbox: Path, place: str) -> None:
    folder = Path(shared.storage.inbox) / place
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "taxpayers_2026-03-03.csv"
    file.write_text(TEXT)
    assert receive(shared) == []
    assert shared.ledger.all() == []
    assert file.exists()


@pytest.mark.parametrize(
    "place", ["tax /taxpayers", "tax/taxpayers.", "tax\n/taxpayers", "civil/wards new", "t" * 99 + "/x"]
)
def test_no_sign_in_a_folders_name_makes_it_another(shared: Pipeline, inbox: Path, place: str) -> None:
    folder = Path(shared.storage.inbox) / place
    folder.mkdir(parents=True)
    (folder / "taxpayers_2026-03-03.csv").write_text(TEXT)
    (received,) = receive(shared)
    assert received.dataset not in shared.contracts and received.delivery.dataset != "wards_new"
    assert shared.ledger.get(received.dataset, received.delivery_id).rule == "unknown_dataset"


@pytest.mark.parametrize(
    ("agency", "dataset", "delivery_id"),
    [
        ("civil", "births", "../../tax/taxpayers/{id}"),
        ("civil", "../tax/taxpayers", "{id}"),
        ("civil/../tax", "taxpayers", "{id}"),
        ("tax", "taxpayers", "{id}/."),
        ("tax", "taxpayers", "{id}\n"),
        ("tax", "taxpayers", ""),
        ("", "tax/taxpayers", "{id}"),
    ],
)
def test_an_id_is_no_path(
    shared: Pipeline, inbox: Path, clean_day: Path, agency: str, dataset: str, delivery_id: str
) -> None:
    drop_good(shared, clean_day)
    (received,) = receive(shared)
    asked = delivery_id.format(id=received.delivery_id)
    with pytest.raises(FileNotFoundError):
        shared.storage.delivery(agency, dataset, asked)
    with pytest.raises(FileNotFoundError):
        shared.run_station("receipt", f"{agency}.{dataset}", asked)


# --- time


def test_a_revision_that_leaps_does_not_lock_a_period(shared: Pipeline, inbox: Path) -> None:
    for stated, revision in ((150, None), (99, 99), (150, 150), (250, None)):
        (inbox / f"births_2026-03-02_r{stated}.csv").write_text(f"{TEXT}{stated}\n")
        (received,) = receive(shared)
        entry = shared.ledger.get(received.dataset, received.delivery_id)
        if revision is None:
            assert (entry.as_of, entry.rule) == (None, "unclear_revision")
        else:
            assert (entry.as_of, entry.revision, entry.rule) == (date(2026, 3, 2), revision, None)


# --- links and races


def test_a_file_that_is_swapped_for_a_link_is_never_another_agencys(
    shared: Pipeline, inbox: Path, clean_day: Path
) -> None:
    drop_good(shared, clean_day)
    (theirs,) = receive(shared)
    secret = Path(shared.storage.content(theirs.delivery))
    is_over = threading.Event()

    def swap() -> None:
        aside = inbox / ".aside"
        for number in range(1_000_000):
            if is_over.is_set():
                return
            name = inbox / f"births_2026-03-0{1 + number % 4}.csv"
            kind = number % 3
            aside.unlink(missing_ok=True)
            if kind == 0:
                aside.write_text(f"{TEXT}{number}\n")
            elif kind == 1:
                aside.symlink_to(secret)
            else:
                aside.hardlink_to(secret)
            aside.rename(name)

    attacker = threading.Thread(target=swap)
    attacker.start()
    received = []
    try:
        until = time.monotonic() + 4
        while time.monotonic() < until:
            received += receive(shared)
    finally:
        is_over.set()
        attacker.join()
    assert received, "some plain files came through"
    assert all(each.delivery.sha256 != theirs.delivery.sha256 for each in received)
    processed = list((Path(shared.storage.processed) / FOLDER).rglob("*"))
    assert [path for path in processed if path.is_symlink()] == []
    assert [path for path in processed if path.is_file() and path.samefile(secret)] == []
    assert secret.exists() and secret.stat().st_mode & 0o777 == 0o400


def test_a_folder_that_is_swapped_for_a_link_is_not_followed(shared: Pipeline, inbox: Path) -> None:
    elsewhere = Path(shared.storage.root) / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / NAME).write_text(TEXT)
    (inbox / NAME).write_text(TEXT)
    (file,) = complete_files(shared.storage, 0)
    shutil.rmtree(inbox)
    inbox.symlink_to(elsewhere)
    with pytest.raises(NotReceived):
        reception.receive(shared, file)
    assert (elsewhere / NAME).exists()
    assert shared.ledger.all() == []


def test_receivers_at_once_take_each_file_once(shared: Pipeline, inbox: Path, clean_day: Path) -> None:
    for number in range(12):
        name = f"export {number}.csv"  # only its manifest says of which period it is
        (inbox / name).write_text(f"{TEXT}{number}\n")
        (inbox / f"{name}{MANIFEST}").write_text(f'{{"as_of": "2026-03-{number + 1:02}", "revision": 1}}')
    sent = drop_good(shared, clean_day)
    with ThreadPoolExecutor(3) as receivers:
        runs = list(receivers.map(lambda _: receive_inbox(shared), range(3)))
    received = [each for run in runs for each in run]
    good(shared, received, sent)
    assert len(received) == 13
    assert {each.state for each in received} == {"received"}
    assert [path for path in Path(shared.storage.inbox).rglob("*") if path.is_file()] == []


def test_a_backup_after_attacks_holds_no_link_and_is_whole(
    shared: Pipeline, inbox: Path, clean_day: Path, tmp_path: Path
) -> None:
    for kind in ("a link as manifest", "a link that leads nowhere as hash"):
        HELD[kind](inbox)
        receive(shared)
    drop_good(shared, clean_day)
    receive(shared)
    backup(str(shared.settings.database_url), shared.settings.data, tmp_path / "kept")
    kept = list((tmp_path / "kept").rglob("*"))
    assert not any(path.is_symlink() for path in kept)
    assert "password" not in "".join(path.read_text(errors="replace") for path in kept if path.suffix == ".json")


# --- the watcher, and whatever else a manifest or a name may be


def test_the_watcher_outlives_what_it_sees(shared: Pipeline, inbox: Path) -> None:
    plugins = PROJECT / "dags" / "plugins"
    sparse_and_declared(inbox)
    deep(inbox)
    os.mkfifo(inbox / f"births_2026-03-03.csv{MANIFEST}")
    (inbox / "births_2026-03-03.csv").write_text(TEXT)
    looked = subprocess.run(
        [sys.executable, "-c", WATCHER, str(plugins), str(shared.storage.root)],
        env=os.environ | {"CITYDW_QUIET_SECONDS": "0"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert looked.stdout.split()[-1:] == ["2"], looked.stderr[-2000:]


def test_the_watcher_announces_an_agency_once_until_there_is_news_or_receiving_left_some(
    shared: Pipeline, inbox: Path
) -> None:
    watched = subprocess.run(
        [sys.executable, "-c", WATCHED, str(PROJECT / "dags" / "plugins"), str(shared.storage.root)],
        env=os.environ | {"CITYDW_QUIET_SECONDS": "0"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert watched.stdout.splitlines()[-6:] == [
        "a file: 1",
        "the same: nothing",
        "another one, while the agency is received: nothing",
        "afterwards: 2",
        "one was received: 1",
        "a round left one: 1",
    ], watched.stderr[-2000:]


WATCHED = """
import asyncio, sys
sys.path.insert(0, sys.argv[1])
from inbox_trigger import InboxTrigger
from upath import UPath
from etl.receive.turns import arriving, turn_of
from etl.delivery.storage import Storage

storage = Storage(UPath(sys.argv[2]))
folder = storage.inbox / "civil" / "births"

async def main():
    announced = asyncio.Queue()
    async def watch():
        async for event in InboxTrigger(sys.argv[2], every=0.05, again=0.1).run():
            announced.put_nowait(event.payload["files"])
    watcher = asyncio.create_task(watch())
    async def tell(of, seconds=30):
        try:
            print(f"{of}: {await asyncio.wait_for(announced.get(), seconds)}")
        except TimeoutError:
            print(f"{of}: nothing")
    (folder / "births_2026-03-01.csv").write_text("1")
    await tell("a file")
    await tell("the same", seconds=1)
    with turn_of(storage, "civil"):
        (folder / "births_2026-03-02.csv").write_text("2")
        await tell("another one, while the agency is received", seconds=1)
    await tell("afterwards")
    (folder / "births_2026-03-01.csv").unlink()
    await tell("one was received")
    with turn_of(storage, "civil"):
        list(arriving(storage, 0))
    await tell("a round left one")
    watcher.cancel()

asyncio.run(main())
"""
WATCHER = """
import sys
sys.path.insert(0, sys.argv[1])
from inbox_trigger import InboxTrigger
there, _ = InboxTrigger(sys.argv[2])._look()
print(sum(map(len, there.values())))
"""
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.dictionaries(
    st.sampled_from(["as_of", "revision", "size", "sha256", "md5", "rows", "totals", "x\0", "\ud800"]),
    ANY_JSON,
    max_size=3,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=40) | (FIELDS | ANY_JSON).map(lambda fields: json.dumps(fields).encode()))
def test_whatever_a_manifest_is_the_file_is_received(shared: Pipeline, inbox: Path, content: bytes) -> None:
    (inbox / NAME).write_text(TEXT)
    (inbox / f"{NAME}{MANIFEST}").write_bytes(content)
    (received,) = receive(shared)
    assert received.delivery.as_of == date(2026, 3, 2)
    assert list(inbox.iterdir()) == []


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.text(min_size=1, max_size=40) | st.from_regex(r"[a-z]{0,3}[-_. ]?\d{4,9}[-_.r]{0,2}\d{0,9}", fullmatch=True)
)
def test_whatever_its_name_is_a_file_ends_or_stays(shared: Pipeline, inbox: Path, name: str) -> None:
    try:
        file = inbox / f"{name.replace('/', '_')}.csv"
        file.write_text(TEXT)
    except (ValueError, OSError):
        return  # no system takes such a name
    received = receive(shared)
    assert len(received) <= 1
    assert file.exists() == (not received)
    file.unlink(missing_ok=True)
