"""An expectation as it is judged and written down, and those that follow from the contract itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from etl.contract import GEOMETRY_TYPES, Baseline, Column, Contract, ContractError, Severity, Text
from etl.delivery.columns import ROW
from etl.delivery.messages import Wording, wording
from etl.validate.conditions import ColumnsMatchSet, Condition
from etl.validate.core_conditions import (
    UNLESS_DELETED,
    Between,
    MatchRegex,
    NotNull,
    NotNullUnlessDeleted,
    Unique,
    UniqueTogether,
)
from etl.validate.own_conditions import LikeThePast, RowCondition, Understood

# Semantic types that take every value of their column's type: there is nothing to expect of them.
_ALWAYS_UNDERSTOOD = {"text", "date", "time", "boolean", "money", "number", "address"}
_MOST_CHARACTERS = 1 << 30  # in a value, where a contract does not say it
# The rule of each measure that is compared with the past; of a column of wards, districts are compared.
_UNUSUAL = {
    "rows": "unusual_number_of_rows",
    "nulls": "unusual_share_of_empty_cells",
    "share": "unusual_share_of_a_code",
    "amount": "unusual_amounts",
    "age": "unusual_dates",
    "changed": "unusual_share_of_changes",
    "ended": "too_many_ended",
}
_OF_WARDS = "unusual_share_of_a_district"


@dataclass(frozen=True)
class Expectation:
    """What is expected, as Great Expectations writes it down.

    Attributes:
        type: Great Expectations' name of its type.
        kwargs: what it asks; those that are not the type's defaults.
        meta: rule, wording, dimension and responsibility.
        severity: what the failing rows suffer.
        id: in the suite; None if it follows from the contract.
        condition: how it is judged; None if Great Expectations judges it.
    """

    type: str
    kwargs: Mapping[str, Any]
    meta: Mapping[str, str]
    severity: Severity
    id: str | None = None
    condition: Condition | None = None

    @classmethod
    def of(cls, condition: Condition, meta: Mapping[str, str], severity: Severity, id_: str | None = None) -> Self:
        """One that is judged here."""
        return cls(condition.type, condition.model_dump(exclude_defaults=True), meta, severity, id_, condition)

    @property
    def is_rowwise(self) -> bool:
        """Whether the answer is the same when rows are judged some at a time."""
        return self.condition is not None and self.condition.is_rowwise

    @property
    def mostly(self) -> float:
        """The share of the judged rows that must be right."""
        return float(self.kwargs.get("mostly", 1.0))

    @property
    def columns(self) -> list[str]:
        """The columns that it looks at; none if it is about the table."""
        named = [self.kwargs.get(name) for name in ("column", "column_A", "column_B")]
        return [name for name in [*named, *(self.kwargs.get("column_list") or [])] if name]

    @property
    def about(self) -> Wording:
        """What its rule tells people."""
        return Wording(**{name: self.meta[name] for name in ("vi", "en", "dimension", "responsible")})  # type: ignore[arg-type]

    @property
    def text(self) -> Text:
        """What people are told, without details of a file."""
        return Text(self.meta["vi"], self.meta["en"])

    def waived(self) -> Self:
        """The same as one that only warns."""
        return replace(self, severity="warning")


def follows(contract: Contract, *, with_bare_deletions: bool = False) -> list[Expectation]:
    """What follows from a contract.

    Args:
        contract: the dataset's.
        with_bare_deletions: of the rows that only delete a record nothing is required but what names it.

    Raises:
        ContractError: if no value could be right.
    """
    labels = ", ".join(c.label for c in contract.columns)
    there = ColumnsMatchSet(column_set=[c.name for c in contract.columns], exact_match=False)
    expectations = [Expectation.of(there, _meta("missing_column", columns=labels), "critical")]
    for column in contract.columns:
        expectations += _of_column(column, contract, with_bare_deletions)
    return expectations


def unique_key(names: list[str], contract: Contract) -> Expectation:
    """That no two rows share their standard key, which has columns of these names."""
    unique = UniqueTogether(column_list=names) if len(names) > 1 else Unique(column=names[0])
    return Expectation.of(unique, _meta("unique_key", columns=", ".join(c.label for c in contract.key)), "critical")


def like_the_past(baseline: Baseline, contract: Contract) -> Expectation:
    """That a measure of a delivery lies where it lay in those before it, as a baseline of its contract says."""
    column = contract.column(baseline.of) if baseline.of else None
    rule = _UNUSUAL[baseline.measure]
    if baseline.measure == "share" and column and column.semantic_type == "ward":
        rule = _OF_WARDS
    about = wording(rule)
    kwargs = baseline.model_dump(exclude_defaults=True, exclude={"severity"})
    meta = _meta_of(rule, about, about.bare(column=column.label if column else ""))
    return Expectation(LikeThePast.type, kwargs, meta, baseline.severity, condition=LikeThePast())


def _of_column(column: Column, contract: Contract, with_bare_deletions: bool) -> Iterator[Expectation]:
    mostly = 1 - contract.max_rejected
    severity: Severity = "critical" if column.on_invalid == "reject" else "warning"
    if column.required:
        required = NotNull(column=column.name, mostly=mostly)
        if with_bare_deletions and column not in contract.naming:
            required = NotNullUnlessDeleted(column=column.name, mostly=mostly, row_condition=UNLESS_DELETED)
        yield Expectation.of(required, _column_meta("required", column), "critical")
    if column.semantic_type not in _ALWAYS_UNDERSTOOD:
        rule = f"semantic_{column.semantic_type}"
        if column.semantic_type == "code":
            rule = "unknown_code" if column.on_invalid == "reject" else "unlisted_code"
        understood = Understood(
            column_list=[column.name, column.period_column or ROW],  # GX wants two columns
            contract=contract.id,
            semantic_type=column.semantic_type,
            mostly=mostly,
        )
        yield Expectation.of(understood, _column_meta(rule, column), severity)
    if column.semantic_type == "geometry":
        yield from _of_shapes(column, mostly, severity)
    yield from _of_bounds(column, mostly, severity, contract)


def _of_bounds(column: Column, mostly: float, severity: Severity, contract: Contract) -> Iterator[Expectation]:
    """What ODCS's logicalTypeOptions say of a column's values."""
    bounds = column.bounds
    if "minLength" in bounds or "maxLength" in bounds:
        least, most = bounds.get("minLength", 0), bounds.get("maxLength", _MOST_CHARACTERS)
        fits = RowCondition(
            column_list=[column.name, ROW],  # GX wants two columns
            condition=f'LENGTH("{column.name}") BETWEEN {least} AND {most}',
            mostly=mostly,
        )
        meta = _meta("length", column=column.label, least=least, most=most, example=column.example)
        yield Expectation.of(fits, meta, severity)
    if "pattern" in bounds:
        matches = MatchRegex(column=column.name, regex=bounds["pattern"], mostly=mostly)
        yield Expectation.of(matches, _column_meta("pattern", column), severity)
    if "minimum" in bounds or "maximum" in bounds:
        least, most = bounds.get("minimum"), bounds.get("maximum")
        if least is not None and most is not None and least > most:
            raise ContractError(contract.path, f"column {column.name}: minimum {least:g} is above maximum {most:g}")
        said = " … ".join("" if bound is None else f"{bound:g}" for bound in (least, most))
        between = Between(column=column.name, min_value=least, max_value=most, mostly=mostly)
        yield Expectation.of(between, _meta("range", column=column.label, expected=said), severity)


def _of_shapes(column: Column, mostly: float, severity: Severity) -> Iterator[Expectation]:
    """What the first word of WKT says of a geometry: its kind, and whether it has heights."""
    if column.geometry_types:
        others = {*GEOMETRY_TYPES, "GeometryCollection", "LinearRing"} - {*column.geometry_types}
        is_of_kind = RowCondition(
            column_list=[column.name, ROW],  # GX wants two columns
            condition=rf"NOT REGEXP_LIKE({column.name}, '(?i)^({'|'.join(sorted(others))})')",
            mostly=mostly,
        )
        meta = _meta("geometry_kind", column=column.label, expected=", ".join(column.geometry_types))
        yield Expectation.of(is_of_kind, meta, severity)
    is_flat = RowCondition(
        column_list=[column.name, ROW],
        condition=rf"NOT REGEXP_LIKE({column.name}, '(?i)^[a-z]+ *(Z|M|ZM) *(\(|E)')",
    )
    yield Expectation.of(is_flat, _meta("geometry_height", column=column.label), "warning")


def _column_meta(rule: str, column: Column) -> Mapping[str, str]:
    return _meta(rule, column=column.label, example=column.example, expected=column.example)


def _meta(rule: str, **details: object) -> Mapping[str, str]:
    about = wording(rule)
    return _meta_of(rule, about, about.fill(**details))


def _meta_of(rule: str, about: Wording, text: Text) -> Mapping[str, str]:
    return {
        "rule": rule,
        "vi": text.vi,
        "en": text.en,
        "dimension": about.dimension,
        "responsible": about.responsible,
    }
