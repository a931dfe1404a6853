"""How a contract says that numbers are written: with which marks and signs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

_BLANKS = "[ \N{NO-BREAK SPACE}\N{THIN SPACE}\N{NARROW NO-BREAK SPACE}]"
_MARKS = ".,"  # of which each may part thousands or decimals
_APOSTROPHES = "['’]"
_CLASSES = {" ": _BLANKS, "'": _APOSTROPHES}


@dataclass(frozen=True)
class NumberFormat:
    """One notation of numbers.

    Attributes:
        decimal: the decimal mark.
        thousands: what parts groups of three digits, if they are parted: a mark, a blank, an apostrophe.
        currency: signs or words of a currency, before or behind the number, that may stand there.
        percent: a number bears a %; keep: 12.5 % is 12.5, divide: it is 0.125.
        brackets: (12) is -12.
        exponent: 1.5e-05 is a number.
        has_signs: a number may bear a + and may begin with its decimal mark.
    """

    decimal: str = "."
    thousands: str | None = None
    currency: tuple[str, ...] = ()
    percent: Literal["keep", "divide"] | None = None
    brackets: bool = False
    exponent: bool = False
    has_signs: bool = False

    @cached_property
    def whole(self) -> str:
        """A pattern of whole numbers; zeros may stand behind a decimal mark."""
        return f"^{self._sign}{self._digits}({self._decimal}0+)?$"

    @cached_property
    def decimals(self) -> str:
        """A pattern of decimal numbers."""
        fraction = f"{self._decimal}[0-9]+"
        return f"^{self._sign}({self._digits}({fraction})?{f'|{fraction}' if self.has_signs else ''})$"

    @cached_property
    def parting(self) -> str:
        """A pattern of what parts thousands; empty if nothing does."""
        return _CLASSES.get(self.thousands or "", re.escape(self.thousands or ""))

    @property
    def example(self) -> str:
        """A number so written."""
        return f"12{self.decimal}5{'%' if self.percent else ''}"

    @cached_property
    def one_fraction(self) -> str | None:
        """A pattern of numbers whose decimals could also be thousands: one mark, and three digits behind it."""
        return self._one(self.decimal)

    @cached_property
    def one_group(self) -> str | None:
        """A pattern of numbers whose thousands could also be decimals."""
        return self._one(self.thousands)

    @cached_property
    def ambiguous(self) -> str:
        """A pattern of numbers with two readings, of those that are not understood."""
        marks = "".join(mark for mark in _MARKS if mark in (self.decimal, self.thousands))
        return f"^{self._sign}[1-9][0-9]{{0,2}}[{marks}][0-9]{{3}}$"

    def _one(self, mark: str | None) -> str | None:
        return f"^{self._sign}[1-9][0-9]{{0,2}}{re.escape(mark)}[0-9]{{3}}$" if mark and mark in _MARKS else None

    @cached_property
    def _sign(self) -> str:
        return "[-+]?" if self.has_signs else "-?"

    @cached_property
    def _decimal(self) -> str:
        return re.escape(self.decimal)

    @cached_property
    def _digits(self) -> str:
        return f"([0-9]+|[1-9][0-9]{{0,2}}({self.parting}[0-9]{{3}})+)" if self.thousands else "[0-9]+"


PLAIN = NumberFormat()
VIETNAMESE = NumberFormat(decimal=",", thousands=".")
NAMED = {"plain": PLAIN, "vietnamese": VIETNAMESE}
