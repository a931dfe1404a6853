"""XML whose records are all written alike, as programs write them: cut as text, several times as fast as it is parsed.

The first record is the pattern: its fields in their order, and the blanks around them. Each byte of the file is either
in a cell, which has no tag in it, or in what stands around one; and only if all of the latter is as in the pattern,
letter by letter, was nothing else in the file: no attribute, comment or entity of its own, no field nested or left out.
Of any other file nothing is said here, not even that it is wrong.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa

from etl.delivery.columns import ROW
from etl.settings import Limits

_PIECE = 4 << 20  # bytes that are cut at a time; a record is shorter
_NAME = "[A-Za-z_][A-Za-z0-9_.-]*"
_BLANK = r" \t\r\n"
_BLANKS = b" \t\r\n"
_DECLARATION = (
    r"""<\?xml version=(["'])1\.0\1(?: encoding=(["'])(?i:utf-8)\2)?(?: standalone=(["'])(?:yes|no)\3)? ?\?>"""
)
_HEAD = re.compile(rf"(?:\xef\xbb\xbf)?(?:{_DECLARATION})?[{_BLANK}]*<(?P<root>{_NAME})>".encode("latin-1"))
_FIELD = re.compile(rf"<({_NAME})>[^<]*</\1>[{_BLANK}]*".encode())
_EMPTY_FIELD = re.compile(f"<({_NAME})/>".encode())
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'", "&amp;": "&"}
_LETTERS = bytes({*_BLANKS, *range(0x20, 0x100)})
_NO_TEXT = (b"]]>", b"\xef\xbf\xbe", b"\xef\xbf\xbf")  # what XML does not take for text; the last two are no characters


class _Pattern(NamedTuple):
    """How each record is written.

    Attributes:
        fields: their names.
        around: what stands before the text of each, and from behind the last to the next record.
        between: what stands between two records.
    """

    fields: list[str]
    around: list[bytes]
    between: bytes


def cut(content: bytes, record: str, limits: Limits) -> pl.DataFrame | None:
    """The records of a file: ROW and a text column for each field; None unless they are all written alike.

    Args:
        content: the file; long cells are not copied out of it.
        record: tag of a record.
        limits: what a file may ask; of one that asks for more, nothing is said here.
    """
    head, end = _HEAD.match(content), f"</{record}>".encode()
    if head is None or not re.fullmatch(_NAME, record) or limits.record_bytes < 2 * _PIECE:
        return None
    at, last = content.find(f"<{record}>".encode(), head.end()), content.rfind(end) + len(end)
    if head["root"] == record.encode() or content[last:].strip(_BLANKS) != b"</%b>" % head["root"]:
        return None
    if at < 0 or content[head.end() : at].strip(_BLANKS):
        return None
    pattern: _Pattern | None = None
    made: list[pl.DataFrame] = []
    while at < last:
        is_last = last - at <= _PIECE
        behind = last if is_last else content.rfind(f"<{record}>".encode(), at + 1, at + _PIECE)
        if behind < 0 or not _may_be_text(content[at:behind]):
            return None
        pattern = pattern or _pattern(_with_both_tags(content[at:behind]), record)
        if pattern is None:
            return None
        # Of the file itself no copy is made: long cells stay where they are.
        text = memoryview(content)[at:behind] if not is_last else content[at:behind] + pattern.between
        rows = _cut(text, pattern)
        if rows is None:
            return None
        made.append(rows)
        at = behind
    # In one piece, for else each step that follows would make one of it.
    rows = pl.concat(made, rechunk=True).with_row_index(ROW, offset=1).cast({ROW: pl.Int64}) if made else None
    return rows if rows is not None and rows.height <= limits.rows and rows.width - 1 <= limits.columns else None


def _may_be_text(piece: bytes) -> bool:
    """Whether some records may be text, but for letters that are no UTF-8, and hold no entity of a DTD."""
    if any(mark[:1] in piece and mark in piece for mark in _NO_TEXT) or piece.translate(None, _LETTERS):
        return False
    return b"&" not in piece or piece.count(b"&") == sum(piece.count(entity.encode()) for entity in _ENTITIES)


def _with_both_tags(text: bytes) -> bytes:
    """Some records with one form of an empty field."""
    return _EMPTY_FIELD.sub(rb"<\1></\1>", text)


def _pattern(text: bytes, record: str) -> _Pattern | None:
    """How the first record is written; None if others cannot be so."""
    begin = re.match(f"<{re.escape(record)}>[{_BLANK}]*".encode(), text)
    fields = []
    at = begin.end() if begin else 0
    while field := _FIELD.match(text, at):
        fields.append(field)
        at = field.end()
    names, end = [field[1].decode() for field in fields], f"</{record}>".encode()
    if begin is None or not fields or not text.startswith(end, at) or len({*names, record, ROW}) < len(names) + 2:
        return None
    opening = [f"<{name}>".encode() for name in names]
    closing = [b"<" + field[0].rpartition(b"<")[2] for field in fields]
    rest = text[at + len(end) :]
    between = rest[: len(rest) - len(rest.lstrip(_BLANKS))]
    around = [before + tag for before, tag in zip([begin[0], *closing], opening, strict=False)]
    return _Pattern(names, [*around, closing[-1] + end + between], between)


def _cut(text: bytes | memoryview, pattern: _Pattern) -> pl.DataFrame | None:
    """The cells of some records, and of the blanks behind each; None unless all are of the pattern."""
    parts = _parts(text, pattern)
    if parts is None and b"/>" in (letters := bytes(text)):
        parts = _parts(_with_both_tags(letters), pattern)
    if parts is None:
        return None
    part, each = pl.col("part"), 2 * len(pattern.fields) + 1
    is_alike = [
        part.gather_every(each, 2 * at).eq_missing(pl.lit(said)).all().alias(str(at))
        for at, said in enumerate(pattern.around)
    ]
    if not all(parts.select(is_alike).row(0)):
        return None
    try:
        cells = parts.select(
            part.gather_every(each, 2 * at + 1).cast(pl.String).alias(name) for at, name in enumerate(pattern.fields)
        )
    except pl.exceptions.PolarsError:  # it is not UTF-8
        return None
    letters = bytes(text)
    if letters.count(b"\r") > cells.height * sum(said.count(b"\r") for said in pattern.around):
        cells = cells.select(pl.all().str.replace_all("\r\n?", "\n"))
    return cells.select(pl.all().str.replace_many(_ENTITIES)) if b"&" in letters else cells


def _parts(text: bytes | memoryview, pattern: _Pattern) -> pl.DataFrame | None:
    """All bytes of some records, in turns what the pattern says and a cell; None if no such parts could be.

    Nothing is copied: Arrow is told where in the text each part begins. One of no bytes is null.
    """
    tags = 2 * len(pattern.fields) + 2  # of a record
    begins = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("<"))
    if len(begins) % tags:
        return None
    in_tag = np.zeros(tags, np.int64)
    in_tag[1:-1:2] = [len(name) + 2 for name in pattern.fields]  # from where it begins to the cell behind it
    offsets = np.append((begins.reshape(-1, tags) + in_tag)[:, :-1], len(text)).astype(np.int32)
    sizes = np.diff(offsets)
    if offsets[0] or sizes.min() < 0:
        return None
    is_valid = np.packbits(sizes > 0, bitorder="little")
    buffers = [pa.py_buffer(is_valid), pa.py_buffer(offsets), pa.py_buffer(text)]
    return pl.DataFrame({"part": pa.Array.from_buffers(pa.binary(), len(sizes), buffers)})
