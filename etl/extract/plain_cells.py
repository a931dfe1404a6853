"""Cells of a sheet that are written as programs write them, told by columns and not one by one.

A sheet of .xlsx is nearly all cells of a few forms: a place, a style, a kind, one value. A parser calls back six times
for each; polars takes the cells of many rows at once. Of rows in which anything else stands nothing is said here, not
even that it is wrong: those are the parser's, and so are the tags of all rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from etl.extract.sheet import MOST_COLUMNS, MOST_ROWS

_BLANKS = "[ \t\r\n]*"
_LETTER = r"[^<>&\x00-\x08\x0b\x0c\x0e-\x1f\x{FFFE}\x{FFFF}]"
_ENTITY = "&(?:amp|lt|gt|quot|apos|#(?:9|1[03]|3[2-9]|[4-9][0-9]|[1-9][0-9]{2,3}|[1-4][0-9]{4}));"
_TEXT = f"(?:{_LETTER}|{_ENTITY})"
_VALUE = f"(?:{_LETTER}|&(?:amp|lt|gt|quot|apos);)"  # of a formula: no 0 is written as an entity
_NUMBER = r"^-?[0-9]{1,30}(?:\.[0-9]{1,30})?(?:[eE][-+]?[0-9]{1,3})?$"
_TAG = '(?:<row r="[^<>]*>|</row>)'
_SPACE = '(?: xml:space="preserve")?'
_FORMULA = (
    '<f(?: aca="(?:false|true)")?(?: t="(?:shared|array)")?(?: ref="[A-Z0-9:$]+")?(?: si="[0-9]+")?'
    f"(?:/>|>{_TEXT}*</f>)"
)
# A cell, to the next one. The most frequent forms come first, for there is least to look at in them.
_PLACE, _STYLE = '^<c r="([A-Z]{1,3})([1-9][0-9]{0,6})"', '(?: s="([0-9]{1,6})")?'
_END = f"{_BLANKS}(?:{_TAG}{_BLANKS})*$"
_OF_TEXT = (
    f'{_PLACE}{_STYLE} t="(?:inlineStr"><is><t{_SPACE}>{_TEXT}+</t></is>|(?:str|b|d)"><v{_SPACE}>{_TEXT}+</v>)'
    f"</c>{_END}"
)
_OF_SHARED_TEXT = f'{_PLACE}{_STYLE} t="s"><v>([0-9]{{1,9}})</v></c>{_END}'
_OTHER = f'{_PLACE}{_STYLE}(?: t="(n|e|str|b)")?(?:/>|>(({_FORMULA})?(?:<v{_SPACE}>({_VALUE}*)</v>|<v/>)?)</c>){_END}'
_GROUPS = ("column", "row", "style", "kind", "inside", "formula", "value")  # of the last
_FIRST = re.compile(_END.encode())  # before the first cell
_TAGS = re.compile(_TAG)
_ROW_AND_END = re.compile(  # as Excel, LibreOffice, openpyxl and XlsxWriter write it
    '<row r="[1-9][0-9]{0,6}"(?: spans="[0-9:]+")?(?: s="[0-9]+")?(?: customFormat="[a-z0-9]+")?(?: ht="[0-9.]+")?'
    '(?: hidden="(?:0|false)")?(?: customHeight="[a-z0-9]+")?(?: outlineLevel="[0-9]+")?(?: collapsed="[a-z0-9]+")?'
    '(?: x14ac:dyDescent="[0-9.]+")?></row>'
)
_LETTER_BY_NUMBER = re.compile("&#(1(?:2[89]|[3-9][0-9])|[2-9][0-9]{2}|[1-9][0-9]{3}|[1-4][0-9]{4});")  # beyond ASCII
_SAMPLE = 1000
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'", "&amp;": "&"}
_UNCERTAIN = "&#", "\r", "_x"  # in a text: what calamine may read as something else than it is


class Cells(NamedTuple):
    """The cells of some rows; rows and columns are counted from 0.

    Attributes:
        tags: those of the rows, but for pairs that say nothing of a row except where it is.
        corner: the last row and the last column in which something stands; None if nothing does.
        filled: number of cells that have a value.
        shared: number of the shared text, of each cell that names one.
        numbers: cells that hold one: `row`, `column`, `style` and `value`, a number as text.
        odd: errors and formulas: `row`, `column`, `kind`, `style` and `value`, "" for none.
        behind: place of the last cell, if no row begins behind it.
        texts: `row`, `column` and `text` of cells that hold a text, of which it is certain how calamine reads it.
        others: `row`, `column` and `xml` of all others in which something is written; that is the cell's from behind
            its place on; `has_value` where it is more than tags.
        first: place of the first cell.
        last: place of the last one.
        is_in_order: each stands behind the one before, within a sheet of Excel.
    """

    tags: bytes
    corner: tuple[int, int] | None
    filled: int
    shared: pl.Series
    numbers: pl.DataFrame
    odd: pl.DataFrame
    behind: tuple[int, int] | None
    texts: pl.DataFrame
    others: pl.DataFrame
    first: tuple[int, int]
    last: tuple[int, int]
    is_in_order: bool


def cut(rows: bytes) -> Cells | None:
    """The cells of some rows of a sheet; None if there are none, something else stands there, or one is odd.

    Args:
        rows: of the sheet's XML, in UTF-8.
    """
    letters = np.frombuffer(rows, np.uint8)
    begins = np.flatnonzero((letters[:-2] == ord("<")) & (letters[1:-1] == ord("c")) & (letters[2:] == ord(" ")))
    if not len(begins) or not _FIRST.fullmatch(first := rows[: begins[0]]):
        return None
    try:
        cells = _parts(rows, begins)
    except pl.exceptions.PolarsError:  # it is not UTF-8
        return None
    is_text = cells.str.contains(_OF_TEXT)
    left = cells.filter(~is_text)
    shared = left.str.extract(_OF_SHARED_TEXT, 4)
    is_shared = shared.is_not_null()
    others = left.filter(~is_shared).str.extract_groups(_OTHER).struct.rename_fields(_GROUPS).struct.unnest()
    if others["row"].has_nulls():
        return None
    places = _places(letters, begins)
    marks = [mark for mark in _UNCERTAIN if mark.encode() in rows]
    texts, unread = _texts(pl.DataFrame([cells, *places]).filter(is_text), marks)
    of_left = places.filter(~is_text)
    of_shared = of_left.filter(is_shared).with_columns(
        xml=pl.format(' t="s"><v>{}</v></c>', shared.drop_nulls()), has_value=True
    )
    others = of_left.filter(~is_shared).with_columns(
        kind=others["kind"].fill_null("n"),
        style=others["style"].fill_null("0"),
        value=others["value"].fill_null(""),
        is_odd=(others["kind"] == "e").fill_null(False) | others["formula"].is_not_null(),
        xml=_xml(others),
    )
    others = others.with_columns(has_value=pl.col("value") != "")
    numbers = others.filter("has_value", kind="n")
    if not numbers["value"].str.contains(_NUMBER).all():
        return None
    written = others.filter(pl.col("xml").is_not_null()).select(of_shared.columns)
    read = pl.concat([of_shared, unread, written])
    reached = pl.concat([texts.select("row", "column"), read.select("row", "column")])
    tags = "".join(_TAGS.findall(first.decode() + "".join(cells.filter(~cells.str.ends_with("</c>")))))
    behind = None if "<row" in cells[-1] else places.row(-1)
    return Cells(
        tags=(tags if behind is None else _ROW_AND_END.sub("", tags)).encode(),
        corner=_corner(reached),
        filled=len(texts) + int(read["has_value"].sum()),
        shared=shared.drop_nulls().cast(pl.Int64),
        numbers=numbers.filter(~pl.col("is_odd")),
        odd=others.filter("is_odd").select("row", "column", "kind", "style", "value"),
        behind=behind,
        texts=texts,
        others=read,
        first=places.row(0),
        last=places.row(-1),
        is_in_order=_are_in_order(places),
    )


def _parts(rows: bytes, begins: npt.NDArray[np.int64]) -> pl.Series:
    """What stands from each place to the next one, and to the end; Arrow is told where it is, and nothing is copied."""
    offsets = np.append(begins, len(rows)).astype(np.int32)
    parts = pa.Array.from_buffers(pa.binary(), len(begins), [None, pa.py_buffer(offsets), pa.py_buffer(rows)])
    return pl.Series("cell", parts).cast(pl.String)


def _places(letters: npt.NDArray[np.uint8], begins: npt.NDArray[np.int64]) -> pl.DataFrame:
    """`row` and `column` of the cells that begin in these places, each with its own."""
    at = begins + len('<c r="')
    row, column = np.zeros(len(at), np.int32), np.zeros(len(at), np.int32)
    for _ in range(3):
        letter = letters[at].astype(np.int32) - ord("A")
        is_letter = letter >= 0
        column = np.where(is_letter, column * 26 + letter + 1, column)
        at += is_letter
    for _ in range(7):
        digit = letters[at].astype(np.int32) - ord("0")
        is_digit = digit >= 0
        if not is_digit.any():
            break
        row = np.where(is_digit, row * 10 + digit, row)
        at += is_digit
    return pl.DataFrame({"row": row - 1, "column": column - 1})


def _are_in_order(places: pl.DataFrame) -> bool:
    row, column = (places[name].to_numpy().astype(np.int64) for name in ("row", "column"))
    is_in_sheet = row.max() < MOST_ROWS and column.max() < MOST_COLUMNS
    return bool(is_in_sheet and (np.diff(row * MOST_COLUMNS + column) > 0).all())


def _texts(cells: pl.DataFrame, marks: Iterable[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`texts` and `others` of cells that match `_OF_TEXT`; no text is certain in which one of the marks stands."""
    behind = [pl.col("part").struct.field(f"field_{at}") for at in range(4)]  # the tags' ends; there is no other `>`
    text = (
        pl.when(behind[0].str.ends_with('"inlineStr"'))
        .then(behind[3].str.strip_suffix("</t"))
        .when(behind[0].str.ends_with('"str"'))
        .then(behind[2].str.strip_suffix("</v"))
    )
    made = cells.with_columns(part=pl.col("cell").str.split_exact(">", 3)).with_columns(text=text)
    made = made.with_columns(_with_letters(made["text"]))
    is_certain = made["text"].str.strip_chars().eq(made["text"]).fill_null(False)
    for mark in marks:
        is_certain &= ~made["text"].str.contains(mark, literal=True).fill_null(True)
    texts = made.filter(is_certain).select("row", "column", "text")
    if texts["text"].str.contains("&", literal=True).any():
        texts = texts.with_columns(pl.col("text").str.replace_many(_ENTITIES))
    xml = pl.col("cell").str.extract(r'(?s)^<c r="[A-Z0-9]+"(.*</c>)').alias("xml")
    return texts, made.filter(~is_certain).select("row", "column", xml, has_value=True)


def _with_letters(texts: pl.Series) -> pl.Series:
    """Texts with the letters beyond ASCII that stand there by their numbers; a few texts have nearly all of them."""
    for sample in (_SAMPLE, len(texts)):
        numbered = texts.filter(texts.str.contains("&#", literal=True)).head(sample)
        numbers = set(_LETTER_BY_NUMBER.findall("".join(numbered)))
        texts = texts.str.replace_many({f"&#{number};": chr(int(number)) for number in numbers}) if numbers else texts
    return texts


def _corner(places: pl.DataFrame) -> tuple[int, int] | None:
    return places.max().row(0) if len(places) else None


def _xml(cells: pl.DataFrame) -> pl.Series:
    """The cells of `_OTHER` from behind their places on; null for one in which nothing is written."""
    inside = pl.when(pl.col("inside") != "").then("inside")
    style, kind = (
        pl.when(pl.col(name).is_null()).then(pl.lit("")).otherwise(pl.format(f' {letter}="{{}}"', name))
        for name, letter in (("style", "s"), ("kind", "t"))
    )
    return cells.select(pl.concat_str(style, kind, pl.lit(">"), inside, pl.lit("</c>"))).to_series()
