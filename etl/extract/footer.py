"""Lines under a table that are no records: totals, signatures and notes on the source.

Words alone prove little (a street may be called Cộng Hòa), so a footer is told by its place and shape first: the last
lines of a file, behind its last whole record, that leave nearly all empty which a record must fill. A record that
merely lacks a cell is a record, and so is one that was cut off.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import takewhile

import polars as pl

from etl.contract import Contract
from etl.delivery.columns import ROW
from etl.delivery.messages import Stop
from etl.extract.table import Table, on_the_file

_LINES = 30  # that a footer has at most; more lines that are no records are bad data
_SHOWN = 1000  # characters of a footer that are kept
_RAGGED = ("ragged_row", "short_line")  # rules of a line that has not the cells of the header or the contract
_TOTAL = r"(?:tổng\s*cộng|tổng\s*số|tổng|cộng|tong\s*cong|tong\s*so|grand\s+total|sub-?total|totals?|sum)"
_ALONE = re.compile(rf"{_TOTAL}\s*[:.]?")
_ALONE_IN_CELL = rf"(?i)^\s*{_TOTAL}\s*[:.]?\s*$"
# What such lines begin with. A word that may begin a name as well must be followed by a colon or a number.
_BEGINS = re.compile(
    rf"(?:tổng\s*cộng|tổng\s*số|tong\s*cong|grand\s+total|{_TOTAL}\s*(?:[:(]|[\d.,]+\s*$|$)"
    r"|người\s+(?:lập|ký|in|báo\s*cáo|tổng\s*hợp|kiểm\s*tra)|lập\s+biểu|nguoi\s+lap|ký\s+(?:tên|thay)"
    r"|\(\s*(?:đã\s+)?ký|t/?m\.?\s|k/?t\.?\s|thủ\s+trưởng|trưởng\s+phòng|giám\s+đốc|kế\s+toán\s+trưởng|chủ\s+tịch"
    r"|(?:nguồn|source|nguon|ghi\s*chú|ghi\s*chu|notes?|chú\s*thích)(?:\s+(?:dữ\s+liệu|số\s+liệu|data))?\s*:"
    r"|(?:in|xuất|lập)\s+ngày\b|ngày\s+(?:in|xuất|lập)\b|printed\s|exported\s"
    r"|\(?\s*[\d.,]+\s+(?:rows?|records?|dòng|bản\s*ghi|hồ\s*sơ)\b)"
)
_SIGNED_ON = re.compile(r"(?:^|,\s*)ngày\s*\S{0,4}\s*tháng\s*\S{0,4}\s*năm")
_BETWEEN = re.compile(r"[,;\t|]")


@dataclass(frozen=True)
class _Line:
    number: int
    cells: list[str]  # that hold something, in small letters
    text: str  # as sent
    required: int  # cells filled that a record must fill, but by words of a footer
    key: int  # the same of the key
    is_whole: bool  # cut into cells as the header says
    has_word: bool


def without_footer(table: Table, contract: Contract) -> Table:
    """The table without the lines at its end that are no records; one warning names them all.

    Args:
        table: all of a file, or its last piece.
        contract: says what a record must fill, and may say what the footer is.

    Raises:
        Stop: if a line that the contract takes for one of the footer is a record.
    """
    required = [c.source_name for c in contract.columns if c.required and c.source_name in table.rows.columns]
    key = [c.source_name for c in contract.key if c.source_name in table.rows.columns]
    footer = contract.source.footer
    of_record = required if required or key else table.rows.columns[1:]
    lines = _last_lines(table, required, key, of_record, *(_RAGGED if footer is None else table.problems["rule"]))
    if footer is not None:
        stated = _stated(lines, footer)
        for line in stated:
            is_filled = line.required == len(required) if required else 2 * len(line.cells) > len(of_record)
            if line.is_whole and not line.has_word and is_filled and len(line.cells) > 1:
                raise Stop("held", "record_in_footer", line=line.number)
        return _without(table, stated) if stated else table
    for at, line in enumerate(lines):
        is_first = line.has_word or (at > 0 and _is_stray(line, len(required)))
        if is_first and all(after.has_word or _is_sparse(after, len(required)) for after in lines[at + 1 :]):
            return _without(table, lines[at:])
    return table


def without_last_footer(tables: Iterable[Table], contract: Contract) -> Iterator[Table]:
    """The pieces of a file without the footer at its end, which may lie across the last two."""
    waiting: Table | None = None
    for table in tables:
        if waiting is None:
            waiting = table
            continue
        kept = max(0, waiting.rows.height - _LINES)
        cut = waiting.rows[ROW][kept] if kept else 0
        is_later = (pl.col(ROW) >= cut).fill_null(kept == 0)
        if kept:
            earlier = (waiting.problems.filter(~is_later), waiting.doubts.filter(~is_later))
            yield replace(waiting, rows=waiting.rows.head(kept), problems=earlier[0], doubts=earlier[1])
        waiting = replace(
            table,
            rows=pl.concat([waiting.rows.slice(kept), table.rows]),
            problems=pl.concat([waiting.problems.filter(is_later), table.problems]),
            doubts=pl.concat([waiting.doubts.filter(is_later), table.doubts]),
        )
    if waiting is not None:
        yield without_footer(waiting, contract)


def totals_amid_data(rows: pl.DataFrame, contract: Contract) -> pl.Series:
    """The numbers of rows whose key is the word for a total; keys other than text are judged by their own kind."""
    keys = [c.source_name for c in contract.key if c.semantic_type == "text" and c.source_name in rows.columns]
    are_totals = [rows[name].str.contains(_ALONE_IN_CELL).fill_null(False) for name in keys]
    return pl.concat([rows[ROW].filter(is_total) for is_total in are_totals]).unique() if keys else rows.clear()[ROW]


def _stated(lines: list[_Line], footer: int | str) -> list[_Line]:
    """The last of some lines, so many or all that match a pattern."""
    if isinstance(footer, int):
        return lines[-footer:]
    is_of_it = re.compile(footer)
    return [*takewhile(lambda line: is_of_it.match(line.text), reversed(lines))][::-1]


def _last_lines(table: Table, required: list[str], key: list[str], of_record: list[str], *rules: str) -> list[_Line]:
    """The last lines of a table; among them those that could not be cut into cells.

    Args:
        table: with the lines.
        required: columns that a record must fill.
        key: columns of the key.
        of_record: columns of which a record fills more than half.
        rules: of the lines that could not be cut.
    """
    names = table.rows.columns[1:]
    lines = []
    for number, *cells in table.rows.tail(_LINES).iter_rows():
        sent = {name: text for name, cell in zip(names, cells, strict=True) if (text := _plain(cell))}
        plain = {name for name, text in sent.items() if not _BEGINS.match(text)}
        filled, of_key = sum(name in plain for name in required), sum(name in plain for name in key)
        is_total = any(_ALONE.fullmatch(sent.get(name, "")) for name in key)
        is_filled = 2 * sum(name in plain for name in of_record) > len(of_record) or (
            len(required) <= 2 and bool(key) and of_key == len(key)
        )
        has_word = len(plain) < len(sent) or any(_SIGNED_ON.search(text) for text in sent.values())
        text = " | ".join(cell.strip() for cell in cells if cell and cell.strip())
        lines.append(
            _Line(number, [*sent.values()], text, filled, of_key, True, is_total or (has_word and not is_filled))
        )
    broken = table.problems.filter(pl.col("rule").is_in(rules) & pl.col(ROW).is_not_null())
    for number, text in broken.sort(ROW).tail(_LINES).select(ROW, "value").iter_rows():
        cells = [cell for part in _BETWEEN.split(text or "") if (cell := _plain(part.strip(" \"'")))]
        has_word = bool(cells and _BEGINS.match(cells[0])) or bool(_SIGNED_ON.search(_plain(text)))
        lines.append(_Line(number, cells, text or "", 0, 0, False, has_word))
    return sorted(lines, key=lambda line: line.number)[-_LINES:]


def _is_stray(line: _Line, required: int) -> bool:
    """Whether a line without a word is too empty for a record: a sum without its label, a note in a cell."""
    return line.is_whole and not line.key and 3 * len(line.cells) <= required


def _is_sparse(line: _Line, required: int) -> bool:
    """Whether a line below the first of a footer may belong to it."""
    return len(line.cells) <= 2 and 2 * line.required <= max(2, required)


def _without(table: Table, lines: list[_Line]) -> Table:
    numbers = [line.number for line in lines]
    text = "\n".join(line.text for line in lines)[:_SHOWN]
    said = on_the_file("footer", count=len(lines), lines=_shown(numbers)).with_columns(value=pl.lit(text))
    is_footer = pl.col(ROW).is_in(numbers).fill_null(False)
    return replace(
        table,
        rows=table.rows.filter(~is_footer),
        problems=pl.concat([table.problems.filter(~is_footer), said]),
        doubts=table.doubts.filter(~is_footer),
    )


def _plain(cell: str | None) -> str:
    return " ".join(unicodedata.normalize("NFC", cell or "").lower().split())


def _shown(numbers: list[int]) -> str:
    return str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}–{numbers[-1]}"
