"""Who sends: an agency that must prove that a file is its own is believed only if it does."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from etl.contract import ContractError
from etl.pipeline.pipeline import Pipeline
from etl.pipeline.reception import receive, receive_inbox
from etl.receive.identity import Identity, identities

FOLDER, NAME = "civil/births", "births_2026-03-02.csv"
ME = os.getuid()


@pytest.fixture(scope="module")
def shared(new_pipeline: Callable[..., Pipeline]) -> Pipeline:
    return new_pipeline()


NUMBERS = count(1)


@pytest.fixture
def births(clean_day: Path) -> bytes:
    """A file of births that no other test has sent: the same rows in another order."""
    header, *rows = next((clean_day / FOLDER).iterdir()).read_bytes().splitlines(keepends=True)
    first = next(NUMBERS)
    return b"".join([header, *rows[first:], *rows[:first]])


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A private key, made as the documentation says."""
    key = tmp_path_factory.mktemp("key") / "key.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True, capture_output=True)
    return key


def public(key: Path) -> str:
    return subprocess.run(["openssl", "pkey", "-in", key, "-pubout"], check=True, capture_output=True).stdout.decode()


def sign(file: Path, key: Path, dataset: str = "civil.births", manifest: bool = False) -> bytes:
    """Sign a file by the very commands of the documentation."""
    beside = f'"{file.name}.manifest.json"' if manifest else ""
    script = (
        f'{{ echo {dataset}; sha256sum "{file.name}" {beside}; }} > /tmp/$$.txt'
        f' && openssl pkeyutl -sign -rawin -inkey "{key}" -in /tmp/$$.txt | base64; rm /tmp/$$.txt'
    )
    return subprocess.run(["sh", "-c", script], cwd=file.parent, check=True, capture_output=True).stdout


def requiring(pipeline: Pipeline, **identity: Any) -> Pipeline:
    return replace(pipeline, identities={"civil": Identity(**identity)})


def drop(pipeline: Pipeline, content: bytes, name: str = NAME) -> Path:
    file = Path(pipeline.storage.inbox) / FOLDER / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def received(pipeline: Pipeline) -> dict[str, Any]:
    """The one file that lies in the inbox, walked to its end: its row in the ledger, and who it says has sent it."""
    (one,) = receive_inbox(pipeline)
    if not one.is_final:
        for _ in pipeline.walk(one.dataset, one.delivery_id):
            pass
    manifest = pipeline.storage.manifest(*one.dataset.split("."), one.delivery_id)
    entry = pipeline.ledger.get(one.dataset, one.delivery_id)
    return {"state": entry.state, "rule": entry.rule, "as_of": entry.as_of, "sender": manifest["sender"]} | {
        "said": entry.message_en, "receipt": entry.receipt_at
    }  # fmt: skip


def refused(came: dict[str, Any], reason: str) -> None:
    assert (came["state"], came["rule"], came["as_of"], came["sender"]) == (
        "rejected", "sender_not_proven", None, None
    )  # fmt: skip
    assert reason in came["said"] and came["receipt"] is not None


def test_an_agency_without_an_entry_is_known_by_its_folder(shared: Pipeline, births: bytes) -> None:
    drop(shared, births)
    came = received(replace(shared, identities={"tax": Identity(owners=[ME + 1])}))
    assert (came["state"], came["sender"]) == ("loaded", None)


def test_a_file_must_belong_to_the_agencys_account(shared: Pipeline, births: bytes) -> None:
    drop(shared, births)
    refused(received(requiring(shared, owners=[ME + 1, "no-such-user"])), "does not belong to the agency's account")
    drop(shared, births)
    came = received(requiring(shared, owners=[ME + 1, ME]))
    assert (came["state"], came["sender"]) == ("loaded", {"owner": ME}), "sent again by the right account"


@pytest.mark.skipif(ME != 0, reason="nobody but root can give a file to somebody else")
def test_a_manifest_of_another_account_says_nothing(shared: Pipeline, births: bytes) -> None:
    drop(shared, births)
    manifest = drop(shared, b'{"revision": 1}', f"{NAME}.manifest.json")
    os.chown(manifest, 65534, 65534)
    came = received(requiring(shared, owners=["root"]))
    assert (came["state"], came["rule"]) == ("held", "unreadable_manifest")


def test_a_file_must_be_signed_by_the_agencys_key(shared: Pipeline, births: bytes, key: Path) -> None:
    careful = requiring(shared, keys=[public(key)])
    file = drop(shared, births)
    refused(received(careful), "is missing")
    file = drop(shared, births)
    drop(shared, sign(file, key), f"{NAME}.sig")
    came = received(careful)
    raw = base64.b64decode("".join(public(key).splitlines()[1:-1]))[-32:]
    assert (came["state"], came["sender"]) == ("loaded", {"key": hashlib.sha256(raw).hexdigest()})
    assert list((Path(shared.storage.inbox) / FOLDER).iterdir()) == [], "the signature goes with its file"


FORGED: dict[str, Callable[[Path, Path, Path], bytes]] = {
    "another key": lambda file, key, other: sign(file, other),
    "another dataset": lambda file, key, other: sign(file, key, "civil.deaths"),
    "of a manifest that is not there": lambda file, key, other: sign_with(file, key, '{"revision": 3}', True),
    "not of the manifest that is there": lambda file, key, other: sign_with(file, key, '{"revision": 3}', False),
    "of another name": lambda file, key, other: sign_as(file, key, "births_2026-03-01.csv", b""),
    "of other bytes": lambda file, key, other: sign_as(file, key, NAME, b"x"),
    "no base64": lambda file, key, other: b"\xff\x00",
    "empty": lambda file, key, other: b"",
    "huge": lambda file, key, other: b"A" * 3_000_000,
}


def sign_as(file: Path, key: Path, name: str, more: bytes) -> bytes:
    aside = file.parent.parent.parent.parent / name
    aside.write_bytes(file.read_bytes() + more)
    return sign(aside, key)


def sign_with(file: Path, key: Path, manifest: str, is_signed: bool) -> bytes:
    beside = file.with_name(f"{file.name}.manifest.json")
    beside.write_text(manifest)
    signature = sign(file, key, manifest=is_signed)
    if is_signed:
        beside.unlink()
    return signature


@pytest.mark.parametrize("kind", FORGED)
def test_a_signature_of_anything_else_is_none(shared: Pipeline, births: bytes, key: Path, kind: str) -> None:
    other = key.with_name("other.pem")
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", other], check=True, capture_output=True)
    file = drop(shared, births)
    drop(shared, FORGED[kind](file, key, other), f"{NAME}.sig")
    refused(received(requiring(shared, keys=[public(key)])), "does not fit it")


def test_what_is_signed_with_its_manifest_is_taken_with_what_that_says(
    shared: Pipeline, births: bytes, key: Path
) -> None:
    file = drop(shared, births, "export.csv")
    drop(shared, json.dumps({"as_of": "2026-03-02", "revision": 7}).encode(), "export.csv.manifest.json")
    drop(shared, sign(file, key, manifest=True), "export.csv.sig")
    came = received(requiring(shared, keys=["-----BEGIN PUBLIC KEY-----\n" + public(key).split("\n", 1)[1]]))
    assert (came["state"], str(came["as_of"])) == ("loaded", "2026-03-02")


def test_a_file_must_come_through_the_agencys_account(shared: Pipeline, births: bytes) -> None:
    careful = requiring(shared, principals=["portal:civil"])
    for principal, rule in ((None, "sender_not_proven"), ("portal:tax", "sender_not_proven"), ("portal:civil", None)):
        one = receive(careful, Path(drop(shared, births)), principal=principal)
        assert shared.ledger.get(one.dataset, one.delivery_id).rule == rule
        sender = shared.storage.manifest("civil", "births", one.delivery_id)["sender"]
        assert sender == (None if rule else {"principal": principal})


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{owner: [lan]}", "identity: owner: Extra inputs"),
        ("{}", "name owners, keys or principals"),
        ("{owners: []}", "identity: owners: List should have at least 1 item"),
        ("{owners: [true]}", "identity: owners"),
        ("{owners: lan}", "identity: owners: Input should be a valid list"),
        ("[lan]", "civil: identity"),
        ("{keys: [abc]}", "no public key in PEM"),
    ],
)
def test_a_wrong_entry_keeps_its_agencys_files_waiting_and_nobody_elses(
    shared: Pipeline, births: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture, entry: str, said: str
) -> None:
    path = tmp_path / "agencies.yaml"
    path.write_text(f"civil:\n  title: x\n  identity: {entry}\ntax:\n  title: y\n")
    careful = replace(shared, identities=identities(path))
    file = drop(shared, births)
    other = file.parents[2] / "tax" / "taxpayers" / "taxpayers_2026-03-02.csv"
    other.parent.mkdir(parents=True, exist_ok=True)
    other.write_bytes(births)
    assert [each.dataset for each in receive_inbox(careful)] == ["tax.taxpayers"]
    assert file.exists() and said in caplog.text
    file.unlink()


def test_a_file_of_agencies_that_nobody_can_read_lets_nothing_in(tmp_path: Path) -> None:
    assert identities(tmp_path / "agencies.yaml") == {}
    for text in ("civil: {", "- civil", "civil: lan", "civil: {identity: {owners: [1]}, identity: {owners: [2]}}"):
        (tmp_path / "agencies.yaml").write_text(text)
        with pytest.raises(ContractError, match=r"agencies\.yaml"):
            identities(tmp_path / "agencies.yaml")
