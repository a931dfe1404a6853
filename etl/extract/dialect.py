"""The dialect that a CSV file is really written in, where it is not the one that its contract says.

Sniffers (clevercsv, csv.Sniffer) guess from the shape of the text. We know more: the header must name the contract's
columns. So every usual delimiter and quotation mark is tried on the first lines, and only one under which a line names
all required columns is believed. What the header does not show, the lines below it do: `others`.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import polars as pl

from etl.contract import Contract, Source
from etl.extract.header import joined

_DELIMITERS = (",", ";", "\t\t", "\t", "||", "|", ":", "~", "^", "#", " ", ", ", "; ", "\\t")
QUOTE = '"'
QUOTES = "\"'`"
HEADER_WITHIN = 50  # lines from the top in which the header must stand
_LINES_OF_HEADER = 20  # that it has at most where its cells hold line ends


@dataclass(frozen=True)
class Dialect:
    """How a file is written.

    Attributes:
        delimiter: between two cells; may be several characters.
        quote: around a cell that holds a delimiter.
        header_at: number of lines before the header.
        header: the names in it; "" for a column without one.
        escape: before a quote within a quoted cell; None if it is doubled there.
        header_lines: number of lines that the header takes; 0 where there is none.
    """

    delimiter: str
    quote: str
    header_at: int
    header: list[str]
    escape: str | None = None
    header_lines: int = 1

    @property
    def names(self) -> list[str]:
        """The names of the columns that have one."""
        return [name for name in self.header if name]

    @property
    def mark(self) -> str:
        """One character between two cells, which is what parsers want: ASCII's own where the delimiter is longer."""
        return self.delimiter if len(self.delimiter) == 1 else "\x1f"


def find(lines: Sequence[str], source: Source, contract: Contract) -> Dialect:
    """The dialect of a file.

    Args:
        lines: its first HEADER_WITHIN lines; the first is not empty.
        source: the dialect that it should have; taken where no other names all required columns.
        contract: names the columns.
    """
    lines = [unicodedata.normalize("NFC", line) for line in lines]
    names, required = [c.source_name for c in contract.in_file], {c.source_name for c in contract.in_file if c.required}
    places = [_stated(lines, source.header)] if source.header else [_whole(lines, at) for at in range(len(lines))]
    declared = _with_header(places[0], source.delimiter, QUOTE)
    if source.header == () and 2 * len({*names} & {*declared.header}) < len(names):
        return replace(declared, header=names, header_lines=0)
    if required <= set(declared.header):
        return declared
    delimiters = dict.fromkeys((source.delimiter, *_DELIMITERS))
    for place in places:
        text = " ".join(" ".join(place.rows).split())
        if source.header or all(name in text or name in place.rows[0] for name in required):
            for delimiter in delimiters:
                for quote in QUOTES:
                    found = _with_header(place, delimiter, quote)
                    if required and required <= set(found.header):
                        return found
    return declared


class _Place(NamedTuple):
    """Where a header may stand.

    Attributes:
        at: number of lines before it.
        rows: its text, one for each row of names.
        lines: how many it takes.
    """

    at: int
    rows: list[str]
    lines: int


def _whole(lines: Sequence[str], at: int) -> _Place:
    """A line, with those below it into which its last cell reaches."""
    for end in range(at + 1, min(at + _LINES_OF_HEADER, len(lines)) + 1):
        if sum(line.count(QUOTE) for line in lines[at:end]) % 2 == 0:
            return _Place(at, ["\n".join(lines[at:end])], end - at)
    return _Place(at, [lines[at]], 1)


def _stated(lines: Sequence[str], numbers: Sequence[int]) -> _Place:
    """The lines of these numbers; nothing if the file ends before them."""
    if numbers[-1] > len(lines):
        return _Place(len(lines) - 1, [""], 1)
    if len(numbers) == 1:
        return _whole(lines, numbers[0] - 1)
    return _Place(numbers[0] - 1, [lines[number - 1] for number in numbers], numbers[-1] - numbers[0] + 1)


def cells(line: str, source: Source) -> Iterator[list[str]]:
    """The cells of a line under every usual delimiter, the one that the source should have first."""
    for delimiter in dict.fromkeys((source.delimiter, *_DELIMITERS)):
        yield _with_header(_Place(0, [line], 1), delimiter, QUOTE).header


def others(found: Dialect, lines: pl.Series) -> Iterator[Dialect]:
    """Dialects with the same header whose marks are in the lines, to be tried where some break under the one found."""
    yield from quoted_otherwise(found, lines)
    if lines.str.contains(f"{found.delimiter} {found.quote}", literal=True).any():
        yield replace(found, delimiter=found.delimiter + " ")
    if lines.str.contains("\\" + found.quote, literal=True).any():
        yield replace(found, escape="\\")


def quoted_otherwise(found: Dialect, lines: pl.Series) -> Iterator[Dialect]:
    """The dialect with each other quotation mark with which some cell begins."""
    for quote in QUOTES:
        begins = lines.str.contains(found.delimiter + quote, literal=True) | lines.str.starts_with(quote)
        if quote != found.quote and begins.any():
            yield replace(found, quote=quote)


def quotes(lines: pl.Series, found: Dialect) -> frozenset[str]:
    """The usual quotation marks with which some cell of the lines begins, and the dialect's own if it is in one."""
    seen = {found.quote} if lines.str.contains(found.quote, literal=True).any() else set()
    others = "".join(quote for quote in QUOTES if quote != found.quote)
    lines = lines.filter(lines.str.contains(f"[{others}]"))
    begins = "(?:^|" + re.escape(found.mark) + ") ?"
    return frozenset(seen | {quote for quote in others if lines.str.contains(begins + quote).any()})


def marked(text: str, found: Dialect) -> str:
    """Text with `found.mark` in place of its delimiters."""
    if found.mark == found.delimiter:
        return text
    quote = found.quote
    cut = re.compile(f"({quote}(?:[^{quote}]|{quote}{quote})*{quote})|{re.escape(found.delimiter)}")
    return cut.sub(lambda part: part[1] or found.mark, text)


def _with_header(place: _Place, delimiter: str, quote: str) -> Dialect:
    found = Dialect(delimiter, quote, place.at, [], header_lines=place.lines)
    rows, taken = [], 0
    for row in place.rows:
        reader = csv.reader(marked(row, found).splitlines(keepends=True), delimiter=found.mark, quotechar=quote)
        rows.append(next(reader, []))
        taken = max(reader.line_num, 1)  # with another quotation mark, fewer lines are one
    return replace(found, header=joined(rows), header_lines=taken if len(rows) == 1 else place.lines)
