"""The receipt as one HTML page that needs nothing else: no script, no font, no picture from anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

from jinja2 import Template

from etl.receipt.facts import Receipt
from etl.rendering import templates

_KINDS_SHOWN = 10  # kinds of problems on the page; the JSON has all
_ROWS_SHOWN = 60  # row numbers on the page for each of them


def page(receipt: Receipt, up: str | None = None) -> str:
    """The page of a receipt.

    Args:
        receipt: what it says.
        up: address of the page that it belongs to; None for the page that an agency is sent.
    """
    return template().render(r=receipt, up=up, shown=receipt.problems[:_KINDS_SHOWN], rows_shown=_ROWS_SHOWN)


@cache
def template() -> Template:
    """The page's template; to compile it takes as long as to read a small file."""
    return templates(ranges=_ranges).get_template("receipt.html.j2")


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
