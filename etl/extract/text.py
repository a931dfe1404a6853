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
_FOREIGN_SHARE = 0.1  # share of non-ASCII characters that Vietnamese does not use, above which it is another encoding


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
    text = unicodedata.normalize("NFC", text.removeprefix("\ufeff"))
    if _foreign_share(text) > _FOREIGN_SHARE:
        raise Stop("held", "wrong_encoding", encoding=encoding, detail="chữ không phải tiếng Việt / not Vietnamese")
    return text


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _foreign_share(text: str) -> float:
    beyond_ascii = [c for c in text if c > "\x7f"]
    if not beyond_ascii:
        return 0.0
    foreign = {c for c in set(beyond_ascii) if not _is_vietnamese(c)}
    return sum(c in foreign for c in beyond_ascii) / len(beyond_ascii)


def _is_vietnamese(character: str) -> bool:
    if character in _PUNCTUATION or character in _TONES:
        return True
    decomposed = unicodedata.normalize("NFD", character.lower())
    base, marks = decomposed[0], decomposed[1:]
    letter = unicodedata.normalize("NFC", base + "".join(m for m in marks if m not in _TONES))
    return letter in _LETTERS or ("a" <= letter <= "z" and any(m in _TONES for m in marks))
