"""Encodings that Vietnamese offices use: their everyday names, and their tables in both directions.

The tables of the legacy ones (TCVN3, VNI, VISCII, VPS) come from viparse, which checked them against glibc's and
old documents; its automatic mode is not used, because it damaged clean names. What viparse leaves out is added here.
"""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Mapping
from functools import cache

from viparse.normalize.encodings import get_charmap
from viparse.normalize.tables import Charmap, build_charmap, convert

LEGACY = ("tcvn3", "vni", "viscii", "vps")
# TCVN 5712:1993 VN1 has a byte for every capital, also where control characters stand (as glibc's TCVN writes them);
# the fonts that viparse knows have none of these.
_CAPITALS = dict(zip((1, 2, 4, 5, 6, *range(0x11, 0x18)), "ÚỤỪỬỮỨỰỲỶỸÝỴ", strict=True))
_CAPITALS |= dict(zip(range(0x80, 0xA0), "ÀẢÃÁẠẶẬÈẺẼÉẸỆÌỈĨÍỊÒỎÕÓỌỘỜỞỠỚỢÙỦŨ", strict=True))
_REST = b"\xaf\xba\xbf\xc0\xc1\xc2\xc3\xc4\xc5\xcd\xd9\xda\xdb\xe0\xf0\xff"
_CAPITALS |= dict(zip(_REST, "ẰẲẴẮẦẨẪẤỀỂỄẾỒỔỖỐ", strict=True))
_ADDED = {
    "tcvn3": [(chr(byte), letter) for byte, letter in _CAPITALS.items()],
    "vni": [("aú", "ẳ"), ("AÚ", "Ẳ"), ("î", "ỵ"), ("Î", "Ỵ")],  # no document of viparse's corpus has these
}
_NAMES = {
    "tcvn3": "TCVN3 (ABC)",
    "vni": "VNI",
    "viscii": "VISCII",
    "vps": "VPS",
    "cp1258": "Windows-1258",
    "cp1252": "Windows-1252",
    "iso8859-1": "ISO 8859-1",
    "utf-8-sig": "UTF-8",
    "html": "HTML",
}
# Windows-1252 as the WHATWG encoding standard has it: five bytes that Windows leaves free are control characters.
_WINDOWS_1252 = {byte: bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(0x80, 0xA0)}
_BYTES_1252 = {letter: byte for byte, letter in _WINDOWS_1252.items()} | {chr(byte): byte for byte in range(0x100)}


def everyday_name(encoding: str) -> str:
    """What people call an encoding, as in "TCVN3 (ABC)"."""
    name = encoding if encoding in _NAMES else codecs.lookup(encoding).name
    return _NAMES.get(name, name.upper())


def is_latin_1(encoding: str) -> bool:
    """Whether an encoding is ISO 8859-1, under whichever of its names."""
    return encoding not in LEGACY and codecs.lookup(encoding).name == "iso8859-1"


@cache
def charmap(encoding: str) -> Charmap:
    """The table of a legacy encoding, from the characters that its bytes are in Latin-1."""
    known = get_charmap(encoding)
    if known is None:
        raise LookupError(f"{encoding} is no legacy encoding")
    return build_charmap(encoding, dict([*known.pairs, *_ADDED.get(encoding, ())]).items())


def surface(encoding: str) -> str:
    """The codec whose characters stand for the bytes of a legacy encoding."""
    return "cp1252" if encoding == "vni" else "latin-1"


def from_windows_1252(text: str) -> str:
    """Text with the control characters U+0080 to U+009F as the signs that Windows-1252 has in their place."""
    return text.translate(_WINDOWS_1252)


def decode_by(content: bytes, encoding: str) -> str | None:
    """Bytes as text (NFC) by an encoding; None where they are not of it."""
    try:
        if encoding in LEGACY:
            return str(convert(content.decode("latin-1"), charmap(encoding)))
        return unicodedata.normalize("NFC", content.decode(encoding))
    except UnicodeDecodeError:
        return None


def bytes_of(text: str, encoding: str) -> bytes | None:
    """The bytes that became this text (NFC) by an encoding; None where no bytes do.

    Args:
        text: that was decoded.
        encoding: a legacy one, cp1258, or else Windows-1252, of which Latin-1 is taken for a part.
    """
    table = _bytes(encoding)
    found = [table.get(letter) for letter in text]
    if None not in found:
        return b"".join(part for part in found if part is not None)
    return None


@cache
def _bytes(encoding: str) -> Mapping[str, bytes]:
    of_1252 = {letter: bytes([byte]) for letter, byte in _BYTES_1252.items()}
    if encoding in LEGACY:
        made = {letter: sequence.encode("latin-1") for sequence, letter in charmap(encoding).pairs}
        return made | of_1252 if encoding == "vni" else of_1252 | made  # VNI has two ways to write some letters
    if encoding != "cp1258":
        return of_1252
    single = {bytes([b]).decode("cp1258", "ignore"): bytes([b]) for b in range(0x80, 0x100)}
    single.pop("", None)
    bases = {chr(byte): bytes([byte]) for byte in range(0x80)} | single
    marked = {
        unicodedata.normalize("NFC", base + mark): bases[base] + single[mark]
        for base in bases
        for mark in single
        if unicodedata.combining(mark) and len(unicodedata.normalize("NFC", base + mark)) == 1
    }
    return marked | bases
