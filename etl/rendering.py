"""Pages from templates: one Jinja2 environment, and how numbers, shares, days and moments are written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup, escape

from etl.contract.city import city, said
from etl.delivery.period import word_of
from etl.settings import TEMPLATES

_SECOND = ' <span class="en" lang="{}">{}</span>'


def templates(**filters: Callable[..., object]) -> ImmutableSandboxedEnvironment:
    """The templates of `etl/templates/`, which escape what they are given, and run nothing of it.

    Args:
        filters: what a page needs beside `number`, `share`, `day`, `moment` and `word` (see `word_of` in
            `etl.delivery.period`).
    """
    environment = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "languages": city().languages,
        "t": both,
        "pair": lambda text: both(text["vi"], text["en"]) if isinstance(text, dict) else both(text.vi, text.en),
        "one": one,
        "other": other,
        "beside": beside,
        "tag": lambda vi, en: _joined(vi, en, ' · <span lang="{}">{}</span>'),
        "aside": lambda vi, en: _joined(vi, en, ' <span class="en alone" lang="{}">({})</span>'),
        "plain": plain,
    }
    environment.filters |= {
        "number": _number,
        "share": share,
        "day": day,
        "moment": _moment,
        "word": word_of,
        **filters,
    }
    return environment


def one(vi: str, en: str) -> str:
    """What is said, in the city's first language; English with a capital where the Vietnamese has one."""
    if city().languages[0] == "vi":
        return vi
    return en[:1].upper() + en[1:] if vi[:1].isupper() else en


def other(vi: str, en: str) -> str:
    """The same in the second language; nothing where there is none, or both are the same."""
    if len(city().languages) == 1 or vi == en:
        return ""
    return en if city().languages[0] == "vi" else vi


def beside(vi: str, en: str) -> Markup:
    """The second language, behind what stands in the first; see `other`."""
    second = other(vi, en)
    return Markup(_SECOND).format(city().languages[-1], second) if second else Markup("")


def both(vi: str, en: str, /, **details: object) -> Markup:
    """A text for a page in the city's languages; {placeholders} of it are filled in."""
    filled = [escape(text).format(**details) if details else escape(text) for text in (vi, en)]
    return _joined(filled[0], filled[1], _SECOND)


def plain(vi: str, en: str, /, **details: object) -> str:
    """The same where no markup can stand."""
    filled = [text.format(**details) if details else text for text in (vi, en)]
    return said(filled[0], filled[1])


def _joined(vi: str, en: str, written: str) -> Markup:
    second = other(vi, en)
    return escape(one(vi, en)) + (Markup(written).format(city().languages[-1], second) if second else Markup(""))


def share(part: int, whole: int) -> str:
    """A share in per cent that is 0 or 100 only if it is none or all."""
    if not whole:
        return "0 %"
    value = 100 * part / whole
    if 0 < value < 0.1:
        return _decimal("< 0.1 %")
    digits = 0 if part in (0, whole) else 1
    return _decimal(f"{min(value, 99.9) if part < whole else value:.{digits}f} %")


def _decimal(number: str) -> str:
    """A number with the decimal sign of the city's first language."""
    return number.replace(".", ",") if city().languages[0] == "vi" else number


def day(value: date) -> str:
    """A day as it is written in Viet Nam; where English comes first, as no country reads it otherwise."""
    return f"{value:%d/%m/%Y}" if city().languages[0] == "vi" else f"{value:%Y-%m-%d}"


def _number(count: int) -> Markup:
    """A number with its thousands apart, so that it reads the same in both languages, and exact for machines."""
    grouped = f"{count:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    return Markup('<data value="{}">{}</data>').format(count, grouped)


def _moment(value: datetime) -> str:
    """A moment, in the city's time."""
    local = value.astimezone(city().zone)
    return f"{day(local)} {local:%H:%M}"
