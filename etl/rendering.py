"""Pages from templates: one Jinja2 environment, and how numbers, shares, days and moments are written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from etl.contract.city import city
from etl.delivery.period import word_of
from etl.settings import TEMPLATES


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
    environment.filters |= {
        "number": _number,
        "share": share,
        "day": day,
        "moment": _moment,
        "word": word_of,
        **filters,
    }
    return environment


def share(part: int, whole: int) -> str:
    """A share in per cent that is 0 or 100 only if it is none or all."""
    if not whole:
        return "0 %"
    value = 100 * part / whole
    if 0 < value < 0.1:
        return "< 0,1 %"
    digits = 0 if part in (0, whole) else 1
    return f"{min(value, 99.9) if part < whole else value:.{digits}f} %".replace(".", ",")


def day(value: date) -> str:
    """A day as it is written in Viet Nam."""
    return f"{value:%d/%m/%Y}"


def _number(count: int) -> Markup:
    """A number with its thousands apart, so that it reads the same in both languages, and exact for machines."""
    grouped = f"{count:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    return Markup('<data value="{}">{}</data>').format(count, grouped)


def _moment(value: datetime) -> str:
    """A moment, in the city's time."""
    return f"{value.astimezone(city().zone):%d/%m/%Y %H:%M}"
