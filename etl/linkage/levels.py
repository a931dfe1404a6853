"""How two values are compared: for each kind of value some levels, the first that fits counts.

Levels are SQL of DuckDB over the forms of two records, `_l` and `_r`. Deterministic and probabilistic linkage both
compare by them; a deployment names kinds and never writes SQL.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

import polars as pl

from etl.linkage import names

Kind = Literal["name", "birth", "equal", "near", "address", "number"]
WARD = "ward"
KINDS: tuple[Kind, ...] = get_args(Kind)


class Level(NamedTuple):
    """One way in which two values agree, best first.

    Attributes:
        name: for people.
        sql: a condition on the forms of both.
        shares: the form that both then share, if it tells more where few have it: see `etl.linkage.rarity`.
    """

    name: str
    sql: str
    shares: str | None = None


def columns(field: str, kind: Kind) -> list[str]:
    """The columns in which a field is compared and blocked, besides itself."""
    made = {
        "name": ["marked", "plain", "words", "ends", "initials", "given"],
        "birth": ["precision", "day", "year", "month_day"],
    }
    return [f"{field}_{form}" for form in made.get(kind, [])]


def prepared(records: pl.DataFrame, field: str, kind: Kind) -> pl.DataFrame:
    """Records with the columns in which a field is compared.

    Args:
        records: `field`, text, and of a birth a date, with `field`_precision: Y, M or D.
        field: which one.
        kind: of value.
    """
    if kind == "name":
        return records.hstack(names.forms(records[field]).rename(lambda form: f"{field}_{form}"))
    if kind == "birth":
        value, precision = pl.col(field), pl.col(f"{field}_precision")
        is_day = precision == "D"
        return records.with_columns(
            pl.when(is_day).then(value).alias(f"{field}_day"),
            value.dt.year().alias(f"{field}_year"),
            pl.when(is_day).then(value.dt.month() * 100 + value.dt.day()).alias(f"{field}_month_day"),
        )
    return records


def _of_name(f: str) -> list[Level]:
    def same(form: str) -> str:
        return f"{f}_{form}_l = {f}_{form}_r"

    lengths = f"len({f}_plain_l) <> len({f}_plain_r)"
    has_initial = f"regexp_matches({f}_plain_l || ' ' || {f}_plain_r, '\\b[a-z]\\b')"
    return [
        Level("same", same("marked"), f"{f}_words"),
        Level("marks lost", same("plain"), f"{f}_words"),
        Level("other order", same("words"), f"{f}_words"),
        Level("shortened", f"({same('ends')} AND {lengths}) OR ({same('initials')} AND {has_initial})", f"{f}_ends"),
        Level("one letter", f"damerau_levenshtein({f}_plain_l, {f}_plain_r) <= 1"),
        Level("similar", f"jaro_winkler_similarity({f}_plain_l, {f}_plain_r) >= 0.92"),
    ]


def _of_birth(f: str) -> list[Level]:
    one, other = f"{f}_l", f"{f}_r"
    both_days = f"{f}_precision_l = 'D' AND {f}_precision_r = 'D'"
    same_year = f"{f}_year_l = {f}_year_r"
    a_month = f"('Y' NOT IN ({f}_precision_l, {f}_precision_r) AND 'M' IN ({f}_precision_l, {f}_precision_r))"
    turned = f"day({one}) = month({other}) AND month({one}) = day({other})"
    slip = f"levenshtein(strftime({one}, '%Y%m%d'), strftime({other}, '%Y%m%d')) = 1"
    return [
        Level("same day", f"{both_days} AND {one} = {other}"),
        Level("same month, no day", f"{a_month} AND {same_year} AND month({one}) = month({other})"),
        Level("same year, no day", f"'Y' IN ({f}_precision_l, {f}_precision_r) AND {same_year}"),
        Level("day and month turned", f"{both_days} AND {same_year} AND {turned}"),
        Level("slip", f"{both_days} AND ({slip} OR abs(date_diff('day', {one}, {other})) <= 3)"),
        Level("same year", same_year),
    ]


def _of_number(f: str) -> list[Level]:
    return [
        Level("same", f"{f}_l = {f}_r"),
        Level("one digit", f"damerau_levenshtein({f}_l, {f}_r) <= 1"),
    ]


def _of_near(f: str) -> list[Level]:
    return [
        Level("same", f"{f}_l = {f}_r"),
        Level("close", f"jaro_winkler_similarity({f}_l, {f}_r) >= 0.92"),
        Level("similar", f"jaro_winkler_similarity({f}_l, {f}_r) >= 0.8"),
    ]


_LEVELS: dict[Kind, Callable[[str], list[Level]]] = {
    "name": _of_name,
    "birth": _of_birth,
    "equal": lambda f: [Level("same", f"{f}_l = {f}_r")],
    "near": _of_near,
    "address": _of_near,
    "number": _of_number,
}


def of(field: str, kind: Kind) -> list[Level]:
    """The levels at which a field is compared, the best first; that neither fits is one more."""
    return _LEVELS[kind](field)


def absent(field: str, kind: Kind) -> str:
    """A condition that a field says nothing: one of both lacks it; or it is an address in another ward, which is told
    by the ward already: who has moved has not two reasons to be somebody else.
    """
    lacking = f"{field}_l IS NULL OR {field}_r IS NULL"
    return f"{lacking} OR {WARD}_l <> {WARD}_r" if kind == "address" else lacking


NAME_AGREES = ("same", "marks lost", "other order", "shortened", "one letter")
NAME_IS_SAME = NAME_AGREES[:3]  # enough where nobody says a birth
BIRTH_AGREES = ("same day", "same month, no day", "same year, no day", "day and month turned", "slip")


def agreement(field: str, kind: Kind, accepted: tuple[str, ...]) -> str:
    """A condition that a field agrees at one of some levels."""
    return " OR ".join(f"({level.sql})" for level in of(field, kind) if level.name in accepted)
