"""A first contract and suite from sample files: what content decides is written down, what it does not is said.

All rows are looked at. Nothing is guessed in silence: a line of the contract whose content leaves a doubt carries a
comment, and `TODO` stands where only a person knows. Neither keeps a delivery from being loaded; `citydw lint` lists
what is left to do. The files are read by the stations' own readers, in the way that the draft says.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from etl import datatypes
from etl.contract import Column, Contract, load, yaml_text
from etl.contract.city import city, default_schema, may_hold
from etl.contract.expansion import Dictionary, dictionary
from etl.contract.fields import SemanticType
from etl.contract.names import NAME, OF_NAMES
from etl.contract.reading import contract_of
from etl.delivery.messages import Stop
from etl.draft import columns, document, keys, layout
from etl.draft.document import Draft
from etl.draft.found import Layout, Undrafted
from etl.draft.guess import Guess, Shown
from etl.draft.meaning import ENOUGH, Meaning
from etl.draft.naming import folded, names
from etl.draft.sample import Sample, fields_in, read
from etl.extract.reading import read_tables
from etl.extract.table import Table
from etl.settings import EXPECTATIONS, Limits

__all__ = ["Drafted", "Undrafted", "draft", "leave_to_do"]
# What a column that names a record is likely to be called, and to mean.
_NAMING = r"^(?:so|ma|id|stt)(?:_|$)|(?:^|_)(?:id|code|no|number|num|key|uuid|guid|nr)$"
_ID = r"^id(?:_|$)|(?:^|_)(?:id|code|no|number|num|key|nr)$"
_NAMES: tuple[SemanticType, ...] = ("ward", "personal_id", "tax_code", "bhxh", "bhyt")
_NAMES_NOTHING: tuple[SemanticType, ...] = (
    "geometry", "address", "person_name", "partial_date", "money", "phone", "icd10",
)  # fmt: skip
_MEASURES = ("number", "timestamp")  # types that name no record
_NEARLY_ALL = 0.95  # share of rows that a key must tell apart
_OF_CHANGES = 0.8  # the same of a file of changes, which may tell of a record several times
_FEW = 200  # rows that tell little of a key
_Fields = Mapping[str, str | None]  # columns of a file, with what parts several values in a cell
_OF_SNAPSHOTS = 0.5  # share of a file's keys that the next one has, too


@dataclass(frozen=True)
class Drafted:
    """What was written.

    Attributes:
        contract: the contract, as the pipeline reads it.
        draft: what it was made of.
        rows: that the samples hold.
        suite: the suite's file.
    """

    contract: Contract
    draft: Draft
    rows: int
    suite: Path


def draft(
    files: Sequence[Path],
    dataset: str,
    limits: Limits,
    tell: Callable[[str], None] = lambda _: None,
    *,
    folder: Path = EXPECTATIONS,
    is_forced: bool = False,
) -> Drafted:
    """Write contract and suite of a dataset.

    Args:
        files: samples, all of one layout.
        dataset: agency.dataset.
        limits: what a file may ask.
        tell: hears what is being done, in a few words.
        folder: of contracts, that the agency's folder stands in.
        is_forced: a contract and a suite that are there already are replaced.

    Raises:
        Undrafted: why there can be no draft.
        Stop: if a file is damaged, or asks for more than the limits allow.
        ContractError: if the draft would be no right contract, as where two columns of a file have one name.
    """
    agency, name = _parts(dataset)
    path = folder / agency / f"{name}.yaml"
    suite = path.with_suffix(".json")
    if not is_forced and (there := [p for p in (path, suite) if p.exists()]):
        raise Undrafted(f"{there[0]} is there already; --force replaces it.")
    shared = dictionary(folder)
    tell("looking at the layout")
    found = _layout(files, limits)
    base = Draft(agency, name, "", found.source, "snapshot", ())
    base.table = _table(agency, name, folder)
    with tempfile.TemporaryDirectory(prefix="citydw-", ignore_cleanup_errors=True) as home:
        known: dict[str, str | None] = dict.fromkeys(found.names) or _named_by_records(
            files, base, path, shared, limits
        )
        as_text = _of_text(known, base, path, shared, found.places)
        tell("reading all rows")
        sample = read(files, as_text, Path(home), limits)
        if not sample.rows:
            raise Undrafted(f"{files[0].name} holds no row; take a file that does.")
        made = _drafted(sample, as_text, base, found, shared, tell)
    _places(made, files[0], path, shared, limits)
    tell("writing")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document.contract(made), encoding="utf-8")
    suite.write_text(document.suite(made), encoding="utf-8")
    return Drafted(load(path), made, sample.rows, suite)


def leave_to_do(made: Drafted, todo: Iterable[str]) -> None:
    """Write into a drafted contract what else a person has to decide.

    Args:
        made: the draft.
        todo: one sentence each.
    """
    made.draft.todo += [" ".join(said.split()) for said in todo]
    made.contract.path.write_text(document.contract(made.draft), encoding="utf-8")


def _parts(dataset: str) -> tuple[str, str]:
    agency, _, name = dataset.partition(".")
    for part in (agency, name):
        if not NAME.fullmatch(part):
            raise Undrafted(f"{dataset!r} must be agency.dataset, each of {OF_NAMES}.")
    return agency, name


def _table(agency: str, name: str, folder: Path) -> str:
    """The table, in the schema that the agency's other datasets are in."""
    for path in sorted((folder / agency).glob("*.yaml")):
        for said in re.findall(r"^ *physicalName: *(\w+)\.\w+ *$", path.read_text(encoding="utf-8"), re.MULTILINE):
            if may_hold(said):
                return f"{said}.{name}"
    schema = default_schema(agency) or next(iter(city().schemas))
    return f"{schema}.{name}"


def _layout(files: Sequence[Path], limits: Limits) -> Layout:
    """The layout that all files have."""
    first, *others = [layout.find(file, limits) for file in files]
    for file, other in zip(files[1:], others, strict=True):
        if first.source.get("encoding") == "utf-8" and other.source.get("encoding", "").startswith("utf-8"):
            first = replace(first, source={**first.source, "encoding": other.source["encoding"]}, notes=other.notes)
        elif other.source.get("encoding") == "utf-8":  # ASCII, which is of most encodings
            other = replace(other, source={**other.source, "encoding": first.source.get("encoding")})
        if (other.source, other.names) != (first.source, first.names):
            mine, its = _told(first), _told(other)
            what = next((name for name in mine if mine[name] != its.get(name)), "format")
            raise Undrafted(
                f"{file.name} is laid out otherwise than {files[0].name} ({what}: {its.get(what)}, not "
                f"{mine.get(what)}); draft from files that are alike."
            )
    return first


def _told(found: Layout) -> dict[str, object]:
    return {**found.source, "columns": ", ".join(found.names)}


def _named_by_records(
    files: Sequence[Path], base: Draft, path: Path, shared: Dictionary, limits: Limits
) -> dict[str, str | None]:
    nobody = _of_text({"unknown": None}, base, path, shared)
    found = {name: separator for file in files for name, separator in fields_in(file, nobody, limits).items()}
    if not found:
        raise Undrafted(f"{files[0].name} holds no record; take a file that does.")
    return found


def _of_text(
    sources: _Fields, base: Draft, path: Path, shared: Dictionary, places: Mapping[str, str] | None = None
) -> Contract:
    """A contract by which every cell is text, and the header names all columns.

    Args:
        sources: what the agency calls them, with what parts several values in a cell.
        base: how the file is read.
        path: of the contract that is to be.
        shared: what is said once for many.
        places: where each stands in a line of fixed width.
    """
    guesses = [
        Guess(name, source, means=Meaning(separator=sources[source]), position=(places or {}).get(source))
        for source, name in names(sources).items()
    ]
    guesses[0].key_position = 1
    text = document.contract(replace(base, columns=guesses))
    made = contract_of(yaml_text.parse(text), path, shared)
    return replace(made, columns=tuple(replace(column, required=True) for column in made.columns))


def _drafted(
    sample: Sample, as_text: Contract, base: Draft, found: Layout, shared: Dictionary, tell: Callable[[str], None]
) -> Draft:
    """The draft, column by column."""
    tell("looking at each column")
    seen = {name: columns.shown(sample.values(name)) for name in sample.columns}
    all_of = columns.notations(seen)
    elements = {name: said for name, said in shared.elements.entries.items() if name not in shared.elements.wrong}
    guesses = [
        columns.guess(name, sample, seen[name], all_of, as_text, elements, found.places.get(name))
        for name in sample.columns
    ]
    for guess in guesses:
        guess.is_required = guess.source in found.required
    made = replace(base, columns=guesses, source=dict(found.source), has_names=found.has_names)
    if all_of.numbers != "plain":
        made.source = {**made.source, "numbers": all_of.numbers}
    made.notes = [f"{sample.rows:,} rows of {sample.files} file(s) were looked at.", *found.notes]
    made.notes += [f"{said}" for said in sample.warnings.values()]
    if sample.broken:
        made.notes.append(f"{sample.broken:,} lines are no records")
    made.todo = [*found.todo]
    tell("looking for a key")
    _changes(made)
    _key(made, sample, seen)
    _mode(made, sample)
    if base.agency not in shared.agencies.entries:
        made.todo.append(f"agencies.yaml: who is {base.agency}, whom to ask, and how often do its files come?")
        if len(city().schemas) != 1:
            others = ", ".join(city().schemas) or "your own"
            made.todo.append(f"physicalName: schema {base.table.split('.')[0]}, or another of {others}?")
    return made


def _places(made: Draft, file: Path, path: Path, shared: Dictionary, limits: Limits) -> None:
    """Keep boundaries as text that do not lie in the city by the file's coordinate system."""
    for guess in made.columns:
        if guess.datatype != "geometry":
            continue
        contract = contract_of(yaml_text.parse(document.contract(made)), path, shared)
        try:
            with file.open("rb") as stream:
                share = _understood(read_tables(stream, contract, limits), contract.column(guess.name))
            said = "most of it lies outside of the city"
        except Stop as stop:
            share, said = 0.0, stop.message.en
        if share < ENOUGH:
            guess.means = Meaning()
            guess.todo.append(f"datatype geometry? {said}; kept as text, as it was sent")


def _understood(tables: Iterable[Table], column: Column) -> float:
    """The share of a column's cells that it understands, as the reader gives them."""
    filled = good = 0
    for table in tables:
        sent = table.rows[column.source_name].alias(column.name)
        cells = sent.filter(sent.str.strip_chars() != "").to_frame()
        filled += cells.height
        good += int(datatypes.understood(cells, column).sum())
    return good / filled if filled else 0.0


def _key(made: Draft, sample: Sample, seen: dict[str, Shown]) -> None:
    """Mark the smallest set of columns that tells the rows apart; where there are several, some are named."""
    may_be = [
        guess
        for guess in made.columns
        if not seen[guess.source].empty
        and not guess.nulls
        and guess.type not in _MEASURES
        and guess.datatype not in _NAMES_NOTHING
        and not (guess.means.role or guess.means.is_flagged)
    ]
    least = _OF_CHANGES if made.mode == "changes" else _NEARLY_ALL
    naming = [guess for guess in may_be if _is_naming(guess)]
    of_records = [guess for guess in naming if guess.datatype != "personal_id"]  # a person comes in many records
    tried = (keys.candidates(sample, [g.source for g in few], least) for few in (of_records, naming, may_be) if few)
    found = next(filter(None, tried), [])
    by_source = {guess.source: guess for guess in made.columns}
    if not found:
        made.todo.append(f"key: the whole row; no {keys.MOST} columns tell the rows apart: do others name a record?")
        return
    for position, source in enumerate(found[0].columns, start=1):
        by_source[source].key_position = position
    said = [" + ".join(by_source[source].name for source in key.columns) for key in found]
    if found[0].repeated and made.mode != "changes":
        made.todo.append(f"key: {said[0]}? {found[0].repeated:,} rows have the key of another row, with other content")
    if len(said) > 1:
        made.todo.append(f"key: {said[0]}, or {', or '.join(said[1:3])}?")
    elif sample.rows < _FEW:
        made.todo.append(f"key: {said[0]}? {sample.rows} rows are few to tell")
    elif not found[0].repeated:
        made.notes.append(f"key: {said[0]}, which alone tells all rows apart")


def _is_naming(guess: Guess) -> bool:
    """Whether a column is likely to name a record; a whole number counts something unless it is called an id."""
    called = folded(guess.source.rpartition(".")[2])
    return guess.datatype in _NAMES or bool(re.search(_NAMING if guess.type == "string" else _ID, called))


def _changes(made: Draft) -> None:
    """Whether a file tells of changes: a column says what each row does."""
    if any(guess.means.role == "change" for guess in made.columns):
        made.mode = "changes"
        made.notes.append("deliveryMode changes: a column says what each row does")
        times = [guess for guess in made.columns if guess.type == "timestamp" and not guess.empty]
        if times and not any(guess.means.role == "sequence" for guess in made.columns):
            times[0].role = "sequence"
            times[0].notes.append("taken for what orders the changes to a record")


def _mode(made: Draft, sample: Sample) -> None:
    """What a file says of the records that it does not have; only a person knows, but content may suggest it."""
    key = [guess.source for guess in made.columns if guess.key_position]
    if made.mode == "changes":
        return
    if not key:
        made.mode = "append"
    elif sample.files > 1:
        share = keys.shared_between_files(sample, key)
        made.mode = "snapshot" if share >= _OF_SNAPSHOTS else "append"
        made.todo.append(f"deliveryMode: {made.mode}? {share:.0%} of the first file's keys are in the last one, too")
    else:
        made.todo.append(
            "deliveryMode: snapshot (what a file lacks has ended), append (events) or changes? one file does not tell"
        )
