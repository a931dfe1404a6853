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

import polars as pl

from etl.contract import Contract, Source

_DELIMITERS = (",", ";", "\t\t", "\t", "||", "|", ":", "~", "^", "#", " ", ", ", "; ", "\\t")
QUOTE = '"'
QUOTES = "\"'`"
HEADER_WITHIN = 50  # lines from the top in which the header must stand


@dataclass(frozen=True)
class Dialect:
    """How a file is written.

    Attributes:
        delimiter: between two cells; may be several characters.
        quote: around a cell that holds a delimiter.
        header_at: number of lines before the header.
        header: the names in it; "" for a column without one.
        escape: before a quote within a quoted cell; None if it is doubled there.
    """

    delimiter: str
    quote: str
    header_at: int
    header: list[str]
    escape: str | None = None

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
    required = {c.source_name for c in contract.columns if c.required}
    declared = _with_header(lines[0], source.delimiter, QUOTE, 0)
    if required <= set(declared.header):
        return declared
    delimiters = dict.fromkeys((source.delimiter, *_DELIMITERS))
    for at, line in enumerate(lines):
        if all(name in line for name in required):
            for delimiter in delimiters:
                for quote in QUOTES:
                    found = _with_header(line, delimiter, quote, at)
                    if required and required <= set(found.header):
                        return found
    return declared


def cells(line: str, source: Source) -> Iterator[list[str]]:
    """The cells of a line under every usual delimiter, the one that the source should have first."""
    for delimiter in dict.fromkeys((source.delimiter, *_DELIMITERS)):
        yield _with_header(line, delimiter, QUOTE, 0).header


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


def _with_header(line: str, delimiter: str, quote: str, at: int) -> Dialect:
    found = Dialect(delimiter, quote, at, [])
    cells = csv.reader([marked(line, found)], delimiter=found.mark, quotechar=quote)
    return replace(found, header=[name.strip() for name in next(cells)])
