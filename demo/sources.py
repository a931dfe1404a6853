"""`make demo-sources`, and `citydw simulate FOLDER --serve`: the city's datasets pulled from its agencies' servers."""

from __future__ import annotations

import shlex
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import NoReturn

import sqlalchemy as sa
from rich.table import Table
from upath import UPath

from demo.systems import KINDS, System, Systems
from etl.cli.console import console
from etl.cli.output import print_deliveries
from etl.contract import load_all
from etl.pipeline.pipeline import Pipeline
from etl.settings import Settings
from etl.warehouse import embedded
from etl.warehouse.migrate import migrate
from simulate import write_city

_PEOPLE, _DAYS, _SEED = 1_000, 2, 1
ACCOUNTS = "sources.sh"  # below the city's folder
_READABLE_BY_OWNER = 0o600


@contextmanager
def serving(
    out: Path, kinds: Sequence[type[System]] = KINDS, also: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Systems]:
    """Bring up a simulated city's systems; SIGTERM ends them as an interrupt of the terminal does.

    `out/expectations` is written anew: the deployment in whose contracts they are the sources; and `out/sources.sh`,
    which exports it and the accounts.

    Args:
        out: the city's folder, as `simulate.write_city` wrote it.
        kinds: which systems.
        also: other variables that `out/sources.sh` exports.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup wants it
            signal.signal(number, _interrupted)
    with Systems(kinds) as systems:
        said = {"CITYDW_EXPECTATIONS": str(systems.deployment(out.resolve() / "expectations")), **also}
        lines = [f"export {name}={shlex.quote(value)}" for name, value in (said | systems.connections()).items()]
        accounts = out.resolve() / ACCOUNTS
        accounts.touch(_READABLE_BY_OWNER)
        accounts.write_text("\n".join(lines) + "\n", encoding="utf-8")
        yield systems


def serve(out: Path) -> None:
    """Serve a simulated city until somebody interrupts; each line that is typed lets its next day come.

    Where nobody types, as in the background, all days come at once.

    Args:
        out: the city's folder, as `simulate.write_city` wrote it.
    """
    try:
        with serving(out) as systems:
            accounts = out.resolve() / ACCOUNTS
            _say(*accounts.read_text("utf-8").splitlines(), *_left_out(systems))
            _say(f"# In another terminal: . {shlex.quote(str(accounts))}; then citydw sources, citydw pull ...")
            first, *following = sorted((out / "days").iterdir())
            systems.feed(first)
            is_typed = True
            for day in following:
                _say(f"# {systems.days[-1]} is entered. Enter: the next day. Ctrl-C: the end.")
                is_typed = is_typed and bool(sys.stdin.readline())
                systems.feed(day)
            _say(f"# {systems.days[-1]} is entered; it is the last day. Ctrl-C: the end.")
            while True:
                signal.pause()
    except KeyboardInterrupt:
        _say("# All servers have ended.")


def main() -> None:
    """Pull a small city from its agencies' servers into a warehouse of its own; nothing of all this stays."""
    with tempfile.TemporaryDirectory(prefix="citydw-sources-") as folder, embedded.temporary() as url:
        home = Path(folder)
        _say(f"... a made-up city of {_PEOPLE:,} people, and its agencies' servers")
        write_city(home / "city", _PEOPLE, _DAYS, _SEED)
        with Systems() as systems:
            settings = Settings(home=home, data=UPath(home / "data"), database_url=url)
            pipeline = Pipeline(settings, load_all(systems.deployment(home / "expectations")))
            migrate(pipeline.engine, pipeline.contracts.values())
            _say(*_left_out(systems))
            for day in sorted((home / "city" / "days").iterdir()):
                _say(f"... {day.name}")
                systems.feed(day)
                for _ in systems.pull_days(pipeline):
                    pass
            print_deliveries(console, pipeline.ledger.all())
            console.print(_tables(pipeline, systems))


def _tables(pipeline: Pipeline, systems: Systems) -> Table:
    """How many rows and versions each table has."""
    shown = Table("dataset", "pulled from", "table", "rows today", "versions in all")
    with pipeline.engine.connect() as connection:
        for system in systems.all:
            contract = pipeline.contracts[system.dataset]
            query = f"SELECT count(*) FILTER (WHERE valid_to IS NULL), count(*) FROM {contract.schema}.{contract.table}"
            rows, versions = connection.execute(sa.text(query)).one()
            shown.add_row(
                contract.id, system.server["type"], f"{contract.schema}.{contract.table}", f"{rows:,}", f"{versions:,}"
            )
    return shown


def _left_out(systems: Systems) -> list[str]:
    return [f"# {dataset} is left out: {missing}." for dataset, missing in systems.left_out.items()]


def _say(*lines: str) -> None:
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _interrupted(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
