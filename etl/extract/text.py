"""Bytes to text, by the declared encoding only: guessing silently corrupts Vietnamese names.

Legacy Vietnamese font encodings (TCVN3, VNI, VISCII, VPS) come from viparse, whose tables were checked against glibc's;
its automatic mode is not used, because it damaged clean names.
"""

from __future__ import annotations

import re
import unicodedata

import polars as pl
from viparse.normalize.encodings import get_charmap
from viparse.normalize.tables import convert

from etl.delivery import Stop

_LEGACY = {"tcvn3", "vni", "viscii", "vps"}
_MARKS = r"\p{M}{31}"  # Unicode's own bound (Stream-Safe Text) is 30; normalising takes the square of their number
_PIECE = 1 << 20  # characters
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
    """Decode a file's bytes to NFC text.

    Args:
        content: the whole file.
        encoding: a Python codec, or `tcvn3`, `vni`, `viscii`, `vps`.

    Raises:
        Stop: if the bytes are not of that encoding, or what comes out is not Vietnamese.
    """
    if not encoding.startswith("utf-8") and not content.isascii() and _is_utf8(content):
        raise Stop("held", "wrong_encoding", encoding=encoding, detail="UTF-8")
    try:
        if encoding in _LEGACY:
            text = convert(content.decode("cp1252" if encoding == "vni" else "latin-1"), get_charmap(encoding))
        else:
            text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Stop("held", "wrong_encoding", encoding=encoding, detail=f"byte {error.start}, line {line}") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise Stop("held", "wrong_encoding", encoding=encoding, detail=f"NUL, line {line}")
    _check_marks(text)
    text = unicodedata.normalize("NFC", text.removeprefix("\ufeff"))
    if _is_foreign(text):
        raise Stop("held", "wrong_encoding", encoding=encoding, detail="chữ không phải tiếng Việt / not Vietnamese")
    return text


def _check_marks(text: str) -> None:
    for start in range(0, len(text), _PIECE):
        piece = text[start : start + _PIECE]
        at = None if piece.isascii() else pl.Series([piece]).str.find(_MARKS).item()
        if at is not None:
            line = text.count("\n", 0, start) + piece.encode()[:at].count(b"\n") + 1
            raise Stop("held", "marks_without_end", line=line)


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
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
