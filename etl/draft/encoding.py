"""The encoding of a sample file, and the bytes that decide it.

UTF-8 proves itself. Of the others every byte may be a letter, so the words of the whole file that hold one are read in
each: Vietnamese ones prove themselves by their syllables; for other languages charset-normalizer knows how often
letters stand in them, and where it does not tell two encodings apart, the alphabet does that most words are in. In
scripts of eastern Asia an ASCII byte may be half a letter, so these are looked for in lines. What is still open is
named, also an encoding that reads this file alike: the next file may hold a letter that it does not.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from etl.datatypes.syllable import is_syllable
from etl.extract.encodings import decode_by, everyday_name

_VIETNAMESE = ("tcvn3", "vni", "viscii", "vps", "cp1258")
_OTHERS = (
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1257", "iso8859-2", "cp850", "cp852", "cp437", "koi8-r",
)  # fmt: skip
_OTHER_SCRIPTS = ("cp932", "euc_jp", "cp949", "gb18030", "big5", "cp874", "cp1255", "cp1256")
_OF_DOS = ("cp850", "cp852", "cp437")
_USUAL = "cp1252"  # of western Europe; it is taken where several are as likely
_WORD = re.compile(rb"[^\x00\x09\x0a\x0d\x1a -@\[-`{-~]+")
_MOST_WORDS = 20_000  # different ones that are kept of a file
_MOST_OF_LINES = 1 << 18  # bytes that are kept of the lines with a letter beyond ASCII
_PROVEN = 0.8  # share of words that are Vietnamese syllables
_ALPHABETS = tuple(
    frozenset(letters)
    for letters in (
        "äöüß", "àâæçéèêëîïôœùûüÿ", "áéíñóúü", "àáâãçéêíóôõú", "àèéìíîòóùú", "æøåé", "åäöé", "éèëïöü", "àçèéíïòóúü",
        "áðéíóúýþæö", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "ąćęłńóśźż", "áéíóöőúüű", "ăâîşţ", "čćđšž", "äöõüšž",
        "āčēģīķļņšūž", "ąčęėįšųūž", "âçğıîöşüû",
    )
)  # fmt: skip
_UTF_16 = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclass(frozen=True)
class Encoding:
    """What a file is written in.

    Attributes:
        name: as a contract says it.
        because: the bytes that decide, in words.
        rivals: other encodings that the file may as well be in, for nothing in it decides.
    """

    name: str
    because: str
    rivals: tuple[str, ...] = ()


def find(blocks: Iterable[bytes]) -> Encoding:
    """The encoding of a file.

    Args:
        blocks: its bytes, cut anywhere.
    """
    utf8 = codecs.getincrementaldecoder("utf-8")()
    words: dict[bytes, int] = {}  # with the line that each stands in first
    lines = bytearray()
    is_utf8, line, rest, head, nulls, size = True, 1, b"", b"", 0, 0
    for block in blocks:
        head = head or block[:4]
        nulls += block.count(b"\0")
        size += len(block)
        if is_utf8:
            try:
                utf8.decode(block)
            except UnicodeDecodeError:
                is_utf8 = False
        content = rest + block
        cut = content.rfind(b"\n") + 1
        content, rest = content[:cut], content[cut:]
        _collect(content, line, words, lines)
        line += content.count(b"\n")
    _collect(rest, line, words, lines)
    if head.startswith(tuple(_UTF_16)):
        return Encoding("utf-16", "it begins with the byte order mark of UTF-16")
    if size and 4 * nulls > size:
        return Encoding("utf-16-le", "every other byte is NUL, as in UTF-16")
    if is_utf8 and utf8.getstate()[0] == b"":
        return _utf8(head, words)
    return _by_words(words, bytes(lines))


def _collect(content: bytes, first: int, words: dict[bytes, int], lines: bytearray) -> None:
    if content.isascii():
        return
    at, line = 0, first
    for found in _WORD.finditer(content) if len(words) < _MOST_WORDS else ():
        if (word := found[0]).isascii():
            continue
        line += content.count(b"\n", at, found.start())
        at = found.start()
        words.setdefault(word, line)
    if len(lines) < _MOST_OF_LINES:
        beyond = b"".join(each for each in content.splitlines(keepends=True) if not each.isascii())
        lines += beyond[: _MOST_OF_LINES - len(lines)].rpartition(b"\n")[0] or beyond


def _utf8(head: bytes, words: dict[bytes, int]) -> Encoding:
    if head.startswith(codecs.BOM_UTF8):
        return Encoding("utf-8-sig", "it begins with EF BB BF, the mark of UTF-8")
    if not words:
        return Encoding("utf-8", "every byte is ASCII, so nothing tells UTF-8 from others")
    return Encoding("utf-8", f"{_shown(words)} is UTF-8")


def _by_words(words: dict[bytes, int], lines: bytes) -> Encoding:
    right = {name: _syllables(words, name) for name in _VIETNAMESE}
    best = max(right, key=lambda name: right[name])
    if right[best] >= _PROVEN:
        rivals = tuple(name for name in right if name != best and right[name] == right[best])
        return Encoding(best, f"{_shown(words)} gives Vietnamese syllables in {everyday_name(best)} alone", rivals)
    return _by_script(words, lines) or _by_language(words)


def _syllables(words: dict[bytes, int], encoding: str) -> float:
    """The share of the words that are Vietnamese with a letter of its own; one that does not know a byte has none."""
    read = [decode_by(word, encoding) for word in words]
    if None in read:
        return 0.0
    return sum(is_syllable(word) and not word.isascii() for word in read if word) / len(read)


def _by_script(words: dict[bytes, int], lines: bytes) -> Encoding | None:
    """Of another script than the Latin, Greek or Cyrillic one; None if the lines read better in one of these."""
    from charset_normalizer import from_bytes

    found = from_bytes(lines, cp_isolation=[*_OTHERS, *_OTHER_SCRIPTS], steps=10, chunk_size=4096, threshold=0.4)
    best = found.best()
    if best is None or best.encoding not in _OTHER_SCRIPTS:
        return None
    as_good = (match for match in found if (match.chaos, match.coherence) == (best.chaos, best.coherence))
    rivals = tuple(_as_declared(match.encoding) for match in as_good if match is not best)
    because = f"{_shown(words)} is not UTF-8, and reads best in {everyday_name(best.encoding)}"
    return Encoding(best.encoding, because, rivals)


def _by_language(words: dict[bytes, int]) -> Encoding:
    """Of another language: by how often its letters stand beside each other."""
    from charset_normalizer import from_bytes

    content = b" ".join(words)
    found = from_bytes(content, cp_isolation=[*_OTHERS], steps=10, chunk_size=4096, threshold=0.4)
    best = found.best()
    if best is None:
        name = next((name for name in _OTHERS if _letters(content, name)), _USUAL)
        return Encoding(name, f"{_shown(words)} is not UTF-8", tuple(_alike(content, name)))
    close = {
        _as_declared(name): match.coherence
        for match in found
        if match.chaos == best.chaos
        for name in match.could_be_from_charset
    }
    shown = {name: (_in_one_alphabet(words, name), coherence) for name, coherence in close.items()}
    right = [name for name in shown if shown[name] == max(shown.values())]
    name = min(right, key=lambda name: name != _USUAL)
    # A dash or a curled quotation mark of Windows is a letter to DOS: that it reads well proves nothing.
    may_be_usual = name in _OF_DOS and decode_by(content, _USUAL) is not None
    rivals = tuple(other for other in (*right, *[_USUAL] * may_be_usual) if other != name)
    return Encoding(name, f"{_shown(words)} is not UTF-8, and reads best in {everyday_name(name)}", rivals)


def _in_one_alphabet(words: Iterable[bytes], encoding: str) -> int:
    """How many words hold no letters, beyond ASCII, but those of the one alphabet that most of them are in."""
    read = (decode_by(word, encoding) or "" for word in words)
    counts = Counter(frozenset(sign for sign in text.lower() if not sign.isascii() and sign.isalpha()) for text in read)
    return max(sum(counts[few] for few in counts if few and few <= alphabet) for alphabet in _ALPHABETS)


def _as_declared(name: str) -> str:
    """The name that contracts use, of one that charset-normalizer uses."""
    return {"iso8859_2": "iso8859-2", "koi8_r": "koi8-r"}.get(name, name)


def _letters(content: bytes, encoding: str) -> bool:
    text = decode_by(content, encoding)
    return text is not None and all(unicodedata.category(sign)[0] == "L" for sign in text if not sign.isascii())


def _alike(content: bytes, name: str) -> Iterable[str]:
    return (other for other in _OTHERS if other != name and _letters(content, other))


def _shown(words: dict[bytes, int]) -> str:
    """The bytes beyond ASCII of the first word, and where it stands; not the word, which may be a person's name."""
    word, line = next(iter(words.items()))
    bytes_ = re.search(rb"[\x80-\xff]+", word)
    return f"{bytes_[0][:6].hex(' ').upper() if bytes_ else ''} in line {line}"
