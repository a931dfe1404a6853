"""Bytes to text, by the declared encoding only: guessing silently corrupts Vietnamese names.

Bytes that are not of it hold the file here. What was decoded without an error and makes no sense is seen later, cell by
cell: see `etl.extract.misread`.
"""

from __future__ import annotations

import codecs
import re
import struct
import unicodedata
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import polars as pl
import pyarrow as pa
from viparse.normalize.tables import convert

from etl.contract import Text
from etl.delivery.messages import Stop
from etl.extract.encodings import LEGACY, charmap, everyday_name, from_windows_1252, is_latin_1, surface
from etl.extract.lines import count_of

_MARKS = r"\p{M}{31}"  # Unicode's own bound (Stream-Safe Text) is 30; normalising takes the square of their number
_MARKED = re.compile(b"\\A(?:" + codecs.BOM_UTF8 + b")*")  # some programs put a byte order mark before another
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_BEYOND_ASCII = np.uint64(0x8080808080808080)  # the bits that are set in eight bytes that are
_END_OF_FILE = b"\x1a"  # to old DOS programs


def decode(content: bytes, encoding: str) -> str:
    """Decode a whole file to NFC text; otherwise as `decoded`."""
    return unicodedata.normalize("NFC", "".join(text.item() for text in decoded([content], encoding)))


def decoded(blocks: Iterable[bytes], encoding: str, *, any_line_end: bool = False) -> Iterator[pl.Series]:
    """Decode a file piece by piece. Bytes that are UTF-8 already are looked at where they are, and not copied.

    Args:
        blocks: the file's bytes, cut anywhere.
        encoding: a Python codec, or `tcvn3`, `vni`, `viscii`, `vps`.
        any_line_end: a carriage return that ends a line becomes a line feed; before one it stays.

    Yields:
        One cell of text that ends with a line, the last piece aside; not NFC yet, for that can make delimiters of other
        characters.

    Raises:
        Stop: if the bytes are not of that encoding.
    """
    size, lines, rest, is_first = 0, 0, b"", True
    recode = _recoder(encoding)
    for block, is_last in _with_last(blocks):
        if not size and block.startswith(_UTF_16) and not encoding.startswith("utf-16"):
            raise _not_in(encoding, "UTF-16")
        try:
            text = recode(block, is_last)
        except UnicodeDecodeError as error:
            raise _wrong(encoding, error, lines) from None
        if not encoding.startswith("utf-8") and _is_utf8(block):
            raise _not_in(encoding, "UTF-8")
        text = rest + (text.rstrip(_END_OF_FILE) if is_last else text)
        size += len(block)
        cut = len(text) if is_last else _behind_last_line(text, any_line_end)
        piece, rest = text[:cut], text[cut:]
        if is_first and piece:
            piece, is_first = _MARKED.sub(b"", piece, 1), False
        try:
            cell = _cell(piece)
        except UnicodeDecodeError as error:
            raise _wrong(encoding, error, lines) from None
        if any_line_end and _has_return_alone(piece):
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            cell = _cell(piece)
        if encoding in LEGACY:
            piece = convert(piece.decode(), charmap(encoding)).encode()
            cell = _cell(piece)
        _check(piece, cell, lines, encoding)
        yield cell
        lines += count_of(b"\n", piece)


def _recoder(encoding: str) -> Callable[[bytes, bool], bytes]:
    """What makes UTF-8 of the next bytes of a file, given whether they are the last."""
    codec = surface(encoding) if encoding in LEGACY else encoding
    if codecs.lookup(codec).name.startswith("utf-8"):
        return lambda block, _: block
    decoder = codecs.getincrementaldecoder(codec)()
    if is_latin_1(encoding):
        # Its control characters are signs of Windows-1252 (€ ’ –), and every browser reads it so (WHATWG Encoding).
        return lambda block, is_last: from_windows_1252(decoder.decode(block, is_last)).encode()
    return lambda block, is_last: decoder.decode(block, is_last).encode()


def _behind_last_line(text: bytes, any_line_end: bool) -> int:
    at = text.rfind(b"\n")
    if any_line_end:
        at = max(at, text.rfind(b"\r", 0, -1))  # behind the last one of all may come its line feed
    return at + 1


def _has_return_alone(content: bytes) -> bool:
    """Whether some carriage return has no line feed behind it."""
    if b"\r" not in content:
        return False
    signs = np.frombuffer(content, np.uint8)
    (returns,) = np.nonzero(signs == ord("\r"))
    return bool(returns[-1] == len(signs) - 1 or (signs[returns + 1] != ord("\n")).any())


def _cell(content: bytes) -> pl.Series:
    """A column of one cell: the bytes as text, where they are.

    Raises:
        UnicodeDecodeError: if they are not UTF-8.
    """
    offsets = pa.py_buffer(struct.pack("=qq", 0, len(content)))  # `pa.array` would import pandas first
    cell = pa.Array.from_buffers(pa.large_binary(), 1, [None, offsets, pa.py_buffer(content)])
    try:
        return pl.Series(pl.from_arrow(cell.cast(pa.large_string())))
    except pa.ArrowInvalid:
        content.decode()  # says where
        raise


def _wrong(encoding: str, error: UnicodeDecodeError, lines: int) -> Stop:
    """What is told of bytes that are not of the declared encoding; `lines` stand before those the decoder was given."""
    if not encoding.startswith("utf-8") and _is_utf8(error.object):
        return _not_in(encoding, "UTF-8")
    line = lines + error.object.count(b"\n", 0, error.start) + 1
    return _not_in(encoding, Text(f"dòng {line}", f"line {line}"))


def _not_in(encoding: str, detail: str | Text) -> Stop:
    return Stop("held", "wrong_encoding", encoding=everyday_name(encoding), detail=detail)


def _with_last(blocks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Each block, and whether it is the last."""
    waiting = b""
    for block in blocks:
        if waiting:
            yield waiting, False
        waiting = block
    yield waiting, True


def _check(piece: bytes, cell: pl.Series, lines: int, encoding: str) -> None:
    """Refuse text that cannot be what was meant; `lines` stand before it."""
    if (at := piece.find(b"\0")) >= 0:
        line = lines + piece.count(b"\n", 0, at) + 1
        count = piece.count(b"\0")  # in UTF-16 every other byte is one, but of two in a row hardly any
        is_utf_16 = 4 * count > len(piece) and 4 * piece.count(b"\0\0") < count and not encoding.startswith("utf-16")
        raise _not_in(encoding, "UTF-16" if is_utf_16 else Text(f"NUL, dòng {line}", f"NUL, line {line}"))
    if _has_long_run(piece) and (marks := cell.str.find(_MARKS).item()) is not None:
        raise Stop("held", "marks_without_end", line=lines + piece.count(b"\n", 0, marks) + 1)


def _has_long_run(content: bytes) -> bool:
    """Whether somewhere eight bytes in a row are beyond ASCII, looked at in steps of eight.

    Of 15 in a row at any place it sees eight, and marks without end are more; of words hardly any has so many.
    """
    eights = np.frombuffer(content, np.uint64, len(content) // 8)
    return bool((eights & _BEYOND_ASCII == _BEYOND_ASCII).any())


def _is_utf8(block: bytes) -> bool:
    """Whether bytes beyond ASCII are UTF-8; the last character may be cut."""
    try:
        return not codecs.getincrementaldecoder("utf-8")().decode(block).isascii()
    except UnicodeDecodeError:
        return False
