"""What a cell's look tells of how it came to be: a word that says that there is nothing, or what a spreadsheet made.

Each pattern is of whole cells, so that a name that is also such a word (`Nan`, `Không`) is left alone within a name.
"""

from __future__ import annotations

import re

import polars as pl

from etl.contract import Column

_OF_NOTHING = (
    r"null|nul|nil|none|nan|nat|n\.?/?a\.?|unknown|undefined|missing|\\n|#n/a|#null!"
    r"|(?:không|ko|chưa) ?(?:có|rõ|biết|xác định)?(?: thông tin| số liệu| dữ liệu)?|không áp dụng|(?:để |bỏ )?trống"
    r"|khong (?:co|ro|biet)|chua (?:co|ro|biet)"
)
_NOTHING = rf"(?i)^[<(\[]?(?:{_OF_NOTHING})[>)\]]?$|^[-–—_.…?/\\]+$"
_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec|Thg ?[0-9]{1,2})"
_EXCEL = {
    # ="01/2026" and '01/2026: how people keep Excel from converting; in a CSV file it stays in the cell
    "excel_mark": r"""^(?:="[^"]*"|'[^']*[0-9][^']*)$""",
    "excel_number": r"^-?[0-9](?:[.,][0-9]+)?[eE]\+[0-9]{2,3}$",
    "excel_date": (
        rf"^(?:[0-9]{{1,2}}-{_MONTH}(?:-[0-9]{{2,4}})?|{_MONTH}-[0-9]{{2,4}}"
        r"|[0-9]{1,4}[/-][0-9]{1,2}[/-][0-9]{1,4} [0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?(?: [AP]M)?)$"
    ),
}
# What Excel takes for a date, and what then stands there in its place: a date, or its number, of 1950 to 2099.
_LIKE_A_DATE = re.compile(r"[0-9]{1,4}[/-][0-9]{1,4}(?P<is_whole>[/-][0-9]{1,4})?")
_DATE = r"^[0-9]{1,4}[/-][0-9]{1,2}[/-][0-9]{1,4}$"
_NUMBER_OF_DATE = r"^(?:1826[4-9]|182[7-9][0-9]|18[3-9][0-9]{2}|19[0-9]{3}|[2-6][0-9]{4}|7[0-2][0-9]{3})$"


def patterns(column: Column) -> dict[str, str]:
    """What to look for in a column: rules of `expectations/wording.yaml`, each with the pattern of its cells.

    What the column's example looks like is no trace. In names and addresses only words for nothing are.
    """
    if column.type != "string" or column.semantic_type in ("person_name", "address"):
        return {"word_for_nothing": _NOTHING}
    found = {"word_for_nothing": _NOTHING, **_EXCEL}
    if like_date := _LIKE_A_DATE.fullmatch(column.example):
        found["excel_date"] += f"|{_NUMBER_OF_DATE}" if like_date["is_whole"] else f"|{_NUMBER_OF_DATE}|{_DATE}"
    if column.semantic_type == "text" and column.example.isdecimal():
        found["excel_number"] += r"|^[0-9]+[.,]0+$"
    if column.semantic_type == "text" and re.fullmatch("0[0-9]+", column.example):
        found["excel_zero"] = f"^[1-9][0-9]{{0,{len(column.example) - 2}}}$"
    return {rule: pattern for rule, pattern in found.items() if not re.search(pattern, column.example)}


def found(values: pl.Series, column: Column) -> pl.Series:
    """The rule whose trace each cell of a column bears, or null."""
    rule = pl.lit(None, pl.String)
    for name, pattern in patterns(column).items():
        rule = pl.when(pl.col("cell").str.contains(pattern)).then(pl.lit(name)).otherwise(rule)
    return values.alias("cell").to_frame().select(rule.alias("rule")).to_series()


def any_pattern(column: Column) -> str:
    """One pattern of all that is looked for in a column."""
    return "|".join(f"(?:{pattern})" for pattern in patterns(column).values())
