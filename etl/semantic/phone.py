"""Telephone numbers in E.164, by Google's libphonenumber; mobile numbers of 11 digits from before September 2018 are mapped."""

from __future__ import annotations

import phonenumbers
import polars as pl

from etl.semantic.output import of_text, on_unique

# Ministry of Information and Communications, plan of 2018-05-29: the old prefix and what replaced it.
_MOVED = {
    "0120": "070", "0121": "079", "0122": "077", "0126": "076", "0128": "078",
    "0123": "083", "0124": "084", "0125": "085", "0127": "081", "0129": "082",
    "0162": "032", "0163": "033", "0164": "034", "0165": "035", "0166": "036", "0167": "037", "0168": "038", "0169": "039",
    "0186": "056", "0188": "058", "0199": "059",
}  # fmt: skip


def standard(values: pl.Series) -> pl.Series:
    """E.164, as in +84901234567; null where it is no valid number."""
    dialled = values.str.replace_all(r"[^\d+]", "").str.replace(r"^(\+84|0084|84)0?", "0")
    is_old = dialled.str.contains(r"^01\d{9}$")
    prefix = dialled.str.slice(0, 4).replace_strict(_MOVED, default=None, return_dtype=pl.String)
    moved = pl.select(pl.when(is_old & prefix.is_not_null()).then(prefix + dialled.str.slice(4)).otherwise(dialled))
    has_letters = values.str.contains(r"\p{L}")
    return on_unique(pl.select(pl.when(~has_letters).then(moved.to_series())).to_series(), _e164)


def _e164(number: str) -> str | None:
    try:
        parsed = phonenumbers.parse(number, "VN")
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(parsed):
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


TYPE = of_text(standard)
