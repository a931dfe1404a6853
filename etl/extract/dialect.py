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
_QUOTES = (QUOTE, "'", "`")
HEADER_WITHIN = 50  # lines from the top in which the header must stand


@dataclass(frozen=True)
class Dialect:
    """How a file is written.

    Attributes:
        delimiter: between two cells; may be several characters.
        quote: around a cell that holds a delimiter.
        header_at: number of lines before the header.
        header: the names in it.
        nameless: number of columns without a name behind the last one with a name.
        escape: before a quote within a quoted cell; None if it is doubled there.
    """

    delimiter: str
    quote: str
    header_at: int
    header: list[str]
    nameless: int = 0
    escape: str | None = None

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
                for quote in _QUOTES:
                    found = _with_header(line, delimiter, quote, at)
                    if required and required <= set(found.header):
                        return found
    return declared


def others(found: Dialect, lines: pl.Series) -> Iterator[Dialect]:
    """Dialects with the same header whose marks are in the lines, to be tried where some break under the one found."""
    text = "\n".join(["", *lines])
    for quote in _QUOTES:
        if quote != found.quote and (found.delimiter + quote in text or "\n" + quote in text):
            yield replace(found, quote=quote)
    if f"{found.delimiter} {found.quote}" in text:
        yield replace(found, delimiter=found.delimiter + " ")
    if "\\" + found.quote in text:
        yield replace(found, escape="\\")


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
    names = [name.strip() for name in next(cells)]
    header = names[: max((n for n, name in enumerate(names, 1) if name), default=0)]
    return replace(found, header=header, nameless=len(names) - len(header))
