"""The cases: what is run beside what, on which rows, and what is demanded of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from bench import inputs, peers, subjects
from bench.city import LINES_A_DAY
from bench.clean import Clean, export
from bench.files import ROWS_OF_A_SMALL_FILE, VERSIONS, Files
from bench.measure import Measurement, measure
from bench.sources import Source, Sources
from bench.states import State, States
from etl.contract import load_all
from etl.settings import EXPECTATIONS

NUMBERS = ("1", "2", "3", "4", "5", "6", "7", "asof", "pull", "land", "city")
NAMES = ("visits", "declarations")
# Rows of a real dataset for each row of `size`: the city has 14 million residents.
OF_CITY = {"police.residents": 14, "budget.vouchers": 5, "environment.measurements": 3}
# What an analyst asks while a city's dataset is loaded: a key of the largest table, and sums over another one.
ASKED_MEANWHILE = {
    "one resident": "SELECT * FROM people.residents WHERE personal_id = '079090123456' AND valid_to IS NULL",
    "60,000 vouchers, summed": "SELECT chapter, sum(amount) FROM business.budget_vouchers GROUP BY chapter",
}
WARD = "maxa_cu_tru"  # of visits
_FIRST_LOAD = {"visits": (2.2, 2.6), "declarations": (2.6, 3.0)}  # times COPY: warm, cold
_SMALL_FILE = {"visits": 150, "declarations": 100}  # milliseconds
_SMALL_FILES = 5000  # rows of a whole dataset for one small file
_STRATEGIES = ("delete-insert", "upsert")  # of dlt's merge; the first is its default
_PART = 10  # pandas.to_sql takes minutes for a million rows; it is given a tenth


@dataclass(frozen=True)
class Run:
    """Something that is measured.

    Attributes:
        tool: who does it.
        work: what it does.
        subject: a function of `bench.subjects` or `bench.peers`.
        rows: that go in.
        start: the state from which it starts; None: an empty one.
        part: it is given one row in so many, once and not every round; its ratio is reckoned for all.
        arguments: of the subject.
    """

    tool: str
    work: str
    subject: Callable[..., Any]
    rows: int
    start: State | None = None
    part: int = 1
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """Medians of a run's rounds."""

    seconds: float
    peak: int
    notes: dict[str, Any]


@dataclass(frozen=True)
class Target:
    """What is demanded of a case: a figure made of its runs' results, and the most that it may be."""

    text: str
    value: Callable[[Sequence[Result]], float]
    bound: float


@dataclass(frozen=True)
class Case:
    """Runs that are measured in turns: ours first, then what it is compared with.

    Attributes:
        number: of NUMBERS.
        of: whose rows.
        title: for people.
        runs: the second one is the reference of ratios.
        targets: may be none.
    """

    number: str
    of: str
    title: str
    runs: Sequence[Run]
    targets: Sequence[Target] = ()


def slower(results: Sequence[Result]) -> float:
    """How many times as long as its reference ours takes."""
    return results[0].seconds / results[1].seconds


class Workshop:
    """Makes cases, and what they start from; each thing once."""

    def __init__(self, folder: Path, states: States, sources: Sources, size: int) -> None:
        self.folder, self.states, self.sources, self.size = folder, states, sources, size
        self.log = folder / "log"
        self.files = Files(folder / "inputs")
        self.contracts = inputs.contracts(states.folder / "contracts")

    def cases(self, number: str, names: Sequence[str]) -> list[Case]:
        """The cases of a number, one for each kind of rows; some have a kind of their own."""
        if number == "7":
            return self._formats()
        if number == "asof":
            return [self._look_back()]
        if number == "land":
            return [self._land()]
        if number == "pull":
            in_mariadb = self.sources.mysql()
            return [
                self._pull(self.sources.postgresql(), 1.3, {"ADBC": peers.adbc}),
                *([self._pull(in_mariadb, 1.9, {})] if in_mariadb else []),
            ]
        if number == "city":
            return [self._of_city(dataset) for dataset in OF_CITY]
        makers = (self._case_1, self._case_2, self._case_3, self._case_4, self._case_5, self._case_6)
        return [makers[int(number) - 1](name) for name in names]

    def _case_1(self, name: str) -> Case:
        part = self._clean(name, part=_PART)
        warm, cold = _FIRST_LOAD[name]
        return Case(
            "1",
            name,
            f"First load of {self.size:,} rows into an empty table",
            [
                self._first(name, self.size),
                self._floor(name),
                Run(
                    "psql \\copy",
                    "into text, no key",
                    peers.psql_copy,
                    self.size,
                    arguments={"file": self.files.first(name, self.size, bad=0.0)},
                ),
                *(self._dlt(f"merge, {strategy}", self._clean(name), strategy) for strategy in _STRATEGIES),
                self._dlt_checked(name),
                Run("pandas", "to_sql", peers.to_sql, self.size // _PART, part=_PART, arguments={"clean": part}),
            ],
            [
                Target(f"at most {warm} x COPY", slower, warm),
                Target(
                    f"with imports, at most {cold} x COPY",
                    lambda r: (r[0].seconds + r[0].notes["start"]) / r[1].seconds,
                    cold,
                ),
            ],
        )

    def _case_2(self, name: str) -> Case:
        second = self._clean(name, second=True)
        merged = {strategy: self._merged(name, strategy) for strategy in _STRATEGIES}
        return Case(
            "2",
            name,
            f"Snapshot of {self.size:,} rows, 1% changed, into a table that holds them",
            [
                self._walk("snapshot", name, [self.files.second(name, self.size)], self.size, self._loaded(name)),
                self._floor(name),
                *(self._dlt(f"second merge, {s}", second, s, merged[s]) for s in _STRATEGIES),
            ],
            [Target("at most 1.0 x COPY", slower, 1.0)],
        )

    def _case_3(self, name: str) -> Case:
        rows, tables = self.size // 100, (10 * self.size, self.size // 10)
        runs = [
            self._walk(
                "changes",
                name,
                [self.files.changes(name, rows, of)],
                rows,
                self._history(name, of),
                work=f"into {of:,} rows",
            )
            for of in tables
        ]
        title = f"{rows:,} changes into a history of {tables[0]:,} rows, and into one of {tables[1]:,}"
        return Case("3", name, title, runs, [Target("at most 1.5 x into the small table", slower, 1.5)])

    def _case_4(self, name: str) -> Case:
        large = 10 * self.size
        return Case(
            "4",
            name,
            f"A file of {large:,} rows",
            [self._first(name, large), self._first(name, self.size)],
            [
                Target("peak memory at most 1,024 MiB", lambda r: r[0].peak / 2**20, 1024),
                Target("at most 11 x case 1", slower, 11.0),
            ],
        )

    def _case_5(self, name: str) -> Case:
        count = max(self.size // _SMALL_FILES, 2)
        folder = self.files.small(name, count)
        rows = count * ROWS_OF_A_SMALL_FILE
        (other,) = {*NAMES} - {name}
        folders = {"folder": folder, "warm_up": self.files.small(other, 1)}
        run = Run("citydw", "citydw run", subjects.run, rows, arguments=folders)
        asked = {"files": count, "rows": ROWS_OF_A_SMALL_FILE}
        gx = Run("Great Expectations", "16 expectations a file", peers.great_expectations, rows, arguments=asked)
        bound = _SMALL_FILE[name]
        target = Target(f"at most {bound} ms a file", lambda r: r[0].seconds / count * 1000, bound)
        return Case("5", name, f"{count:,} files of {ROWS_OF_A_SMALL_FILE} rows", [run, gx], [target])

    def _case_6(self, name: str) -> Case:
        return Case(
            "6",
            name,
            "A quarter of the rows is bad",
            [self._first(name, self.size, bad=0.25), self._first(name, self.size)],
            [Target("at most 1.5 x case 1", slower, 1.5)],
        )

    def _formats(self) -> list[Case]:
        rows = self.size // 10
        listed: dict[str, tuple[str, float, dict[str, Callable[..., Any]]]] = {
            "health.visits": ("XML", 1.0, {"lxml": peers.lxml, "pygixml": peers.pygixml}),
            "civil.deaths": ("Excel", 2.5, {"fastexcel": peers.fastexcel}),
            "land.parcels": ("GeoJSON", 1.0, {"orjson": peers.orjson, "pyogrio": peers.pyogrio}),
        }
        cases = []
        for dataset, (form, bound, libraries) in listed.items():
            file = self.files.of_format(dataset, rows)
            ours = Run(
                "citydw", "station extract", subjects.extract, rows, arguments={"dataset": dataset, "file": file}
            )
            others = [
                Run(tool, "reads only", subject, rows, arguments={"file": file}) for tool, subject in libraries.items()
            ]
            target = Target(f"at most {bound} x {next(iter(libraries))}", slower, bound)
            cases.append(Case("7", dataset, f"Reading {form}, {rows:,} rows", [ours, *others], [target]))
        return cases

    def _look_back(self) -> Case:
        rows = 10 * self.size
        arguments = {"contracts": self.contracts, "dataset": "changes.visits", "ward": WARD, "days": VERSIONS}
        history = self._history("visits", rows)
        run = Run("PostgreSQL", "as-of queries", subjects.look_back, rows, history, arguments=arguments)
        targets = [
            Target(f"{kind}: p95 at most 10 ms", lambda r, kind=kind: r[0].notes["queries"][kind]["p95"] * 1000, 10)  # type: ignore[misc]
            for kind in subjects.LOOKS
        ]
        return Case("asof", "visits", f"Looking back into a history of {rows:,} rows", [run], targets)

    def _land(self) -> Case:
        parcels, zones = 2 * self.size, self.size // 10
        sizes = {"parcels": parcels, "zones": zones}
        runs = [
            Run("citydw", "all marts, anew", subjects.place, parcels, arguments=sizes),
            Run("citydw", "no shape has changed", subjects.place, parcels, arguments=sizes | {"again": True}),
        ]
        targets = [
            Target("at most 10 minutes", lambda r: r[0].seconds / 60, 10),
            Target("peak memory at most 1,536 MiB", lambda r: r[0].peak / 2**20, 1536),
        ]
        return Case("land", "parcels", f"{parcels:,} parcels and {zones:,} zones of a plan", runs, targets)

    def _pull(self, source: Source, bound: float, others: dict[str, Callable[..., Any]]) -> Case:
        arguments = {"source": source, "file": self.states.folder / f"pulled_{source.kind}"}
        listed = {"its own client": peers.dump, **others, "connectorx": peers.connectorx, "dlt": peers.dlt_pull}
        ours = {"contracts": self.contracts, "source": source}
        runs = [
            Run("citydw", "into landing", subjects.pull, self.size, arguments=ours),
            *(Run(tool, "into a file", subject, self.size, arguments=arguments) for tool, subject in listed.items()),
        ]
        targets = [
            Target(f"at most {bound} x its own client", slower, bound),
            Target("peak memory at most 300 MiB", lambda r: r[0].peak / 2**20, 300),
        ]
        return Case("pull", source.kind, f"{self.size:,} rows out of an agency's database", runs, targets)

    def _of_city(self, dataset: str) -> Case:
        rows = self.size * OF_CITY[dataset]
        files = self.files.of_city(dataset, rows)
        arguments: dict[str, Any] = {"contracts": EXPECTATIONS, "dataset": dataset, "files": files}
        if dataset == "police.residents":  # the longest load: what it does to readers is measured
            (day,) = self.files.of_city("budget.vouchers", LINES_A_DAY)
            arguments |= {"warm_up": ("budget.vouchers", day), "asked": ASKED_MEANWHILE}
        run = Run("citydw", f"files: {len(files):,}", subjects.walk, rows, arguments=arguments)
        target = Target("peak memory at most 2,048 MiB", lambda r: r[0].peak / 2**20, 2048)
        return Case("city", dataset, f"First load of {rows:,} rows by the real contract", [run], [target])

    def _first(self, name: str, rows: int, bad: float = inputs.BAD) -> Run:
        work = f"{rows:,} rows" + (f", {bad:.0%} bad" if bad != inputs.BAD else "")
        return self._walk("snapshot", name, [self.files.first(name, rows, bad)], rows, work=work)

    def _walk(
        self, mode: str, name: str, files: list[Path], rows: int, start: State | None = None, work: str = "all stations"
    ) -> Run:
        warm_up = (f"append.{name}", self.files.first(name, ROWS_OF_A_SMALL_FILE))
        arguments = {"contracts": self.contracts, "dataset": f"{mode}.{name}", "files": files, "warm_up": warm_up}
        return Run("citydw", work, subjects.walk, rows, start, arguments=arguments)

    def _floor(self, name: str) -> Run:
        return Run("COPY", "clean rows, with key", peers.copy, self.size, arguments={"clean": self._clean(name)})

    def _dlt(self, work: str, clean: Clean, strategy: str, start: State | None = None) -> Run:
        arguments = {"clean": clean, "strategy": strategy}
        return Run("dlt", work, peers.dlt_merge, self.size, start, arguments=arguments)

    def _dlt_checked(self, name: str) -> Run:
        rules = {"contracts": self.contracts, "dataset": f"snapshot.{name}"}
        arguments = {"clean": self._clean(name), "strategy": "upsert", **rules}
        return Run("dlt and GX", "rules, then upsert", peers.dlt_merge_checked, self.size, arguments=arguments)

    def _merged(self, name: str, strategy: str) -> State:
        """The first snapshot is merged by dlt."""
        state = self.states.new()
        self._prepare(state, peers.dlt_merge, clean=self._clean(name), strategy=strategy)
        return state

    @cache  # noqa: B019 - a workshop lives as long as the program
    def _loaded(self, name: str, second: bool = False) -> State:
        """A first snapshot is loaded; and the second, if that is wanted."""
        state = self.states.new()
        files = [self.files.first(name, self.size), *([self.files.second(name, self.size)] if second else [])]
        self._prepare(state, subjects.walk, contracts=self.contracts, dataset=f"snapshot.{name}", files=files)
        return state

    @cache  # noqa: B019 - a workshop lives as long as the program
    def _history(self, name: str, rows: int) -> State:
        state = self.states.new()
        files = self.files.history(name, rows)
        self._prepare(state, subjects.walk, contracts=self.contracts, dataset=f"changes.{name}", files=files)
        return state

    @cache  # noqa: B019 - a workshop lives as long as the program
    def _clean(self, name: str, second: bool = False, part: int = 1) -> Clean:
        state, contract = self._loaded(name, second), load_all(self.contracts)[f"snapshot.{name}"]
        path = self.states.folder / f"clean-{name}-{second}-{part}.csv"
        return export(state, contract, path, rows=self.size // part)

    def _prepare(self, state: State, subject: Callable[..., Any], **arguments: Any) -> None:
        measure(subject, state.environment, self.log, **arguments)
        self.states.execute("VACUUM (ANALYZE)", state)  # as PostgreSQL does by itself in the night


def measured(workshop: Workshop, run: Run) -> Measurement:
    """Measure a run once, in a copy of its state."""
    with workshop.states.copy(run.start) as state:
        return measure(run.subject, state.environment, workshop.log, before=workshop.states.checkpoint, **run.arguments)
