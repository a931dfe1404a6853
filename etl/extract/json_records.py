"""Where the records of a JSON document are: a path in the notation of JSONPath, as `data.items` or `data[*].lines[*]`.

Of JSONPath (RFC 9535) a path has names and `[*]`, and may begin with `$`; a list that it ends at is one of records. A
record of an inner list knows the objects around it: `^.id` is a field of the nearest, `^.^.id` of the one around that.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from etl.contract import Contract, Source
from etl.extract.json_text import written
from etl.extract.record import Records
from etl.extract.table import broken_lines, on_the_file

_STEP = re.compile(r"\[\*\]|[^.\[\]]+")
_ABOVE = re.compile(r"((?:\^\.)+)(.+)")
_NAMED = 20  # names of what stands outside of the records


class Found(NamedTuple):
    """What stands where a record should.

    Attributes:
        value: it.
        around: the objects that it stands in, the nearest first.
        steps: the name by which the path leaves each of them.
        is_strange: it is not of the kind that the path goes through.
    """

    value: Any
    around: tuple[dict[str, Any], ...] = ()
    steps: tuple[str, ...] = ()
    is_strange: bool = False


class Reader:
    """Takes the records at a path out of documents."""

    def __init__(self, path: str, contract: Contract) -> None:
        """Take the columns from a contract."""
        self._steps = _steps(path)
        self._record = _to_record(contract.source)
        self._above = {
            c.source_name: (found[1].count("^") - 1, found[2].split("."))
            for c in contract.columns
            if (found := _ABOVE.fullmatch(c.source_name))
        }
        self._used = {(level, steps[0]) for level, steps in self._above.values()}
        self._of_others: list[tuple[str, ...]] = []  # where within a record lists are whose items are another table's
        for other in contract.beside:
            self._leave_to(other)
        self._told: dict[int, dict[str, Any]] = {}  # the last object of each level
        self._outside: Counter[str] = Counter()
        self._strange: tuple[list[int], list[str]] = ([], [])
        self.count = 0

    def _leave_to(self, other: Contract) -> None:
        """Take note of what another table reads of the file, so that it is not told of as something unknown."""
        ours, its = self._record, _to_record(other.source)
        if its[: len(ours)] == ours and len(its) > len(ours):
            below = its[len(ours) :]
            self._of_others.append(below[: below.index("[*]")])
        places = [its, *_objects(its)]  # a record, and the objects around it, from the nearest on
        read = {(place, its[len(place)]) for place in places[1:]}
        for column in other.columns:
            above = _ABOVE.fullmatch(column.source_name)
            level, steps = (above[1].count("^"), above[2].split(".")) if above else (0, column.source_name.split("."))
            for place in places[level : level + 1]:
                read |= {((*place, *steps[:at]), step) for at, step in enumerate(steps)}
        self._used |= {(level, name) for level, place in enumerate(_objects(ours)) for at, name in read if at == place}

    def take(self, document: Any, records: Records) -> None:
        """Put the records of a document behind those before; each has the next number."""
        found = [Found(document)]
        for step in self._steps:
            found = [below for place in found for below in _below(place, step)]
        for place in (one for end in found for one in _ends(end)):
            self.count += 1
            if isinstance(place.value, dict) and not place.is_strange:
                records.put_json(self.count, self._of_those_around(place), self.of_ours(place.value))
            else:
                self._strange[0].append(self.count)
                self._strange[1].append(written(place.value))

    def of_ours(self, record: dict[str, Any]) -> dict[str, Any]:
        """A record without the lists in it whose items are records of other tables."""
        for path in self._of_others:
            record = _without(record, path)
        return record

    def said(self) -> list[Any]:
        """Problems of what is no record, and a warning on what stands outside of the records and no column names."""
        problems = [broken_lines("no_record", *self._strange)] if self._strange[0] else []
        if self._outside:
            names = ", ".join(f"{name[:60]} ({count})" for name, count in self._outside.most_common(_NAMED))
            problems.append(on_the_file("outside_records", names=names))
        return problems

    def _of_those_around(self, place: Found) -> dict[str, Any]:
        """What columns say of the objects around a record; what else these hold is counted once for each."""
        for level, (around, step) in enumerate(zip(place.around, place.steps, strict=True)):
            if self._told.get(level) is not around:
                self._told[level] = around
                others = (name for name in around if name != step and (level, name) not in self._used)
                self._outside.update("^." * (level + 1) + name for name in others)
        made = {}
        for column, (level, steps) in self._above.items():
            value: Any = place.around[level] if level < len(place.around) else None
            for step in steps:
                value = value.get(step) if isinstance(value, dict) else None
            made[column] = value
        return made


def exists(document: Any, path: str) -> bool:
    """Whether a document has something at a path, at least the list that is to hold the records."""
    found = [Found(document)]
    for step in _steps(path):
        if step != "[*]" and not any(isinstance(place.value, dict) and step in place.value for place in found):
            return not found
        found = [below for place in found for below in _below(place, step)]
    return not found or any(isinstance(place.value, list | dict) for place in found)


def _steps(path: str) -> list[str]:
    """The steps of a path to a list; whether it says so itself, as in `lines[*]`, or not."""
    return _STEP.findall(path.removeprefix("$").removesuffix("[*]"))


def _to_record(source: Source) -> tuple[str, ...]:
    """The path from a document to a record; a line of NDJSON may be one itself."""
    return () if source.format == "ndjson" and not source.records else (*_steps(source.records or ""), "[*]")


def _objects(path: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The paths to the objects that a record at a path stands in, the nearest first."""
    return [path[:at] for at in reversed(range(len(path))) if path[at] != "[*]"]


def _without(fields: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    """An object without what stands at a path in it."""
    name, *rest = path
    if not rest:
        return {key: value for key, value in fields.items() if key != name}
    below = fields.get(name)
    return fields | {name: _without(below, tuple(rest))} if isinstance(below, dict) else fields


def _ends(place: Found) -> Iterator[Found]:
    """The records where a path ends: those of a list, none where nothing is."""
    if isinstance(place.value, list) and not place.is_strange:
        yield from _items(place)
    elif place.value is not None:
        yield place


def _below(place: Found, step: str) -> Iterator[Found]:
    """What a step of the path leads to; what is strange is left for `take` to name."""
    value = place.value
    if value is None:
        return
    if place.is_strange:
        yield place
    elif step == "[*]" and isinstance(value, list):
        yield from _items(place)
    elif step != "[*]" and isinstance(value, dict):
        yield Found(value.get(step), (value, *place.around), (step, *place.steps))
    else:
        yield place._replace(is_strange=True)


def _items(place: Found) -> Iterator[Found]:
    return (place._replace(value=item) for item in place.value)
