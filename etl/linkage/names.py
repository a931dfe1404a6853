"""Names of persons as they are compared: without marks, in any order, shortened.

Vietnamese writes each syllable as a word, the family name first and the given name last. What agencies write wrongly:
marks are lost (`Nguyen`), or left as they are typed by Telex (`Nguyeenx`), `y` stands for `i`, the order is turned as
abroad, middle names are left out or shortened to initials.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import polars as pl

from etl.datatypes.output import by_distinct
from etl.datatypes.syllable import is_syllable

_TELEX = {
    "dd": "đ", "aa": "â", "ee": "ê", "oo": "ô", "uwow": "ươ", "uow": "ươ", "aw": "ă", "ow": "ơ", "uw": "ư",
}  # fmt: skip
_TELEX_TONE = re.compile(r"(?<=[aeiouyâêôăơư])([a-zâêôăơư]*?)[sfrxj]")


def forms(names: pl.Series) -> pl.DataFrame:
    """The forms in which names are compared; null where there is none.

    Args:
        names: in the standard form.

    Returns:
        marked (small letters, with marks), plain (without marks), words (of plain, in alphabetical order), ends (first
        and last word of plain), initials (first letters, and the last word), given (the last word).
    """
    marked = names.str.to_lowercase()
    plain = by_distinct(marked, lambda distinct: pl.Series([_plain(name) for name in distinct], dtype=pl.String))
    words = pl.col("plain").str.split(" ")
    first, last = words.list.first(), words.list.last()
    letters = words.list.eval(pl.element().str.slice(0, 1)).list.join("")
    return pl.DataFrame({"marked": marked, "plain": plain}).select(
        "marked",
        "plain",
        words.list.sort().list.join(" ").alias("words"),
        pl.when(words.list.len() > 1).then(first + " " + last).alias("ends"),
        pl.when(words.list.len() > 1).then(letters + " " + last).alias("initials"),
        last.alias("given"),
    )


def _plain(name: str | None) -> str | None:
    return None if name is None else " ".join(filter(None, map(_word, re.split(r"[ '.\-]+", name))))


@lru_cache(maxsize=1 << 17)
def _word(word: str) -> str:
    """A word without marks, y as i; what Telex left is taken for the syllable that was meant."""
    typed = word
    for keys, letter in _TELEX.items():
        typed = typed.replace(keys, letter)
    typed = typed if is_syllable(typed) else _TELEX_TONE.sub(r"\1", typed, count=1)
    if typed != word and is_syllable(typed) and not is_syllable(word):
        word = typed
    letters = unicodedata.normalize("NFD", word.replace("đ", "d"))
    return "".join(letter for letter in letters if not unicodedata.combining(letter)).replace("y", "i")
