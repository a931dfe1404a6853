"""How text in lines is laid out: parted by a sign, or of fixed width, with or without a header and lines below."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

from etl.draft.found import Layout, Undrafted

HEADER_WITHIN = 50  # lines from the top in which the header must stand
_LINES = 2_000
_LONGEST_FOOTER = 30  # lines
_FIRST_WORD = re.compile(r"[^\W\d_]+")
_FEW_LINES = 5  # that show nothing
_DELIMITERS = (",", ";", "\t", "|", "^", "~")
_NEARLY_ALL = 0.9
_HALF = 0.5
_FEW = 2  # columns filled in all records, below which nothing tells a footer
# What stands in a record and hardly ever in a header: a number that is no year, a date, an empty cell.
_VALUE = re.compile(r"[-+]?\d[\d.,\s]*%?|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}.*")
_YEAR = re.compile(r"(?:19|20)\d\d")


def of_lines(head: str, tail: str) -> Layout:
    """The layout of text in lines.

    Args:
        head: text at the file's beginning.
        tail: text at its end.

    Raises:
        Undrafted: if the lines are no table.
    """
    written = [(number, line) for number, line in enumerate(head.splitlines()[:_LINES], start=1) if line.strip()]
    lines = [line for _, line in written]
    found = max((_cut(lines, delimiter) for delimiter in _DELIMITERS), key=lambda cut: cut.quality)
    if found.width < 2 or found.share < _HALF:
        return _fixed_width(lines)
    source: dict[str, Any] = {"format": "csv"} | ({"delimiter": found.delimiter} if found.delimiter != "," else {})
    notes = [f"delimiter {json.dumps(found.delimiter)}: {found.share:.0%} of the first lines have {found.width} cells"]
    if found.header is None:
        todo = "header: the first line is a record, so the columns have no names; write what each is"
        names = tuple(f"column_{number}" for number in range(1, found.width + 1))
        return Layout(source | {"header": "none"}, names, tuple(notes), (todo,), has_names=False)
    if twice := sorted({name for name in found.header if name and found.header.count(name) > 1}):
        raise Undrafted(f"Several columns are called {', '.join(twice)}; give each a name of its own.")
    if found.above:
        notes.append(f"header in line {written[found.above][0]}; what stands above it is no record")
    todos = [] if found.has_values else ["header: every cell is a text, so line 1 may as well be a record; is it?"]
    required: set[str] = set()
    if footer := _footer(found, tail):
        words = (word[0] for word in map(_FIRST_WORD.match, (found.delimiter.join(row) for row in footer)) if word)
        source["footer"] = "|".join(dict.fromkeys(words))
        told_by = (next((at for at in found.filled if not "".join(row[at : at + 1])), None) for row in footer)
        required = {found.header[at] for at in told_by if at is not None}
        todos.append(f"footer: the last {len(footer)} lines fill other cells than the rest: are they no records?")
    names = tuple(name for name in found.header if name)
    return Layout(source, names, tuple(notes), tuple(todos), required=frozenset(required))


def _footer(found: _Cut, tail: str) -> list[list[str]]:
    """The cells of the last lines that leave empty most of what all records fill, and of totals directly above them."""
    lines = [line for line in tail.splitlines() if line.strip(f" {found.delimiter}")]
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=found.delimiter)]
    footer: list[list[str]] = []
    for row in reversed(rows[-_LONGEST_FOOTER:] if len(rows) == len(lines) else []):  # else a cell has lines in it
        filled = [at for at in found.filled if "".join(row[at : at + 1])]
        is_sparse = len(filled) <= _HALF * len(found.filled)
        is_total = len(filled) < len(found.filled) and (bool(footer) or found.is_numbered)
        if not (is_sparse or is_total) or not _FIRST_WORD.match(row[0]) or len(found.filled) < _FEW:
            break
        footer.insert(0, row)
    return footer if len(footer) < len(rows) else []


def _fixed_width(lines: list[str]) -> Layout:
    """Columns at the same places of every line: what parts them are places where every line has a blank."""
    width = max(map(len, lines), default=0)
    blank = [all(line[at : at + 1] in ("", " ") for line in lines) for at in range(width)]
    starts = [at for at in range(width) if not blank[at] and (at == 0 or blank[at - 1])]
    while len(starts) > 2 and sum(bool(line[starts[-1] :].strip()) for line in lines) < _HALF * len(lines):
        starts.pop()  # the ends of a few long lines are no column of their own
    if len(lines) < _FEW_LINES or not 1 < len(starts) <= width / 2:
        raise Undrafted(
            "The lines of the file are parted neither by , ; tab | ^ ~ nor by blanks at the same places; if it is a "
            "table, write down how it is laid out in a contract by hand."
        )
    ends = [start - 1 for start in starts[1:]]
    spans = [slice(start, end) for start, end in zip(starts, [*ends, None], strict=True)]
    first = [lines[0][span].strip() for span in spans]
    below = [line[span].strip() for line in lines[1:] for span in spans]
    is_header = all(first) and len(set(first)) == len(first) and not any(map(_is_value, first))
    is_header = is_header and any(map(_is_value, below))
    names = tuple(first) if is_header else tuple(f"column_{number}" for number in range(1, len(spans) + 1))
    places = {n: f"{s.start + 1}-{s.stop if s.stop is not None else ''}" for n, s in zip(names, spans, strict=True)}
    todo = ["position: columns are told by places where every line has a blank; does one hold several that touch?"]
    if not is_header:
        todo.append("header: the first line is a record, so the columns have no names; write what each is")
    source: dict[str, Any] = {"format": "fixed_width"} | ({"header": 1} if is_header else {})
    return Layout(source, names, (f"fixed width: {len(spans)} columns",), tuple(todo), places, has_names=is_header)


@dataclass(frozen=True)
class _Cut:
    """What a delimiter makes of a file's first lines.

    Attributes:
        delimiter: between two cells.
        width: cells of most lines.
        share: of the lines below the header that have so many.
        header: the names; None if the first line of that width is a record.
        above: lines above the header.
        has_values: some cell below the header is a number or a date.
        filled: the columns that all records fill, by their places.
        is_numbered: the first cell of each record is a number or a date.
    """

    delimiter: str
    width: int = 0
    share: float = 0.0
    header: list[str] | None = None
    above: int = 0
    has_values: bool = False
    filled: tuple[int, ...] = ()
    is_numbered: bool = False

    @property
    def quality(self) -> tuple[bool, float, int]:
        """The more, the likelier is the delimiter."""
        return self.header is not None and self.share >= _HALF, min(self.share, _NEARLY_ALL), self.width


def _cut(lines: list[str], delimiter: str) -> _Cut:
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=delimiter)]
    except csv.Error:
        return _Cut(delimiter)
    widths = Counter(len(row) for row in rows if len(row) > 1)
    if not widths:
        return _Cut(delimiter)
    ((width, _),) = widths.most_common(1)
    at = next((n for n, row in enumerate(rows[:HEADER_WITHIN]) if is_filled(row, width)), 0)
    header = rows[at] if is_filled(rows[at], width) and not any(map(_is_value, rows[at])) else None
    below = rows[at + 1 :] if header else rows
    share = sum(len(row) == width for row in below) / max(len(below), 1)
    even = [row for row in below if len(row) == width]
    surely = even[: max(len(even) // 2, len(even) - _LONGEST_FOOTER)]  # records, and no footer
    filled = tuple(n for n in range(width) if all(row[n] for row in surely))
    has_values = any(_is_value(cell) for row in below for cell in row)
    is_numbered = bool(surely) and all(_is_value(row[0]) for row in surely)
    return _Cut(delimiter, width, share, header, at, has_values, filled, is_numbered)


def is_filled(cells: list[str], width: int) -> bool:
    """Whether nearly all cells hold something, as those of a header do, and those of a title do not."""
    return sum(map(bool, cells)) >= max(1, _NEARLY_ALL * width)


def _is_value(cell: str) -> bool:
    """Whether a cell is what stands in a record and hardly in a header: a number that is no year, or a date."""
    return bool(_VALUE.fullmatch(cell)) and not _YEAR.fullmatch(cell)
