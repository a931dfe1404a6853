"""Cells of a sheet that are written as programs write them, told by columns and not one by one.

A sheet of .xlsx is nearly all cells of a few forms: a place, a style, a kind, one value. A parser calls back six times
for each; polars takes the cells of many rows at once. Of rows in which anything else stands nothing is said here, not
even that it is wrong: those are the parser's, and so are the tags of all rows.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import polars as pl

from etl.extract.sheet import column_of, place_of

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


class Cells(NamedTuple):
    """The cells of some rows; rows and columns are counted from 0.

    Attributes:
        tags: those of the rows.
        corner: the last row and the last column in which something stands; None if nothing does.
        filled: number of cells that have a value.
        shared: number of the shared text, of each cell that names one.
        numbers: cells that hold one: `row`, `column`, `style` and `value`, a number as text.
        odd: errors and formulas: `row`, `column`, `kind`, `style` and `value`, "" for none.
        behind: place of the last cell, if no row begins behind it.
    """

    tags: bytes
    corner: tuple[int, int] | None
    filled: int
    shared: pl.Series
    numbers: pl.DataFrame
    odd: pl.DataFrame
    behind: tuple[int, int] | None


def cut(rows: bytes) -> Cells | None:
    """The cells of some rows of a sheet; None if there are none, something else stands there, or one is odd.

    Args:
        rows: of the sheet's XML, in UTF-8.
    """
    try:
        text = rows.decode()
    except UnicodeDecodeError:
        return None
    first, *rest = text.split("<c ", 1)
    if not rest or not _FIRST.fullmatch(first):
        return None
    cells = pl.Series("cell", rest).str.split("<c ").explode()
    is_text = cells.str.contains(_OF_TEXT)
    left = cells.filter(~is_text)
    shared = left.str.extract(_OF_SHARED_TEXT, 4)
    left, of_shared = left.filter(shared.is_null()), left.filter(shared.is_not_null())
    others = left.str.extract_groups(_OTHER).struct.rename_fields(_GROUPS).struct.unnest()
    if others["row"].has_nulls():
        return None
    columns = {letters: column_of(letters) for letters in others["column"].unique()}
    others = others.select(
        pl.col("row").cast(pl.Int64) - 1,
        pl.col("column").replace_strict(columns, return_dtype=pl.Int64),
        pl.col("kind").fill_null("n"),
        pl.col("style").fill_null("0"),
        pl.col("value").fill_null(""),
        is_odd=(pl.col("kind") == "e").fill_null(False) | pl.col("formula").is_not_null(),
        is_empty=pl.col("inside").fill_null("") == "",
    )
    numbers = others.filter(pl.col("value") != "", kind="n")
    if not numbers["value"].str.contains(_NUMBER).all():
        return None
    filled = pl.concat([cells.filter(is_text), of_shared, left.filter(~others["is_empty"])])
    last_column = max(map(column_of, filled.str.extract('^r="([A-Z]+)').unique()), default=-1)
    last_row = filled.to_frame().select(pl.col("cell").str.extract('^r="[A-Z]+([0-9]+)').cast(pl.Int64).max()).item()
    tagged = cells.filter(~cells.str.ends_with("</c>"))
    return Cells(
        tags="".join(_TAGS.findall(first + "".join(tagged))).encode(),
        corner=None if last_row is None else (last_row - 1, last_column),
        filled=len(cells) - len(others.filter(value="")),
        shared=shared.drop_nulls().cast(pl.Int64),
        numbers=numbers.filter(~pl.col("is_odd")),
        odd=others.filter("is_odd").select("row", "column", "kind", "style", "value"),
        behind=None if "<row" in cells[-1] else place_of(cells[-1].split('"', 2)[1]),
    )
