"""Names of persons, of any language: NFC, single blanks, ordinary apostrophes and hyphens.

A Vietnamese name has the older tone marks, đ for eth, and every word with a capital. Of a foreign one nobody here knows
which letters are capitals (van der Berg, McDonald) or where its marks belong (Noé): it stays as sent, unless it is all
capitals or all small letters.

Where the forms of Viet Nam are not in use, every name stays as it was sent, and may hold digits, commas and brackets.
"""

from __future__ import annotations

import polars as pl

from etl.contract.city import city
from etl.datatypes.output import by_distinct, of_text
from etl.datatypes.syllable import is_syllable
from etl.datatypes.text import clean, older_tone_marks

# Letters of any script with their marks, in words parted by blanks, with hyphen, apostrophe, the dot of "Jr.", or the
# middle dot that parts foreign names in Chinese. Signs that are letters to Unicode (ª, µ, 𝐍) are left out.
_LETTER = r"[\p{L}\p{M}ー--[\p{Common}ªº]]"
_NAME = rf"^(?:{_LETTER}|ー)(?:{_LETTER}|[ー '.·・\-])*$"
_NAME_ELSEWHERE = rf"^(?:{_LETTER}|ー)(?:{_LETTER}|[ー '.·・0-9,()/&\-])*$"
_OTHER_ALPHABET = r"[\p{Cyrillic}\p{Greek}]"  # with letters that look like Latin ones
_ALIKE = {"’": "'", "‘": "'", "ʼ": "'", "ʻ": "'", "`": "'", "´": "'", "‐": "-", "‑": "-", "–": "-"}
# Foreign keyboards and old fonts write the Icelandic eth or the African D, which look like the Vietnamese Đ, đ; here
# the small ones.
_ETH = {"\u00f0": "đ", "\u0256": "đ"}


def standard(values: pl.Series) -> pl.Series:
    """The standard form of names; null where there are characters that no name has, or letters of two alphabets."""
    return by_distinct(values, _standard)


def _standard(values: pl.Series) -> pl.Series:
    names = clean(values).str.replace_many(_ALIKE)
    is_mixed = names.str.contains(_OTHER_ALPHABET) & names.str.contains(r"\p{Latin}")
    is_here = city().has_form("vietnam")
    is_name = names.str.contains(_NAME if is_here else _NAME_ELSEWHERE)
    names = pl.select(pl.when(is_name & ~is_mixed).then(names)).to_series()
    if not is_here:
        return names
    small = names.str.to_lowercase()
    titled = small.str.to_titlecase()
    spelled = older_tone_marks(small.str.replace_many(_ETH))
    other = (spelled != small).arg_true()
    vietnamese = titled.clone().scatter(other, spelled.gather(other).str.to_titlecase())
    is_of_one_case = (small == names) | (names.str.to_uppercase() == names)
    foreign = pl.select(pl.when(is_of_one_case).then(titled).otherwise(names)).to_series()
    differ = (vietnamese != foreign).arg_true()
    is_vietnamese = pl.Series(map(_is_vietnamese, vietnamese.gather(differ)), dtype=pl.Boolean)
    return foreign.scatter(differ.filter(is_vietnamese), vietnamese.gather(differ.filter(is_vietnamese)))


def _is_vietnamese(name: str) -> bool:
    return all(map(is_syllable, name.split(" ")))


TYPE = of_text(standard)
