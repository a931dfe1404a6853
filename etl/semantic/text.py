"""Free text: one Unicode form, single blanks."""

from __future__ import annotations

import re
import unicodedata

import polars as pl
from viet_text_tools import normalize_diacritics

from etl.semantic.output import of_text, where_not

# A Vietnamese syllable without its marks. Foreign words ("Chloé", "Zoé") have no place for a tone mark to be moved to.
_SYLLABLE = re.compile(
    r"(?i)^(?:ngh?|nh|gh|gi|kh|ch|ph|th|tr|qu|[bcdghklmnpqrstvx])?[aeiouy]{1,3}(?:ch|ng|nh|[cmnpt])?$"
)
_TONES = "\u0300\u0301\u0303\u0309\u0323"  # grave, acute, tilde, hook above, dot below; a syllable has one at most


# Words of ASCII and of composed Latin letters (Vietnamese among them, each its own NFC form), parted by single blanks.
CLEAN = r"^[!-~À-ɏḀ-ỿ]+( [!-~À-ɏḀ-ỿ]+)*$"


def clean(values: pl.Series) -> pl.Series:
    """NFC, runs of blanks to one, none at the ends, no invisible characters; what is then empty is null."""
    return where_not(values, CLEAN, _clean)


def _clean(values: pl.Series) -> pl.Series:
    # Invisible characters go before NFC, for one may part a letter from its mark. PostgreSQL takes no NUL at all.
    visible = values.str.replace_all(r"[[\p{Cc}\p{Cf}]--\s]", "").str.normalize("NFC")
    made = visible.str.replace_all(r"\s{2,}|[^\S ]", " ").str.strip_chars()
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
    frame = pl.DataFrame({"value": values, "row": pl.int_range(values.len(), eager=True)})
    affected = frame.filter(pl.col("value").str.contains_any(list(moved)))
    mended = affected.select(
        "row", pl.col("value").str.split(" ").list.eval(pl.element().replace(moved)).list.join(" ").alias("mended")
    )
    joined = frame.join(mended, on="row", how="left", maintain_order="left")
    return joined.select(pl.coalesce("mended", "value").alias(values.name)).to_series()


def _older(token: str) -> str:
    return re.sub(r"[^\W\d_]+", lambda word: _older_word(word[0]), unicodedata.normalize("NFC", token))


def _older_word(word: str) -> str:
    decomposed = unicodedata.normalize("NFD", word.replace("đ", "d").replace("Đ", "D"))
    bare = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    is_syllable = _SYLLABLE.match(bare) and sum(letter in _TONES for letter in decomposed) == 1
    return str(normalize_diacritics(word)) if is_syllable else word


TYPE = of_text(clean)
