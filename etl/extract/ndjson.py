"""NDJSON: one JSON object a line; nested fields are named by their path, as in `owner.name`.

Where a contract says that a line's records lie in a list in it (`records`), each of these is a row.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import replace

import polars as pl

from etl.contract import Contract, Source
from etl.delivery import batches
from etl.delivery.messages import Stop
from etl.extract import drift
from etl.extract.json_records import Reader
from etl.extract.json_text import TooDeep, parser
from etl.extract.record import Records
from etl.extract.table import Table, broken_lines
from etl.extract.text import decoded
from etl.settings import DEFAULT_LIMITS, Limits

_RULES = ("broken_json", "json_too_deep", "not_an_object")


def read(
    blocks: Iterable[bytes], source: Source, contract: Contract, limits: Limits = DEFAULT_LIMITS
) -> Iterator[Table]:
    """Cut an NDJSON file into cells, piece by piece.

    A row's number is its line, or of records within lines the record's place. The first piece that has records says
    which columns there are beside the contract's; the last tells of those that came later, and of those that never did.

    Args:
        blocks: the file's bytes, cut anywhere.
        source: how it is written.
        contract: the dataset's.
        limits: what the file may ask; lines are counted where they are read.

    Raises:
        Stop: if the bytes are not of the declared encoding, there are none, or no line is a JSON object.
    """
    lines = _Lines(source, contract, limits)
    first: Table | None = None
    waiting: Table | None = None
    sent: dict[str, None] = {}
    for piece in _pieces(blocks, source.encoding):
        table = lines.cut(piece)
        if waiting is not None and waiting.rows.is_empty():
            table = replace(table, problems=pl.concat([waiting.problems, table.problems]))
        elif waiting is not None:
            if first is None:
                first = waiting = replace(waiting, may_omit_columns=True)
            yield waiting
        sent |= dict.fromkeys(table.rows.columns[1:])
        waiting = table if first is None else drift.as_first(table, first, contract)
    if waiting is None:
        raise Stop("rejected", "empty_file")
    said = lines.said() if first is None else [*lines.said(), *drift.of_later_pieces(sent, first, contract)]
    yield replace(waiting, problems=pl.concat([waiting.problems, *said]))


def _pieces(blocks: Iterable[bytes], encoding: str) -> Iterator[list[tuple[int, str]]]:
    """The lines that are not blank, each with its number, a bounded number at a time."""
    above = 0
    for text in decoded(blocks, encoding):
        lines = text.item().split("\n")  # the last is blank, or the file's last
        filled = [(number, _nfc(line)) for number, line in enumerate(lines, start=above + 1) if line.strip()]
        for at in range(0, len(filled), batches.ROWS):
            yield filled[at : at + batches.ROWS]
        above += len(lines) - 1


def _nfc(line: str) -> str:
    """A line in NFC; most are, and to be told so takes less than to be made so."""
    return line if unicodedata.is_normalized("NFC", line) else unicodedata.normalize("NFC", line)


class _Lines:
    """The lines of one file, as they are read."""

    def __init__(self, source: Source, contract: Contract, limits: Limits) -> None:
        self._contract, self._limits = contract, limits
        self._parse = parser(limits)
        self._reader = Reader(source.records or "", contract)
        self._is_within = bool(source.records)
        self._has_records = False

    def cut(self, lines: list[tuple[int, str]]) -> Table:
        """Cut some lines into cells.

        Raises:
            Stop: if there was no record so far, and not each of the lines is meant as one.
        """
        records = Records(self._contract)
        broken: dict[str, tuple[list[int], list[str]]] = {rule: ([], []) for rule in _RULES}
        for number, line in lines:
            try:
                record = self._parse(line)
            except ValueError as error:
                rule = "json_too_deep" if isinstance(error, TooDeep) else "broken_json"
            else:
                if isinstance(record, dict) and self._is_within:
                    self._reader.take(record, records)
                    self._has_records = True
                    continue
                if isinstance(record, dict):
                    records.put_json(number, self._reader.of_ours(record))
                    self._has_records = True
                    continue
                rule = "not_an_object"
            if self._is_within:
                self._reader.count += 1
            broken[rule][0].append(self._reader.count if self._is_within else number)
            broken[rule][1].append(line)
        # Lines that all begin like a record are meant as such, each of them broken.
        if not self._has_records and not all(line.lstrip().startswith("{") for _, line in lines):
            raise self._no_records("\n".join(line for _, line in lines))
        return records.table((broken_lines(rule, *its) for rule, its in broken.items() if its[0]), self._limits)

    def said(self) -> list[pl.DataFrame]:
        """Problems of what is no record, and warnings on the file as a whole, of all lines."""
        return self._reader.said() if self._is_within else []

    def _no_records(self, text: str) -> Stop:
        try:
            self._parse(text)
        except ValueError:
            return Stop("rejected", "unreadable_json")
        return Stop("rejected", "json_not_in_lines")
