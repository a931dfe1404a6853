"""The receipt as one HTML page that needs nothing else: no script, no font, no picture from anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from etl.receipt.facts import Receipt
from etl.settings import TEMPLATES

_KINDS_SHOWN = 10  # kinds of problems on the page; the JSON has all
_ROWS_SHOWN = 60  # row numbers on the page for each of them


def page(receipt: Receipt) -> str:
    """The page of a receipt."""
    return _template().render(r=receipt, shown=receipt.problems[:_KINDS_SHOWN], rows_shown=_ROWS_SHOWN)


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": _number, "share": _share, "ranges": _ranges}
    return environment.get_template("receipt.html.j2")


def _number(count: int) -> Markup:
    """A number with its thousands apart, so that it reads the same in both languages, and exact for machines."""
    grouped = f"{count:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    return Markup('<data value="{}">{}</data>').format(count, grouped)


def _share(part: int, whole: int) -> str:
    """A share in per cent that is 0 or 100 only if it is none or all."""
    if not whole:
        return "0 %"
    share = 100 * part / whole
    if 0 < share < 0.1:
        return "< 0,1 %"
    digits = 0 if part in (0, whole) else 1
    return f"{min(share, 99.9) if part < whole else share:.{digits}f} %".replace(".", ",")


def _ranges(numbers: Iterable[int]) -> str:
    """Ascending numbers, those that follow one another as a range: 3, 7–12, 20."""
    return ", ".join(str(first) if first == last else f"{first}–{last}" for first, last in _runs(numbers))


def _runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    run: tuple[int, int] | None = None
    for number in numbers:
        if run and number == run[1] + 1:
            run = (run[0], number)
        else:
            if run:
                yield run
            run = (number, number)
    if run:
        yield run
