"""Cells of a sheet that are written as programs write them, told by columns and not one by one.

A sheet of .xlsx is nearly all cells of a few forms: a place, a style, a kind, one value. A parser calls back six times
for each; polars takes the cells of many rows at once. Of rows in which anything else stands nothing is said here, not
even that it is wrong: those are the parser's, and so are the tags of all rows.
"""

from __future__ import annotations

import re
import string
from typing import NamedTuple

import polars as pl

from etl.extract.sheet import MOST_COLUMNS, MOST_ROWS, column_of

_BLANKS = "[ \t\r\n]*"
_LETTER = r"[^<>&\x00-\x08\x0b\x0c\x0e-\x1f\x{FFFE}\x{FFFF}]"
_ENTITY = "&(?:amp|lt|gt|quot|apos|#(?:9|1[03]|3[2-9]|[4-9][0-9]|[1-9][0-9]{2,3}|[1-4][0-9]{4}));"
_TEXT = f"(?:{_LETTER}|{_ENTITY})"
_NUMBER = r"^-?[0-9]{1,30}(?:\.[0-9]{1,30})?(?:[eE][-+]?[0-9]{1,3})?$"
_TAG = '(?:<row r="[^<>]*>|</row>)'
_SPACE = '(?: xml:space="preserve")?'
_FORMULA = (
    '<f(?: aca="(?:false|true)")?(?: t="(?:shared|array)")?(?: ref="[A-Z0-9:$]+")?(?: si="[0-9]+")?'
    f"(?:/>|>{_TEXT}*</f>)"
)
# A cell behind `<c `, to the next one. The most frequent forms come first, for there is least to look at in them.
_PLACE, _STYLE = '^r="([A-Z]{1,3})([1-9][0-9]{0,6})"', '(?: s="([0-9]{1,6})")?'
_END = f"{_BLANKS}(?:{_TAG}{_BLANKS})*$"
_OF_TEXT = (
    f'{_PLACE}{_STYLE} t="(?:inlineStr"><is><t{_SPACE}>{_TEXT}+</t></is>|(?:str|b|d)"><v{_SPACE}>{_TEXT}+</v>)'
    f"</c>{_END}"
)
_OF_SHARED_TEXT = f'{_PLACE}{_STYLE} t="s"><v>([0-9]{{1,9}})</v></c>{_END}'
_OTHER = f'{_PLACE}{_STYLE}(?: t="(n|e|str|b)")?(?:/>|>(({_FORMULA})?(?:<v{_SPACE}>({_LETTER}*)</v>|<v/>)?)</c>){_END}'
_GROUPS = ("column", "row", "style", "kind", "inside", "formula", "value")  # of the last
_FIRST = re.compile(_END)  # before the first cell
_TAGS = re.compile(_TAG)
_ROW_AND_END = re.compile(  # as Excel, LibreOffice, openpyxl and XlsxWriter write it
    '<row r="[1-9][0-9]{0,6}"(?: spans="[0-9:]+")?(?: s="[0-9]+")?(?: customFormat="[a-z0-9]+")?(?: ht="[0-9.]+")?'
    '(?: hidden="(?:0|false)")?(?: customHeight="[a-z0-9]+")?(?: outlineLevel="[0-9]+")?(?: collapsed="[a-z0-9]+")?'
    '(?: x14ac:dyDescent="[0-9.]+")?></row>'
)
_LETTER_BY_NUMBER = re.compile("&#(1(?:2[89]|[3-9][0-9])|[2-9][0-9]{2}|[1-9][0-9]{3}|[1-4][0-9]{4});")  # beyond ASCII
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'", "&amp;": "&"}
_UNCERTAIN = r"^\s|\s$|&#|\r|_x"  # in a text: what calamine may read as something else than it is
_DIGITS, _CAPITALS = string.digits, string.ascii_uppercase


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
    try:
        text = rows.decode()
    except UnicodeDecodeError:
        return None
    text = _LETTER_BY_NUMBER.sub(lambda number: chr(int(number[1])), text) if "&#" in text else text
    first, *rest = text.split("<c ", 1)
    if not rest or not _FIRST.fullmatch(first):
        return None
    cells = pl.Series("cell", rest).str.split("<c ").explode()
    is_text = cells.str.contains(_OF_TEXT)
    left = cells.filter(~is_text)
    shared = left.str.extract(_OF_SHARED_TEXT, 4)
    is_shared = shared.is_not_null()
    others = left.filter(~is_shared).str.extract_groups(_OTHER).struct.rename_fields(_GROUPS).struct.unnest()
    if others["row"].has_nulls():
        return None
    places = _places(cells)
    texts, unread = _texts(pl.DataFrame([cells, *places]).filter(is_text))
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
    tags = "".join(_TAGS.findall(first + "".join(cells.filter(~cells.str.ends_with("</c>")))))
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


def _places(cells: pl.Series) -> pl.DataFrame:
    """`row` and `column` of each cell."""
    place = cells.str.split_exact('"', 2).struct.field("field_1")
    letters = place.str.strip_chars_end(_DIGITS)
    columns = {each: column_of(each) for each in letters.unique()}
    return pl.DataFrame(
        {
            "row": place.str.strip_chars_start(_CAPITALS).cast(pl.Int32) - 1,
            "column": letters.replace_strict(columns, return_dtype=pl.Int32),
        }
    )


def _are_in_order(places: pl.DataFrame) -> bool:
    numbers = places["row"].cast(pl.Int64) * MOST_COLUMNS + places["column"]
    in_sheet = places["row"].last() < MOST_ROWS and places["column"].max() < MOST_COLUMNS
    return in_sheet and bool(numbers.diff().gt(0).all())


def _texts(cells: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`texts` and `others` of cells that match `_OF_TEXT`."""
    behind = [pl.col("part").struct.field(f"field_{at}") for at in range(4)]  # the tags' ends; there is no other `>`
    text = (
        pl.when(behind[0].str.ends_with('"inlineStr"'))
        .then(behind[3].str.strip_suffix("</t"))
        .when(behind[0].str.ends_with('"str"'))
        .then(behind[2].str.strip_suffix("</v"))
    )
    made = cells.with_columns(part=pl.col("cell").str.split_exact(">", 3)).with_columns(text=text)
    is_certain = ~made["text"].str.contains(_UNCERTAIN).fill_null(True)
    texts = made.filter(is_certain).select("row", "column", "text")
    if texts["text"].str.contains("&", literal=True).any():
        texts = texts.with_columns(pl.col("text").str.replace_many(_ENTITIES))
    xml = pl.col("cell").str.extract(r'(?s)^r="[A-Z0-9]+"(.*</c>)').alias("xml")
    return texts, made.filter(~is_certain).select("row", "column", xml, has_value=True)


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
