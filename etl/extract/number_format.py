"""Number formats of Excel: what a cell that holds a number lets its reader see.

A format is a text such as `dd/mm/yyyy` or `0000000`; its sections, for positive numbers first, are parted by `;`.
See ECMA-376 part 1, 18.8.30 and 18.8.31.
"""

from __future__ import annotations

import re
from datetime import date
from functools import cache
from typing import Literal

# general: all of the number; digits: those of a whole number; padded: with zeros in front; number: otherwise written;
# percent: a hundred times what the cell holds, with its sign; scaled: yet another number, such as thousands; day,
# month, year: a date down to that; moment: with the hour; part: of a date, such as an hour or a day without its year.
Shown = Literal["general", "digits", "padded", "number", "percent", "scaled", "day", "moment", "month", "year", "part"]

GENERAL = "General"
_OF_OLD = {  # formats that are named by number alone; 14 and 22 are shown as the machine's settings say
    0: GENERAL, 1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 9: "0%", 10: "0.00%", 11: "0.00E+00", 12: "# ?/?",
    13: "# ??/??", 14: "m/d/yyyy", 15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy", 18: "h:mm AM/PM", 19: "h:mm:ss AM/PM",
    20: "h:mm", 21: "h:mm:ss", 22: "m/d/yyyy h:mm", 37: "#,##0", 38: "#,##0", 39: "#,##0.00", 40: "#,##0.00",
    45: "mm:ss", 46: "[h]:mm:ss", 47: "mmss.0", 48: "##0.0E+0", 49: "@",
}  # fmt: skip
_UNKNOWN = "?"  # a format that nobody describes
_TOKEN = re.compile(r'"[^"]*"|\\.|[_*].|\[[^\]]*\]|.', re.DOTALL)
_ELAPSED = re.compile(r"\[[hms]+\]", re.IGNORECASE)
_PLAIN_BRACKETS = re.compile(r"\[(?:\$-[^\]]*|[a-z]+[0-9]*)\]", re.IGNORECASE)  # a language, a colour
_DAY_TOKEN = re.compile(r"y+|m+|d+|.", re.DOTALL)
_OF_DAY = {"yyyy": "%Y", "yy": "%y", "mmmm": "%B", "mmm": "%b", "mm": "%m", "dd": "%d"}
_BETWEEN = "/-. "
_AS_SET = (_OF_OLD[14], _OF_OLD[22])
_SCALE_WORDS = re.compile(r"triệu|tỷ|tỉ|nghìn|ngàn|thousand|million|billion", re.IGNORECASE)


def code_of(number: int, custom: dict[int, str]) -> str:
    """The format that a style names by number.

    Args:
        number: `numFmtId` of .xlsx, `ifmt` of .xls.
        custom: formats that the workbook brings, by number.
    """
    return custom.get(number) or _OF_OLD.get(number, _UNKNOWN)


@cache
def shown(code: str) -> Shown:
    """What a positive number is shown as by a format."""
    letters, has_literal = "", False
    for token in _TOKEN.findall(code):
        if token == ";":
            break
        if len(token) == 1 or _ELAPSED.fullmatch(token):
            letters += token.lower()
        elif token[0] not in "_*" and token != "\\ " and not _PLAIN_BRACKETS.fullmatch(token):
            has_literal = True
    if letters.strip() in ("general", "@") and not has_literal:
        return "general"
    of_date = letters.replace("am/pm", "").replace("a/p", "").replace("general", "")
    if re.search("[ymdhs]", of_date):
        return _shown_of_date(of_date)
    if letters.count("%") > 1 or re.search(r",(?![#0?,])", letters) or _SCALE_WORDS.search(code):
        return "scaled"
    if "%" in letters:
        return "percent"
    if not has_literal and re.fullmatch(r"[#, ]*[#0]\s*", letters):
        return "digits"
    return "padded" if not has_literal and re.fullmatch(r"0+\s*", letters) else "number"


def _shown_of_date(letters: str) -> Shown:
    has_hour = bool(re.search("[hs]", letters))
    if "[" in letters or "y" not in letters:
        return "part"
    if "d" in letters:
        return "part" if "m" not in letters else "moment" if has_hour else "day"
    if has_hour:
        return "part"
    return "month" if "m" in letters else "year"


def is_date(code: str) -> bool:
    """Whether a format shows a number as a date or a part of one."""
    return shown(code) in ("day", "moment", "month", "year", "part")


def date_shown(day: date, code: str) -> str:
    """A day as a format shows it; in full, with the day first, by one that shows more, or as a machine's settings say.

    Args:
        day: the day, whose hour is left out.
        code: the format.
    """
    parts = _DAY_TOKEN.findall(code.partition(";")[0].lower())
    plain = {"d": str(day.day), "m": str(day.month)}
    if code in _AS_SET or not all(part in plain or part in _OF_DAY or part in _BETWEEN for part in parts):
        return day.strftime("%d/%m/%Y")
    return "".join(plain.get(part) or day.strftime(_OF_DAY.get(part, part)) for part in parts)


def padded(number: int, code: str) -> str:
    """A whole number, not below 0, as a format of zeros shows it."""
    return str(number).zfill(code.partition(";")[0].count("0"))
