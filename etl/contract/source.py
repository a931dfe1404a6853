"""What a contract may say of how a delivery's bytes are to be read (customProperty `source`)."""

from __future__ import annotations

import codecs
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, Strict

from etl.contract.fields import Part, Pattern, Several, Words, pattern
from etl.contract.formats import Format

_PATH = re.compile(r"\$?(?:\.?[^.$\[\]]+|\[\*\])(?:\.[^.\[\]]+|\[\*\])*")
_RANGE = re.compile(r"[A-Z]{1,3}[1-9][0-9]{0,6}:[A-Z]{1,3}([1-9][0-9]{0,6})?|[^\W\d][\w.]*")
_HEADER_WITHIN = 50  # lines or rows from the top in which a header must stand
_LONGEST_FOOTER = 30
LEGACY = ("tcvn3", "vni", "viscii", "vps")  # what etl/extract/text.py knows beside Python's codecs
# Python's codecs that an agency's file may be in, as Python calls them. Others are no encodings of files (idna,
# unicode_escape), or pack (zlib).
_ENCODINGS = re.compile(
    r"ascii|utf-8(-sig)?|utf-16(-[bl]e)?|utf-32(-[bl]e)?|cp125[0-8]|iso8859-\d{1,2}"
    r"|cp(437|850|852|858|866|874|932|936|949|950)"
    r"|koi8-[ru]|mac-roman|gb2312|gbk|gb18030|big5|big5hkscs|shift_jis|euc_(jp|kr)|tis-620"
)


def _encoding(said: str) -> str:
    if said not in LEGACY:
        try:
            known = _ENCODINGS.fullmatch(codecs.lookup(said).name)
        except (LookupError, ValueError):  # no such codec, and a name that none can have
            known = None
        if known is None:
            legacy = ", ".join(LEGACY)
            raise ValueError(
                f"is {said!r}, which is no encoding of files; write one of Python's, as cp1258, or {legacy}"
            )
    return said


def _delimiter(said: str) -> str:
    if not (re.fullmatch(r"[^\w\s\"']|\t", said, re.ASCII) and said.isascii()):
        raise ValueError(f'is {said!r}, and must be one sign, as ; or "\\t" (in these quotation marks)')
    return said


def _path(said: str) -> str:
    if not _PATH.fullmatch(said):
        raise ValueError(f"is {said!r}, and must be a path of names and [*], as data.items or data[*].lines[*]")
    return said


def _range(said: str) -> str:
    if not _RANGE.fullmatch(said):
        raise ValueError(f"is {said!r}, and must be a range, as B4:K200 or B4:K, or a table's name")
    return said


def _header(said: object) -> tuple[int, ...]:
    lines = [] if said == "none" else said if isinstance(said, list) else [said]
    is_right = all(isinstance(n, int) and not isinstance(n, bool) and 1 <= n <= _HEADER_WITHIN for n in lines)
    if not is_right or lines != sorted(set(lines)) or (not lines and said != "none"):
        raise ValueError(f"is {said!r}, and must be none, a line's number from 1 to {_HEADER_WITHIN}, or some: [3, 4]")
    return tuple(lines)


def _footer(said: object) -> int | str:
    if isinstance(said, str) and said:
        return pattern(said)
    if isinstance(said, bool) or not isinstance(said, int) or not 1 <= said <= _LONGEST_FOOTER:
        raise ValueError(f"is {said!r}, and must be a number of lines to {_LONGEST_FOOTER}, or a regular expression")
    return said


class Unpivot(Part):
    """Columns that are to become rows (`unpivot` of `source`)."""

    columns: Pattern = Field(
        description="a regular expression of their whole names, with a group for each value in a name",
        examples=["so_luong_(\\d{4})"],
    )
    names: Annotated[tuple[Words, ...], Strict(False)] = Field(
        description="the physicalName of the column that each group's text goes to; `.value` for a group that names the"
        " column of the cells",
        examples=["[nam]"],
        min_length=1,
    )
    values: Annotated[tuple[Words, ...], Strict(False)] = Field(
        description="the physicalName of the column that the cells go to; several where `.value` says which",
        examples=["[so_luong]"],
        min_length=1,
    )


class Source(Part):
    """How the bytes of one delivery are to be read (customProperty `source`)."""

    format: Format = Field(
        default="csv", description="how a file is written; whichever it is, it may be packed by gzip (`.gz`)"
    )
    encoding: Annotated[str, AfterValidator(_encoding)] = Field(
        default="utf-8", description=f"a codec of Python, or a legacy Vietnamese one: {', '.join(LEGACY)}"
    )
    delimiter: Annotated[str, AfterValidator(_delimiter)] = Field(
        default=",", description="CSV: the sign between two cells"
    )
    numbers: Literal["plain", "vietnamese"] = Field(default="plain", description="vietnamese: 1.234.567,89")
    archive: Literal["zip", "parts"] | None = Field(
        default=None,
        description="zip: the file lies in an archive, alone or as `member`; parts: all files of the format in the "
        "archive are one delivery, each with a header of its own. A column with the physicalName `@member` has the name"
        " of the part",
    )
    member: Words | None = Field(
        default=None,
        description="archive: the name of the file in it, where others lie beside it; of parts a pattern, as `*.csv`",
    )
    record: Words | None = Field(
        default=None,
        description="XML: the element that is one row. Columns are named `name`, `owner/name`, `@id`, `name/@lang`, "
        "and `^/@id`, `^/name` of the element around it",
    )
    namespaces: dict[str, str] = Field(
        default={},
        description='XML: a prefix for each namespace, by which record and columns are named, as `ns:row`; "" for none',
        examples=["{ns: http://example.org/rows}"],
    )
    base64: Words | None = Field(
        default=None,
        description="XML: an element whose text may be another XML document in base64, which is read as if it stood "
        "there",
        examples=["NOIDUNGFILE"],
    )
    records: Annotated[str, AfterValidator(_path)] | None = Field(
        default=None,
        description="JSON: the path to the list of records, as `data.items`; NDJSON: that within a line. A list within "
        "each of a list is `data[*].lines[*]`, and a column `^.id` then is a field of the object around a record; by "
        "default JSON is a list, and each line of NDJSON a record",
    )
    null_values: Several = Field(
        default=(),
        description="texts that stand for nothing in any column, in quotation marks",
        examples=['["NULL", "-"]'],
    )
    root: Words | None = Field(
        default=None, description="XML: the element around all; a file of it that has no record holds no rows"
    )
    header: Annotated[tuple[int, ...] | None, BeforeValidator(_header)] = Field(
        default=None,
        description="CSV, Excel: the line or row of the names, counted from 1 (fixed_width: the last line"
        " above the records); two, as [3, 4], are read as one: `Dân số"
        " Nam`; none: columns stand in the contract's order; by default the line is found by its names",
    )
    sheet: Words | None = Field(
        default=None, description="Excel: the sheet to read; by default the one that has the names of the columns"
    )
    sheets: Literal["all"] | None = Field(
        default=None,
        description="Excel: all sheets with these columns are one delivery. A column with the physicalName `@sheet` has"
        " the sheet's name",
    )
    range: Annotated[str, AfterValidator(_range)] | None = Field(
        default=None,
        description="Excel: the cells to read, as B4:K200, or B4:K to the last row; or a table's name. Its first row "
        "has the names",
    )
    layer: Words | None = Field(
        default=None, description="geopackage: the layer or table to read; by default the only one"
    )
    unpivot: Unpivot | None = Field(
        default=None,
        description="CSV, Excel: columns found by a pattern become rows, one for each filled cell, as `{columns: "
        "so_luong_(\\d{4}), names: [nam], values: [so_luong]}`",
    )
    positions: Literal["characters", "bytes"] = Field(
        default="characters", description="fixed_width in UTF-8: what the columns' `position` counts"
    )
    footer: Annotated[int | str | None, BeforeValidator(_footer)] = Field(
        default=None,
        description="CSV, Excel, fixed_width: how many last lines that are not blank are no records; or a regular "
        "expression that each of them matches at its beginning; by default totals and notes are told by their shape",
    )
