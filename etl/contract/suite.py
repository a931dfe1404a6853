"""The types of what stands in a suite's file; which fields and values there may be is checked where suites are judged.

Great Expectations takes much for something else: "false" for true, 7 for a text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from etl.contract.fields import Share
from etl.contract.messages import sentences


def _plain(said: Any) -> Any:
    if isinstance(said, bool) or not isinstance(said, str | int | float):
        raise ValueError(f"is {said!r}, and must be a number or a text")
    return said


Plain = Annotated[Any, AfterValidator(_plain)]


class _Typed(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class _Kwargs(_Typed):
    column: str = ""
    column_A: str = ""
    column_B: str = ""
    column_list: list[str] = []
    condition: str = ""
    ignore_row_if: str = ""
    match_on: str = ""
    regex: str = ""
    regex_list: list[str] = []
    strftime_format: str = ""
    mostly: Share = 1.0
    double_sided: bool = False
    or_equal: bool = False
    strict_max: bool = False
    strict_min: bool = False
    at_most: int | None = None
    slack: float = 0.0
    sum_total: float = 0.0
    threshold: float = 0.0
    times: float = 0.0
    value: int = 0
    min_value: Plain | None = None
    max_value: Plain | None = None
    value_set: list[Plain] = []
    value_pairs_set: list[list[Plain]] = []


class _Meta(_Typed):
    rule: str = ""
    vi: str = ""
    en: str = ""
    dimension: str = ""
    responsible: str = ""
    example: str = ""


class _Expectation(_Typed):
    id: str = ""
    type: str = ""
    severity: str = ""
    notes: str | None = None
    meta: _Meta = _Meta()
    kwargs: _Kwargs = _Kwargs()


class _About(_Typed):
    great_expectations_version: str = ""


class _Suite(_Typed):
    id: str | None = None
    name: str = ""
    notes: str | None = None
    meta: _About | None = None


def of_types(suite: dict[str, Any]) -> Iterator[str]:
    """What is of another type than it must be."""
    yield from _wrong(_Suite, suite)
    for number, expectation in enumerate(suite["expectations"], start=1):
        meta = expectation.get("meta") if isinstance(expectation, dict) else None
        rule = meta.get("rule") if isinstance(meta, dict) else None
        for sentence in _wrong(_Expectation, expectation):
            yield f"expectation {number} ({rule}): {sentence}"


def _wrong(model: type[BaseModel], said: object) -> Iterator[str]:
    try:
        model.model_validate(said)
    except ValidationError as error:
        yield from sentences(error, model)
