"""Bytes to text, by the declared encoding only: guessing silently corrupts Vietnamese names.

Legacy Vietnamese font encodings (TCVN3, VNI, VISCII, VPS) come from viparse, whose tables were checked against glibc's;
its automatic mode is not used, because it damaged clean names.
"""

from __future__ import annotations

import codecs
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator

import polars as pl
from viparse.normalize.encodings import get_charmap
from viparse.normalize.tables import convert

from etl.delivery import Stop

_LEGACY = {"tcvn3", "vni", "viscii", "vps"}
_MARKS = r"\p{M}{31}"  # Unicode's own bound (Stream-Safe Text) is 30; normalising takes the square of their number
_PIECE = 1 << 20  # characters
_SAMPLE = 1 << 16  # characters of each piece in which words are looked at
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
    return unicodedata.normalize("NFC", "".join(decoded([content], encoding)))


def decoded(blocks: Iterable[bytes], encoding: str, *, any_line_end: bool = False) -> Iterator[str]:
    """Decode a file piece by piece.

    Args:
        blocks: the file's bytes, cut anywhere.
        encoding: a Python codec, or `tcvn3`, `vni`, `viscii`, `vps`.
        any_line_end: every kind of line end becomes a line feed.

    Yields:
        Text that ends with a line, the last piece aside; not NFC yet, for that can make delimiters of other characters.

    Raises:
        Stop: if the bytes are not of that encoding, or what comes out is not Vietnamese.
    """
    codec = ("cp1252" if encoding == "vni" else "latin-1") if encoding in _LEGACY else encoding
    plain = codecs.getincrementaldecoder(codec)()
    decoder = io.IncrementalNewlineDecoder(plain, translate=True) if any_line_end else plain
    size, lines, rest = 0, 0, ""
    for block, is_last in _with_last(blocks):
        size += len(block)
        try:
            text = decoder.decode(block, is_last)
        except UnicodeDecodeError as error:
            start = size - len(error.object) + error.start
            line = lines + rest.count("\n") + error.object.count(b"\n", 0, error.start) + 1
            detail = "UTF-8" if _is_utf8(block) else f"byte {start}, line {line}"
            raise Stop("held", "wrong_encoding", encoding=encoding, detail=detail) from None
        if not encoding.startswith("utf-8") and not block.isascii() and _is_utf8(block):
            raise Stop("held", "wrong_encoding", encoding=encoding, detail="UTF-8")
        text = rest + (text.removeprefix("\ufeff") if size == len(block) else text)
        cut = len(text) if is_last else text.rfind("\n") + 1
        text, rest = text[:cut], text[cut:]
        if encoding in _LEGACY:
            text = convert(text, get_charmap(encoding))
        _check(text, lines, encoding)
        yield text
        lines += text.count("\n")


def _with_last(blocks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Each block, and whether it is the last."""
    waiting = b""
    for block in blocks:
        if waiting:
            yield waiting, False
        waiting = block
    yield waiting, True


def _check(text: str, lines: int, encoding: str) -> None:
    """Refuse text that cannot be what was meant; `lines` stand before it."""
    if "\0" in text:
        line = lines + text.count("\n", 0, text.index("\0")) + 1
        raise Stop("held", "wrong_encoding", encoding=encoding, detail=f"NUL, line {line}")
    if text.isascii():
        return
    for start in range(0, len(text), _PIECE):
        piece = text[start : start + _PIECE]
        at = None if piece.isascii() else _endless_marks(pl.Series([piece]))
        if at is not None:
            line = lines + text.count("\n", 0, start) + piece.encode()[:at].count(b"\n") + 1
            raise Stop("held", "marks_without_end", line=line)
    sample = "".join(text[at : at + _SAMPLE] for at in range(0, len(text), _PIECE)) if len(text) > _PIECE else text
    if _is_foreign(sample):
        raise Stop("held", "wrong_encoding", encoding=encoding, detail="chữ không phải tiếng Việt / not Vietnamese")


def _endless_marks(text: pl.Series) -> int | None:
    if not text.str.contains(r"\p{M}").item():  # twice as quick to see, and so it is nearly always
        return None
    found: int | None = text.str.find(_MARKS).item()
    return found


def _is_utf8(block: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(block)  # the last character may be cut
    except UnicodeDecodeError:
        return False
    return True


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
