"""Writing as agencies write: harmless variants of a standard form, all of which mean the same."""

from __future__ import annotations

import numpy as np
import polars as pl

# Known dirty values of code columns, and how often they stand in place of the code. The contracts declare the same.
SEX = {"1": ["Nam", "NAM", "nam", "M"], "2": ["Nữ", "nữ", "F"]}
ETHNICITY = {"01": ["Kinh"], "04": ["Hoa"]}
NATIONALITY = {"000": ["Việt Nam", "VN"]}
CHANGE = {"T": ["Thêm"], "S": ["Sửa"], "X": ["Xóa"]}

_NEWER_TONES = {"Hòa": "Hoà", "Thúy": "Thuý", "Khỏe": "Khoẻ"}
_OLD_MOBILE = {"082": "0129", "077": "0122", "036": "0166", "058": "0188"}


class Dirt:
    """Dirties whole columns, at random but repeatably."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def code(self, values: pl.Series, variants: dict[str, list[str]], rate: float = 0.2) -> pl.Series:
        """Some codes written as one of their known variants."""
        made = values
        for code, words in variants.items():
            for word in words:
                chosen = self._some(values, rate / len(words)) & (values == code)
                made = _replace(made, chosen, pl.lit(word))
        return made

    def name(self, values: pl.Series, unicode_forms: bool = True) -> pl.Series:
        """Names in capitals or small letters, with extra blanks, newer tone marks, decomposed letters, an eth for a Đ.

        Args:
            values: in the standard form.
            unicode_forms: whether the file's encoding can hold decomposed letters and eth.
        """
        made = values.str.replace_many(_NEWER_TONES)
        made = _replace(values, self._some(values, 0.3), made)
        made = _replace(made, self._some(values, 0.10), made.str.to_uppercase())
        made = _replace(made, self._some(values, 0.05), made.str.to_lowercase())
        made = _replace(made, self._some(values, 0.05), made.str.replace(" ", "  "))
        if unicode_forms:
            made = _replace(made, self._some(values, 0.05), made.str.replace_all("Đ", "Ð", literal=True))
            made = _replace(made, self._some(values, 0.05), made.str.normalize("NFD"))
        return made

    def personal_id(self, values: pl.Series) -> pl.Series:
        """Some ids with blanks between the groups."""
        return _replace(
            values, self._some(values, 0.05), values.str.replace(r"^(\d{3})(\d{3})(\d{6})$", "${1} ${2} ${3}")
        )

    def tax_code(self, values: pl.Series) -> pl.Series:
        """Branch codes with their dash."""
        return _replace(values, self._some(values, 0.5), values.str.replace(r"^(\d{10})(\d{3})$", "${1}-${2}"))

    def phone(self, values: pl.Series) -> pl.Series:
        """E.164 numbers in the many ways of forms, some with the prefix of before 2018."""
        local = values.str.replace("+84", "0", literal=True)
        made = local
        made = _replace(made, self._some(values, 0.2), local.str.replace(r"^(\d{4})(\d{3})(\d{3})$", "${1} ${2} ${3}"))
        made = _replace(made, self._some(values, 0.1), values)
        made = _replace(made, self._some(values, 0.1), local.str.replace(r"^(\d{4})(\d{6})$", "${1}.${2}"))
        for now, before in _OLD_MOBILE.items():
            old = local.str.replace(f"^{now}", before)
            made = _replace(made, self._some(values, 0.3) & local.str.starts_with(now), old)
        return made

    def icd10(self, values: pl.Series) -> pl.Series:
        """Some codes without their dot."""
        return _replace(values, self._some(values, 0.1), values.str.replace_all(".", "", literal=True))

    def partial_date(self, dates: pl.Series, precision: pl.Series, style: str) -> pl.Series:
        """Partly known dates as text.

        Args:
            dates: first day of what is known.
            precision: D, M or Y.
            style: 'form' for 01/02/1990, 02/1990, 1990; 'compact' for 199002010000, 199000000000.
        """
        patterns = {
            "form": {"D": "%d/%m/%Y", "M": "%m/%Y", "Y": "%Y"},
            "compact": {"D": "%Y%m%d0000", "M": "%Y%m000000", "Y": "%Y00000000"},
        }[style]
        made = dates.dt.strftime(patterns["D"])
        for mark in "MY":
            made = _replace(made, precision == mark, dates.dt.strftime(patterns[mark]))
        return made

    def _some(self, values: pl.Series, rate: float) -> pl.Series:
        return pl.Series(self._rng.random(values.len()) < rate)


def vietnamese_number(values: pl.Series) -> pl.Series:
    """Numbers as 1.234.567,89."""
    plain = values.cast(pl.String).str.split_exact(".", 1).struct.unnest()
    whole = plain["field_0"]
    for _ in range(6):
        whole = whole.str.replace(r"^(-?\d+)(\d{3})(\.|$)", "${1}.${2}${3}")
    fraction = plain["field_1"]
    return pl.select(pl.when(fraction.is_not_null()).then(whole + "," + fraction).otherwise(whole)).to_series()


def _replace(values: pl.Series, where: pl.Series, by: pl.Series | pl.Expr) -> pl.Series:
    return pl.select(pl.when(where).then(by).otherwise(values)).to_series().alias(values.name)
