"""Bytes to text, by the declared encoding only: guessing silently corrupts Vietnamese names.

Legacy Vietnamese font encodings (TCVN3, VNI, VISCII, VPS) come from viparse, whose tables were checked against glibc's;
its automatic mode is not used, because it damaged clean names.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator

import polars as pl
import pyarrow as pa
from viparse.normalize.encodings import get_charmap
from viparse.normalize.tables import convert

from etl.delivery import Stop

_LEGACY = {"tcvn3", "vni", "viscii", "vps"}
_MARKS = r"\p{M}{31}"  # Unicode's own bound (Stream-Safe Text) is 30; normalising takes the square of their number
_MARKED = re.compile(b"\\A(?:" + codecs.BOM_UTF8 + b")*")  # some programs put a byte order mark before another
_EVERY = 1 << 20  # bytes
_SAMPLE = 1 << 14  # bytes of so many in which words are looked at
_TONES = frozenset("\u0300\u0301\u0303\u0309\u0323")  # grave, acute, tilde, hook above, dot below
# A run of letters and of whatever else is beyond ASCII, common punctuation aside.
_WORD = r"[^\x00-\x40\x5b-\x60\x7b-\x7f–—‘’“”…°²³×±†\u00a0\ufeff€©®™§·•]+"
# Vietnamese has few syllables: an onset, and one of these rimes (the tone left out). What is decoded by another table
# than it was written with has Vietnamese letters all over, but hardly a Vietnamese syllable.
_SYLLABLE = re.compile(
    "(?:[bcdđghklmnpqrstvx]|ch|g[hi]|kh|ngh?|nh|ph|qu|t[hr])?(?:"
    "a[cimnoptuy]?|ach|a?ng|anh|ă[cmnpt]|ăng|â[cmnptuy]|âng|e[cmnopt]?|eng|ê[mnptu]?|êch|ênh|i[amnptu]?|ich|inh|"
    "i?ê[cmnptu]|i?êng|o[acimnpt]?|o?ong|ooc|oa[cimnopty]|oang|oa?nh|oach|oă[cmnt]|oăng|oe[not]?|ô[cimnpt]?|ông|"
    "ơ[imnpt]?|u[acimnpty]?|ung|uâ[nty]|uâng|uê|u?êch|uênh|uô[cimnt]|uông|uơ|uy[anptu]?|uyê[nt]|uych|uynh|"
    "ư[acimtu]?|ưng|ươ[cimnptu]|ương|y|yê[mntu]|yêng)"
)
# Words beyond ASCII that are no Vietnamese syllable, as a share of all such words, above which the file is taken to be
# in another encoding; a few are a foreigner's name and prove nothing.
_FOREIGN_SHARE = 0.5
_FOREIGN_AT_LEAST = 5


def decode(content: bytes, encoding: str) -> str:
    """Decode a whole file to NFC text; otherwise as `decoded`."""
    return unicodedata.normalize("NFC", "".join(text.item() for text in decoded([content], encoding)))


def decoded(blocks: Iterable[bytes], encoding: str, *, any_line_end: bool = False) -> Iterator[pl.Series]:
    """Decode a file piece by piece. Bytes that are UTF-8 already are looked at where they are, and not copied.

    Args:
        blocks: the file's bytes, cut anywhere.
        encoding: a Python codec, or `tcvn3`, `vni`, `viscii`, `vps`.
        any_line_end: every kind of line end becomes a line feed.

    Yields:
        One cell of text that ends with a line, the last piece aside; not NFC yet, for that can make delimiters of other
        characters.

    Raises:
        Stop: if the bytes are not of that encoding, or what comes out is not Vietnamese.
    """
    size, lines, rest, is_first = 0, 0, b"", True
    recode = _recoder(encoding)
    for block, is_last in _with_last(blocks):
        try:
            text = recode(block, is_last)
        except UnicodeDecodeError as error:
            raise _wrong(encoding, error, size + len(block), lines) from None
        if not encoding.startswith("utf-8") and _is_utf8(block):
            raise Stop("held", "wrong_encoding", encoding=encoding, detail="UTF-8")
        text = rest + text
        size += len(block)
        cut = len(text) if is_last else _behind_last_line(text, any_line_end)
        piece, rest = text[:cut], text[cut:]
        if is_first and piece:
            piece, is_first = _MARKED.sub(b"", piece, 1), False
        try:
            cell = _cell(piece)
        except UnicodeDecodeError as error:
            raise _wrong(encoding, error, size - len(rest), lines) from None
        if any_line_end and b"\r" in piece:
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            cell = _cell(piece)
        if encoding in _LEGACY:
            piece = convert(piece.decode(), get_charmap(encoding)).encode()
            cell = _cell(piece)
        _check(piece, cell, lines, encoding)
        yield cell
        lines += piece.count(b"\n")


def _recoder(encoding: str) -> Callable[[bytes, bool], bytes]:
    """What makes UTF-8 of the next bytes of a file, given whether they are the last."""
    codec = ("cp1252" if encoding == "vni" else "latin-1") if encoding in _LEGACY else encoding
    if codecs.lookup(codec).name.startswith("utf-8"):
        return lambda block, _: block
    decoder = codecs.getincrementaldecoder(codec)()
    return lambda block, is_last: decoder.decode(block, is_last).encode()


def _behind_last_line(text: bytes, any_line_end: bool) -> int:
    at = text.rfind(b"\n")
    if any_line_end:
        at = max(at, text.rfind(b"\r", 0, -1))  # behind the last one of all may come its line feed
    return at + 1


def _cell(content: bytes) -> pl.Series:
    """A column of one cell: the bytes as text, where they are.

    Raises:
        UnicodeDecodeError: if they are not UTF-8.
    """
    offsets = pa.array([0, len(content)], pa.int64()).buffers()[1]
    cell = pa.Array.from_buffers(pa.large_binary(), 1, [None, offsets, pa.py_buffer(content)])
    try:
        return pl.Series(pl.from_arrow(cell.cast(pa.large_string())))
    except pa.ArrowInvalid:
        content.decode()  # says where
        raise


def _wrong(encoding: str, error: UnicodeDecodeError, size: int, lines: int) -> Stop:
    """What is told of bytes that are not of the declared encoding.

    Args:
        encoding: that one.
        error: of the decoder.
        size: bytes of the file up to the end of those that the decoder was given.
        lines: that stand before these.
    """
    start = size - len(error.object) + error.start
    line = lines + error.object.count(b"\n", 0, error.start) + 1
    detail = "UTF-8" if not encoding.startswith("utf-8") and _is_utf8(error.object) else f"byte {start}, line {line}"
    return Stop("held", "wrong_encoding", encoding=encoding, detail=detail)


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
        raise Stop("held", "wrong_encoding", encoding=encoding, detail=f"NUL, line {line}")
    if piece.isascii():
        return
    if (marks := _endless_marks(cell)) is not None:
        raise Stop("held", "marks_without_end", line=lines + piece.count(b"\n", 0, marks) + 1)
    sample = b"".join(piece[at : at + _SAMPLE] for at in range(0, len(piece), _EVERY)) if len(piece) > _EVERY else piece
    if _is_foreign(sample.decode(errors="ignore")):  # the samples may begin and end within a letter
        raise Stop("held", "wrong_encoding", encoding=encoding, detail="chữ không phải tiếng Việt / not Vietnamese")


def _endless_marks(text: pl.Series) -> int | None:
    if not text.str.contains(r"\p{M}").item():  # five times as quick to see, and so it is nearly always
        return None
    found: int | None = text.str.find(_MARKS).item()
    return found


def _is_utf8(block: bytes) -> bool:
    """Whether bytes beyond ASCII are UTF-8; the last character may be cut."""
    try:
        return not codecs.getincrementaldecoder("utf-8")().decode(block).isascii()
    except UnicodeDecodeError:
        return False


def _is_foreign(text: str) -> bool:
    words = pl.Series([text]).str.extract_all(_WORD).explode().drop_nulls()
    words = words.filter(words.str.contains(r"[^\x00-\x7fđĐ]"))  # đ alone is an abbreviation's, as in QĐ-UBND
    counted = words.alias("word").value_counts(name="times")
    is_foreign = pl.Series([not _is_syllable(word) for word in counted["word"]], dtype=pl.Boolean)
    foreign = int(counted.filter(is_foreign)["times"].sum())
    return foreign >= _FOREIGN_AT_LEAST and foreign > _FOREIGN_SHARE * words.len()


def _is_syllable(word: str) -> bool:
    marks = unicodedata.normalize("NFD", word.lower())
    bare = "".join(mark for mark in marks if mark not in _TONES)
    return len(marks) - len(bare) <= 1 and _SYLLABLE.fullmatch(unicodedata.normalize("NFC", bare)) is not None
