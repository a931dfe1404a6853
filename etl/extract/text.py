"""Bytes to text, by the declared encoding only: guessing silently corrupts Vietnamese names.

Legacy Vietnamese font encodings (TCVN3, VNI, VISCII, VPS) come from viparse, whose tables were checked against glibc's;
its automatic mode is not used, because it damaged clean names.
"""

from __future__ import annotations

import unicodedata

from viparse.normalize.encodings import get_charmap
from viparse.normalize.tables import convert

from etl.delivery import Stop

_LEGACY = {"tcvn3", "vni", "viscii", "vps"}
_LETTERS = frozenset("ăâêôơưđ")
_TONES = frozenset("\u0300\u0301\u0303\u0309\u0323")  # grave, acute, tilde, hook above, dot below
_PUNCTUATION = frozenset("–—‘’“”…°²³×±†\u00a0\ufeff€©®™§·•ð")
# Non-ASCII characters that Vietnamese does not use, as a share of all non-ASCII ones, above which the file is taken to
# be in another encoding; a few are a foreigner's name and prove nothing.
_FOREIGN_SHARE = 0.1
_FOREIGN_AT_LEAST = 10


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
    text = unicodedata.normalize("NFC", text.removeprefix("\ufeff"))
    if _is_foreign(text):
        raise Stop("held", "wrong_encoding", encoding=encoding, detail="chữ không phải tiếng Việt / not Vietnamese")
    return text


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _is_foreign(text: str) -> bool:
    beyond_ascii = [c for c in text if c > "\x7f"]
    foreign = {c for c in set(beyond_ascii) if not _is_vietnamese(c)}
    count = sum(c in foreign for c in beyond_ascii)
    return count >= _FOREIGN_AT_LEAST and count > _FOREIGN_SHARE * len(beyond_ascii)


def _is_vietnamese(character: str) -> bool:
    if character in _PUNCTUATION or character in _TONES:
        return True
    decomposed = unicodedata.normalize("NFD", character.lower())
    base, marks = decomposed[0], decomposed[1:]
    letter = unicodedata.normalize("NFC", base + "".join(m for m in marks if m not in _TONES))
    return letter in _LETTERS or ("a" <= letter <= "z" and any(m in _TONES for m in marks))
