"""A folder of contracts in which the schools are fetched from a database."""

from __future__ import annotations

import json
import multiprocessing
import re
import shutil
from multiprocessing.connection import Connection as PipeEnd
from pathlib import Path
from typing import Any

from etl.connectors import connector
from etl.connectors.connection import Connection
from etl.connectors.model import Window
from etl.contract import Contract
from etl.settings import DEFAULT_LIMITS
from tests.city import expectations_of


def contracts(folder: Path, server: dict[str, Any], mode: str = "snapshot", **properties: Any) -> Path:
    """Write such a folder, of the schools alone, below another one, beside those that are there; see `fetch`."""
    made = expectations_of(folder / f"contracts {len(list(folder.iterdir()))}")
    fetch(made, server, mode, **properties)
    return made


def fetch(expectations: Path, server: dict[str, Any], mode: str = "snapshot", **properties: Any) -> None:
    """Let the schools be fetched, in a folder of contracts.

    Args:
        expectations: the folder.
        server: the address, in the words of the contract.
        mode: the deliveryMode.
        properties: what is said of the server under `customProperties`; of table `truong`, unless a query is named.
    """
    shutil.copytree(Path(__file__).parent / "schools", expectations / "education", dirs_exist_ok=True)
    path = expectations / "education" / "schools.yaml"
    said = {"schedule": "30 2 * * *"} | ({} if "query" in properties else {"table": "truong"}) | properties
    custom = [{"property": name, "value": value} for name, value in said.items()]
    entry = {"server": "so_giao_duc", "host": "127.0.0.1", **server, "customProperties": custom}
    text = path.read_text("utf-8")
    for before, after in (
        ("        logicalTypeOptions: {format: dd/MM/yyyy}\n", ""),
        ("05/09/1995", "1995-09-05"),
        ("utf-8-sig", "utf-8"),
        ("value: snapshot", f"value: {mode}"),
        ("value: 1, unit: m", "value: 1, unit: d"),
        ("schema:\n", f"servers: [{json.dumps(entry)}]\nschema:\n"),
    ):
        text = text.replace(before, after, 1)
    path.write_text(text, "utf-8")


def peak_of_a_pull(contract: Contract, account: Connection, folder: Path) -> int:
    """The most bytes that a process of its own held while it pulled everything."""
    processes = multiprocessing.get_context("spawn")
    ours, theirs = processes.Pipe()
    puller = processes.Process(target=_pull, args=(theirs, contract, account, folder))
    puller.start()
    puller.join()
    assert puller.exitcode == 0
    peak: int = ours.recv()
    return peak


def _pull(said: PipeEnd, contract: Contract, account: Connection, folder: Path) -> None:
    (pulled,) = connector(contract, account, DEFAULT_LIMITS).pull(Window(), folder)
    assert pulled.rows and (folder / pulled.name).stat().st_size > pulled.rows * 60_000_000
    # Of its own memory: what getrusage says is no less than what the tests held when they began it.
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text("utf-8"))
    said.send(int(peak) << 10)
