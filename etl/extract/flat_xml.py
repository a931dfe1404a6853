"""XML whose records are all written alike, as programs write them: cut as text, several times as fast as it is parsed.

The first record is the pattern: its fields in their order, and the blanks around them. What was cut is put together by
it again, and only if that gives the file, letter by letter, was nothing else in it: no attribute, comment or entity of
its own, no field nested or left out. Of any other file nothing is said here, not even that it is wrong.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import polars as pl

from etl.delivery.columns import ROW
from etl.settings import Limits

_PIECE = 4 << 20  # bytes that are cut at a time; a record is shorter
_NAME = "[A-Za-z_][A-Za-z0-9_.-]*"
_BLANKS = " \t\r\n"
_DECLARATION = (
    r"""<\?xml version=(["'])1\.0\1(?: encoding=(["'])(?i:utf-8)\2)?(?: standalone=(["'])(?:yes|no)\3)? ?\?>"""
)
_HEAD = re.compile(rf"(?:\xef\xbb\xbf)?(?:{_DECLARATION})?[{_BLANKS}]*<(?P<root>{_NAME})>".encode("latin-1"))
_FIELD = re.compile(rf"<({_NAME})>[^<]*</\1>[{_BLANKS}]*")
_EMPTY_FIELD = re.compile(f"<({_NAME})/>")
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'", "&amp;": "&"}
_LETTERS = bytes({*_BLANKS.encode(), *range(0x20, 0x100)})
_NO_TEXT = (b"]]>", b"\xef\xbf\xbe", b"\xef\xbf\xbf")  # what XML does not take for text; the last two are no characters


class _Pattern(NamedTuple):
    """How each record is written.

    Attributes:
        fields: their names.
        around: what stands before the text of each, and behind the last.
        between: what stands between two records.
    """

    fields: list[str]
    around: list[str]
    between: str


def cut(content: bytes, record: str, limits: Limits) -> pl.DataFrame | None:
    """The records of a file: ROW and a text column for each field; None unless they are all written alike.

    Args:
        content: the file.
        record: tag of a record.
        limits: what a file may ask; of one that asks for more, nothing is said here.
    """
    head, end = _HEAD.match(content), f"</{record}>".encode()
    if head is None or not re.fullmatch(_NAME, record) or limits.record_bytes < 2 * _PIECE:
        return None
    at, last = head.end(), content.rfind(end) + len(end)
    if head["root"] == record.encode() or content[last:].strip(_BLANKS.encode()) != b"</%b>" % head["root"]:
        return None
    pattern: _Pattern | None = None
    made: list[pl.DataFrame] = []
    while at < last:
        behind = content.rfind(end, at, min(at + _PIECE, last)) + len(end)
        text = _text(content[at:behind]) if behind > at else None
        pattern = pattern or _pattern(text or "", record)
        rows = _cut(text, pattern) if text and pattern else None
        if rows is None:
            return None
        made.append(rows)
        at = behind
    rows = pl.concat(made).with_row_index(ROW, offset=1).cast({ROW: pl.Int64}) if made else None
    return rows if rows is not None and rows.height <= limits.rows and rows.width - 1 <= limits.columns else None


def _text(piece: bytes) -> str | None:
    """Some records as text, with one form of line end and of an empty field; None if it may be none, or of a DTD."""
    if any(mark in piece for mark in _NO_TEXT) or piece.translate(None, _LETTERS):
        return None
    if b"&" in piece and piece.count(b"&") != sum(piece.count(entity.encode()) for entity in _ENTITIES):
        return None
    try:
        text = piece.decode().replace("\r\n", "\n").replace("\r", "\n").strip(_BLANKS)
    except UnicodeDecodeError:
        return None
    return _EMPTY_FIELD.sub(r"<\1></\1>", text) if "/>" in text else text


def _pattern(text: str, record: str) -> _Pattern | None:
    """How the first record is written; None if others cannot be so."""
    begin = re.match(f"<{re.escape(record)}>[{_BLANKS}]*", text)
    fields = []
    at = begin.end() if begin else 0
    while field := _FIELD.match(text, at):
        fields.append(field)
        at = field.end()
    names, end = [field[1] for field in fields], f"</{record}>"
    if begin is None or not fields or not text.startswith(end, at) or len({*names, record, ROW}) < len(names) + 2:
        return None
    closing = [field[0].rpartition("<")[2] for field in fields]
    around = [f"{begin[0]}<{names[0]}>"]
    around += [f"<{left}<{name}>" for left, name in zip(closing, names[1:], strict=False)]
    around.append(f"<{closing[-1]}{end}")
    rest = text[at + len(end) :]
    return _Pattern(names, around, rest[: len(rest) - len(rest.lstrip(_BLANKS))])


def _cut(text: str, pattern: _Pattern) -> pl.DataFrame | None:
    """The cells of some records; None unless all are of the pattern."""
    parts = pl.Series("part", [text]).str.split("<").explode()[1:]
    tags = 2 * len(pattern.fields) + 2  # of a record
    if len(parts) % tags:
        return None
    part = pl.col("part")
    cells = parts.to_frame().select(
        part.gather_every(tags, 2 * at + 1).str.strip_prefix(f"{name}>").alias(name)
        for at, name in enumerate(pattern.fields)
    )
    again = [pl.lit(pattern.around[0])]
    for name, behind in zip(pattern.fields, pattern.around[1:], strict=True):
        again += [pl.col(name), pl.lit(behind)]
    if cells.select(pl.concat_str(again).str.join(pattern.between)).item() != text:
        return None
    if "&" in text:
        cells = cells.select(pl.all().str.replace_many(_ENTITIES))
    return cells.select(pl.when(pl.col(name) != "").then(pl.col(name)).alias(name) for name in cells.columns)
