"""The dialect that a CSV file is really written in, where it is not the one that its contract says.

Sniffers (clevercsv, csv.Sniffer) guess from the shape of the text. We know more: the header must name the contract's
columns. So every usual delimiter and quotation mark is tried on the first lines, and only one under which a line names
all required columns is believed.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass

from etl.contract import Contract, Source

_DELIMITERS = (",", ";", "\t", "|", ":", "~", "^", "#", " ")
QUOTE = '"'
_QUOTES = (QUOTE, "'", "`")
HEADER_WITHIN = 50  # lines from the top in which the header must stand


@dataclass(frozen=True)
class Dialect:
    """How a file is written.

    Attributes:
        delimiter: between two cells.
        quote: around a cell that holds a delimiter.
        header_at: number of lines before the header.
        header: the names in it.
    """

    delimiter: str
    quote: str
    header_at: int
    header: list[str]


def find(lines: Sequence[str], source: Source, contract: Contract) -> Dialect:
    """The dialect of a file.

    Args:
        lines: its first HEADER_WITHIN lines; the first is not empty.
        source: the dialect that it should have; taken where no other names all required columns.
        contract: names the columns.
    """
    required = {c.source_name for c in contract.columns if c.required}
    declared = Dialect(source.delimiter, QUOTE, 0, _cells(lines[0], source.delimiter, QUOTE))
    if required <= set(declared.header):
        return declared
    delimiters = dict.fromkeys((source.delimiter, *_DELIMITERS))
    for at, line in enumerate(lines):
        if all(name in line for name in required):
            for delimiter in delimiters:
                for quote in _QUOTES:
                    header = _cells(line, delimiter, quote)
                    if required and required <= set(header):
                        return Dialect(delimiter, quote, at, header)
    return declared


def _cells(line: str, delimiter: str, quote: str) -> list[str]:
    return [name.strip() for name in next(csv.reader([line], delimiter=delimiter, quotechar=quote))]
