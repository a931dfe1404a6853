"""Telephone numbers in E.164, by the rules of Google's libphonenumber.

Most of Viet Nam are read by its patterns as a whole column; its mobile numbers from before 2018 are mapped.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import phonenumbers
import polars as pl

from etl.contract.city import city
from etl.datatypes.output import made_of, of_text, on_unique

# Ministry of Information and Communications, plan of 2018-05-29: the old prefix of 11 digits and what replaced it.
_MOVED = {
    "0120": "070", "0121": "079", "0122": "077", "0126": "076", "0128": "078",
    "0123": "083", "0124": "084", "0125": "085", "0127": "081", "0129": "082",
    "0162": "032", "0163": "033", "0164": "034", "0165": "035",
    "0166": "036", "0167": "037", "0168": "038", "0169": "039",
    "0186": "056", "0188": "058", "0199": "059",
}  # fmt: skip
_FRACTION = r"^[^.]*\.[0-9]{0,2}$"  # what passed through a column of numbers: 18001091.0


def standard(values: pl.Series) -> pl.Series:
    """E.164, as in +84901234567; null where it is no valid number."""
    if city().phone_region != "VN":
        return on_unique(values, _e164)
    ordinary = made_of(values, lambda v: pl.when(v.str.contains(_ordinary())).then("+84" + v.str.slice(1)))
    if ordinary.null_count() == values.null_count():
        return ordinary
    rest = (values.is_not_null() & ordinary.is_null()).arg_true()
    return ordinary.scatter(rest, _dialled(values.gather(rest)))


def _dialled(values: pl.Series) -> pl.Series:
    value, dialled = pl.col("value"), pl.col("dialled")
    written = (
        value.str.replace_all(r"[\s.\-()]+", "")
        # "84..." of fewer digits is a mobile number that lost its zero.
        .str.replace(r"^(?:(?:\+|00)840?|840?([0-9]{9,10})$)", "0${1}")
    )
    prefix = dialled.str.slice(0, 4).replace_strict(_MOVED, default=None, return_dtype=pl.String)
    is_old = dialled.str.contains(r"^01[0-9]{9}$") & prefix.is_not_null()
    frame = pl.DataFrame({"value": values}).select(
        pl.when(~value.str.contains(_FRACTION)).then(written).alias("dialled")
    )
    frame = frame.select(pl.when(is_old).then(prefix + dialled.str.slice(4)).otherwise(dialled).alias("dialled"))
    is_ordinary = dialled.str.contains(_ordinary())
    made = frame.select(
        pl.when(is_ordinary).then("+84" + dialled.str.slice(1)).alias("ordinary"),
        pl.when(~is_ordinary & dialled.str.contains(r"^\+?[0-9]{7,15}$")).then(dialled).alias("other"),
    )
    return made.select(pl.coalesce("ordinary", on_unique(made["other"], _e164))).to_series()


@cache
def _ordinary() -> str:
    """The library's own patterns of mobile and landline numbers: by itself it reads some 30,000 a second."""
    rules: Any = phonenumbers.PhoneMetadata.metadata_for_region("VN")
    return f"^0(?:{rules.mobile.national_number_pattern}|{rules.fixed_line.national_number_pattern})$"


def _e164(number: str) -> str | None:
    try:
        parsed = phonenumbers.parse(number, city().phone_region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(parsed):
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


TYPE = of_text(standard)
