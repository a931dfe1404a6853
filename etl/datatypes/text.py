"""Text: one Unicode form; free text keeps its lines and blanks, names and keys have single blanks."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import polars as pl
from viet_text_tools import normalize_diacritics

from etl.contract import Column
from etl.datatypes.output import SemanticType, each_part, one_text, where_not
from etl.datatypes.syllable import is_syllable

# Words of ASCII and of composed Latin letters (Vietnamese among them, each its own NFC form), parted by single blanks.
CLEAN = r"^[!-~À-ɏḀ-ỿ]+( [!-~À-ɏḀ-ỿ]+)*$"
# Control characters, tab and line ends aside, and the mark that a program leaves in place of a letter that it lost.
# They are never dropped: some were letters or signs in another encoding.
CONTROL = r"[\x00-\x08\x0e-\x1f\x7f-\x{9f}\x{fffd}-\x{ffff}]"
# What nobody sees and what parts no words: zero-width characters, soft hyphens, directional marks, Hangul's fillers.
_INVISIBLE = r"[\p{Cf}\x{115f}\x{1160}\x{34f}]"
_BLANK = r"[\s\x{2800}\x{3164}\x{ffa0}]"  # what parts words: white space, and the fillers that look like it
_MANY = 1 << 12  # values, from which it is faster to look at their bytes before a pattern is tried on each
# Letters, digits and signs as wide or as narrow as a Chinese character, to their ordinary forms.
_WIDTHS = {
    chr(n): unicodedata.normalize("NFKC", chr(n)) for n in range(0xFF01, 0xFFEF) if n != 0xFFA0 and chr(n).isprintable()
}


def is_ascii(values: pl.Series) -> bool:
    """Whether all values together are ASCII: much cheaper to see than by a pattern, and of most columns so."""
    return bool((values.str.len_bytes() == values.str.len_chars()).all())


def are_clean(columns: Sequence[pl.Series]) -> list[bool]:
    """Of which columns `clean` and `free` would give all values back as they are: cheaper to see of all at once."""
    frame = pl.DataFrame([values.alias(str(number)) for number, values in enumerate(columns)])
    clean = matching(frame, dict.fromkeys(frame.columns, CLEAN))
    return [name in clean for name in frame.columns]


def matching(rows: pl.DataFrame, patterns: Mapping[str, str]) -> frozenset[str]:
    """Names of columns whose values all match their pattern, absent ones aside.

    Args:
        rows: with columns of text.
        patterns: by column; of others nothing is said.
    """
    if rows.height > _MANY:  # most columns that do not match are told by some of their rows
        first = matching(rows.head(_MANY), patterns)
        patterns = {name: pattern for name, pattern in patterns.items() if name in first}
    words = [name for name, pattern in patterns.items() if pattern == CLEAN and _are_single_words(rows[name])]
    asked = [pl.col(name).str.contains(pattern).all() for name, pattern in patterns.items() if name not in words]
    seen = rows.select(asked).row(0, named=True) if asked else {}
    return frozenset(words).union(name for name, is_so in seen.items() if is_so)


def _are_single_words(values: pl.Series) -> bool:
    """Whether of many values each is a word of ASCII, as codes, numbers and dates are: seen of their bytes at once."""
    if len(values) < _MANY or values.str.len_bytes().min() in (None, 0):
        return False
    signs = letters(values)
    return bool(signs.min() > ord(" ") and signs.max() <= ord("~"))


def letters(values: pl.Series) -> npt.NDArray[np.uint8]:
    """The bytes of all values, in one run."""
    return np.frombuffer(values.to_arrow(compat_level=pl.CompatLevel.oldest()).buffers()[-1] or b"", np.uint8)


def clean(values: pl.Series) -> pl.Series:
    """Names, codes and keys: NFC, single blanks, no invisible characters, ordinary widths; null if nothing is left."""
    return where_not(values, CLEAN, _clean)


def _clean(values: pl.Series) -> pl.Series:
    # Invisible characters go before NFC, for one may part a letter from its mark.
    visible = values.str.replace_all(_INVISIBLE, "").str.replace_many(_WIDTHS).str.normalize("NFC")
    return _or_null(visible.str.replace_all(f"{_BLANK}+", " ").str.strip_chars(), values)


def free(values: pl.Series) -> pl.Series:
    """Free text: NFC, as sent but for its ends; a line ends with a line feed; null if there is nothing to see."""
    return where_not(values, CLEAN, _free)


def _free(values: pl.Series) -> pl.Series:
    text = values.str.normalize("NFC").str.replace_all("\r\n?", "\n")
    around = f"(?:{_BLANK}|{_INVISIBLE})+"
    return _or_null(text.str.replace(f"^{around}", "").str.replace(f"{around}$", ""), values)


def _or_null(made: pl.Series, values: pl.Series) -> pl.Series:
    return pl.select(pl.when(made != "").then(made)).to_series().alias(values.name)


def older_tone_marks(values: pl.Series) -> pl.Series:
    """Tone marks where the older orthography puts them: "hòa", not "hoà"; values with single blanks, as `clean` gives.

    Where a word's mark belongs is the library's knowledge. It is asked once for each distinct word of the column.
    """
    words = values.str.split(" ").explode(keep_nulls=False, empty_as_null=False).unique()
    marked = words.filter(words.str.contains(r"[^\x00-\x7f]"))
    moved = {word: right for word in marked if (right := _older(word)) != word}
    if not moved:
        return values
    affected = values.str.contains_any(list(moved)).arg_true()
    mended = [" ".join(moved.get(word, word) for word in value.split(" ")) for value in values.gather(affected)]
    return values.clone().scatter(affected, pl.Series(mended, dtype=pl.String))


@lru_cache(maxsize=1 << 16)
def _older(token: str) -> str:
    return re.sub(r"[^\W\d_]+", lambda word: _older_word(word[0]), unicodedata.normalize("NFC", token))


def _older_word(word: str) -> str:
    # Foreign words ("Chloé", "Zoé") have no place for a tone mark to be moved to.
    return str(normalize_diacritics(word)) if is_syllable(word) else word


def _standardise(frame: pl.DataFrame, column: Column) -> pl.DataFrame:
    values = frame[column.name]
    standard = clean if column.key_position else free
    made = each_part(values, column.separator, standard) if column.separator else standard(values)
    return made.alias(column.name).to_frame()


TYPE = SemanticType(one_text, _standardise, lambda column: None if column.separator else CLEAN)
