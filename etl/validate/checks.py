"""What is wrong in a suite by itself: found before it judges anything.

Great Expectations logs an expectation that it does not know and goes on without it, and hears of a wrong condition only
when it judges rows. Here the file is compared with its contract and with what can be judged.

A suite is data. Great Expectations would run some of it: a `row_condition` as Python, a query as SQL, a parameter as an
expression; a JSON schema it would fetch. So a suite holds the expectations and kwargs that `etl.validate.kinds` lists,
with plain values, and nothing else.
"""

from __future__ import annotations

import json
import re
import string
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import polars as pl
from pydantic import ValidationError

from etl.contract import Column, Contract, ContractError
from etl.contract.city import city
from etl.contract.names import nearest
from etl.contract.suite import of_types
from etl.delivery.columns import AS_OF
from etl.delivery.messages import bare
from etl.validate import grammar
from etl.validate.kinds import KINDS, KWARGS, TYPES
from etl.validate.own_conditions import LikeThePast

DIMENSIONS = ("completeness", "validity", "uniqueness", "consistency", "timeliness", "accuracy")
RESPONSIBLE = ("agency", "data_center")
SEVERITIES = ("critical", "warning")
_OF_SUITE = ("name", "expectations", "id", "meta", "notes")
_META_OF_SUITE = ("great_expectations_version",)
_OF_EXPECTATION = ("type", "kwargs", "meta", "severity", "id", "notes")
_META = ("rule", "vi", "en", "dimension", "responsible")
_MAY_SAY = (*_META, "example")
_OF_THE_CONTRACT = (
    "a comparison with the past is one line of the contract: customProperties, "
    "{property: baselines, value: [{measure: rows, slack: 0.5}, ...]}; write it there, and leave it out here"
)
_NO_NOTES = "notes are not shown here; what people are told stands in meta, as vi and en"


def checked(contract: Contract) -> list[Mapping[str, Any]]:
    """The expectations that are written in a suite.

    Raises:
        ContractError: what is wrong with it.
    """
    path = contract.path.with_suffix(".json")
    try:
        suite = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        raise ContractError(path, f"line {error.lineno}, column {error.colno}: not JSON: {error.msg}") from None
    except ValueError as error:  # also what is not UTF-8
        raise ContractError(path, f"not JSON: {error}") from None
    except RecursionError:
        raise ContractError(path, "not JSON that is read here: it is nested too deep") from None
    if not isinstance(suite, dict) or not isinstance(suite.get("expectations"), list):
        raise ContractError(
            path, 'a suite is {"name": ..., "expectations": [...]}, with nothing between [] if it has none'
        )
    if findings := [*of_types(suite)]:
        raise ContractError(path, *findings)
    for expectation in suite["expectations"]:
        _say_in_both(expectation)
    if findings := [*_of_suite(suite, contract), *_of_expectations(suite["expectations"], contract)]:
        raise ContractError(path, *findings)
    expectations: list[Mapping[str, Any]] = suite["expectations"]
    return expectations


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(n for n in names if names.count(n) > 1)!r} stands twice in one object; keep one")
    return made


def _say_in_both(expectation: Any) -> None:
    """A sentence that is in one language is shown for the other, too."""
    meta = expectation.get("meta") if isinstance(expectation, dict) else None
    if isinstance(meta, dict):
        for language, other in (("vi", "en"), ("en", "vi")):
            if other in meta:
                meta.setdefault(language, meta[other])


def _of_suite(suite: Mapping[str, Any], contract: Contract) -> Iterator[str]:
    for field in suite.keys() - set(_OF_SUITE):
        yield f"unknown field {field!r}; {nearest(field, _OF_SUITE)}"
    if suite.get("name") != contract.id:
        yield f"name is {suite.get('name')!r}, the file's place says {contract.id!r}"
    if suite.get("notes"):
        yield _NO_NOTES
    meta = suite.get("meta") or {}
    if not isinstance(meta, dict):
        yield f"meta is {meta!r}, and must be an object"
        return
    if "part" in meta:
        yield "meta: part: it belongs into the contract: customProperties, {property: part, value: ...}"
    for field in meta.keys() - {"part", *_META_OF_SUITE}:
        yield f"meta: unknown field {field!r}; {nearest(field, _META_OF_SUITE)}"


def _of_expectations(expectations: list[Any], contract: Contract) -> Iterator[str]:
    ids, rules = set[str](), set[tuple[Any, ...]]()
    for number, expectation in enumerate(expectations, start=1):
        if not isinstance(expectation, dict):
            yield f"expectation {number}: it is {expectation!r}, and must be an object"
            continue
        meta, kwargs = expectation.get("meta"), expectation.get("kwargs")
        rule = meta.get("rule") if isinstance(meta, dict) else None
        place = f"expectation {number} ({rule or expectation.get('type')})"
        if expectation.get("type") == LikeThePast.type:
            yield f"{place}: {_OF_THE_CONTRACT}"
            continue
        for field in expectation.keys() - set(_OF_EXPECTATION):
            yield f"{place}: unknown field {field!r}; {nearest(field, _OF_EXPECTATION)}"
        if not isinstance(meta, dict) or not isinstance(kwargs, dict):
            yield f"{place}: kwargs and meta are needed, with {', '.join(_META)} in meta"
            continue
        for finding in (*_of_meta(expectation, meta), *_of_type(expectation, kwargs, contract)):
            yield f"{place}: {finding}"
        about = (rule, *_columns_of(kwargs))
        if str(about) in map(str, rules):
            yield f"{place}: another expectation has this rule already; each needs a name of its own"
        rules.add(about)
        if expectation.get("id") in ids:
            yield f"{place}: another expectation has this id already; each needs one of its own"
        ids |= {expectation["id"]} if isinstance(expectation.get("id"), str) else set()


def _of_meta(expectation: Mapping[str, Any], meta: Mapping[str, Any]) -> Iterator[str]:
    if expectation.get("notes"):
        yield _NO_NOTES
    for field in meta.keys() - set(_MAY_SAY):
        yield f"meta: unknown field {field!r}; {nearest(field, _MAY_SAY)}"
    for field in _META:
        if not isinstance(meta.get(field), str) or not meta[field].strip():
            yield f"meta: {field} is missing"
    for field, known in (("dimension", DIMENSIONS), ("responsible", RESPONSIBLE)):
        if meta.get(field) and meta[field] not in known:
            yield f"meta: {field} is {meta[field]!r}, not one of {', '.join(known)}"
    if expectation.get("severity") not in SEVERITIES:
        yield f"severity is {expectation.get('severity')!r}, not one of {', '.join(SEVERITIES)}"
    if bare(meta.get("rule")):
        yield "meta: rule is the name of a rule that the stations apply themselves; choose another"
    for language in ("vi", "en"):
        yield from _of_sentence(str(meta.get(language, "")), language)


def _of_sentence(text: str, language: str) -> Iterator[str]:
    try:
        named = {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
    except ValueError as error:
        yield f"meta: {language}: {error}; write {{{{ for a brace that is to be read"
        return
    for name in sorted(named):
        yield f"meta: {language}: nothing is filled in for {{{name}}}; write the sentence without braces"


def _of_type(expectation: Mapping[str, Any], kwargs: Mapping[str, Any], contract: Contract) -> Iterator[str]:
    if expectation.get("type") not in TYPES:
        yield f"no expectation is called {expectation.get('type')!r}; {nearest(expectation.get('type'), TYPES)}"
        return
    kind = KINDS.get(expectation["type"])
    if kind:
        known = set(kind.model_fields)
    else:
        from etl.validate import gx

        known = gx.fields(expectation["type"]) & {*KWARGS}
    unknown = [name for name in kwargs if name not in known]
    for name in unknown:
        yield f"kwargs: {expectation['type']} knows no {name!r}; {nearest(name, known)}"
    odd = [name for name, value in kwargs.items() if not _is_plain(value)]
    for name in odd:
        yield f"kwargs: {name} is {kwargs[name]!r}, and must be a text, a number, true, false, null or a list of these"
    if unknown or odd:
        return
    if faults := _of_kwargs(expectation["type"], kwargs):
        yield from faults
        return
    wrong = [name for name in _columns_of(kwargs) if name not in (*_names(contract), AS_OF)]
    for name in wrong:
        yield f"kwargs: the contract has no column {name!r}; {nearest(name, _names(contract))}"
    if not wrong:
        yield from _of_values(kwargs, contract)


def _of_kwargs(type_: str, kwargs: Mapping[str, Any]) -> list[str]:
    """What is wrong with the values of kwargs; Great Expectations may take what is not judged here."""
    try:
        KINDS[type_].model_validate(kwargs)
    except (KeyError, ValidationError):
        from etl.validate import gx

        return [f"kwargs: {fault}" for fault in gx.faults(type_, kwargs)]
    return []


def _of_values(kwargs: Mapping[str, Any], contract: Contract) -> Iterator[str]:
    for regex in (kwargs.get("regex"), *(kwargs.get("regex_list") or [])):
        try:
            re.compile(regex or "")
        except re.error as error:
            yield f"kwargs: regex {regex!r} cannot be read: {error}"
    if "condition" in kwargs:
        yield from _of_condition(kwargs["condition"], kwargs.get("column_list") or [], contract)


def _of_condition(text: str, names: Collection[str], contract: Contract) -> Iterator[str]:
    """Try a condition on the columns that it is given."""
    if refusal := grammar.refusal(text, names):
        yield f"kwargs: condition {text!r} cannot be used on column_list: {refusal}"
        return
    try:
        made = sample(contract).select(*names).select(pl.sql_expr(text)).to_series()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        said = " ".join(str(error).split())
        mend = "; TRY_CAST gives null where CAST breaks off" if "CAST" in text.upper() else ""
        yield f"kwargs: condition {text!r} cannot be used on column_list: {said}{mend}"
    else:
        if made.dtype != pl.Boolean:
            yield f"kwargs: condition {text!r} is neither true nor false"


def _is_plain(value: object, depth: int = 2) -> bool:
    """Whether a value is itself and nothing that Great Expectations reckons, as {"$PARAMETER": ...}."""
    if isinstance(value, list):
        return depth > 0 and all(_is_plain(item, depth - 1) for item in value)
    return value is None or isinstance(value, str | int | float)


def _columns_of(kwargs: Mapping[str, Any]) -> list[str]:
    """The columns that an expectation looks at; none if it is about the table."""
    named = [kwargs.get(name) for name in ("column", "column_A", "column_B")]
    lists = (kwargs.get(name) or [] for name in ("column_list", "column_set"))
    return [name for name in [*named, *(name for names in lists for name in names)] if name]


def _names(contract: Contract) -> list[str]:
    return [column.name for column in contract.columns]


def _type(column: Column) -> pl.DataType:
    match column.type:
        case "integer":
            return pl.Int64()
        case "number":
            return pl.Float64() if column.is_float else pl.Decimal(*column.digits)
        case "date":
            return pl.Date()
        case "timestamp":
            return pl.Datetime("us", city().time_zone if column.is_instant else None)
        case "time":
            return pl.Time()
        case "boolean":
            return pl.Boolean()
        case _:
            return pl.String()


def sample(contract: Contract) -> pl.DataFrame:
    """Rows of the contract's types, to try a suite on: two alike, of which the texts are as odd as texts may be."""
    types = {column.name: _type(column) for column in contract.columns} | {AS_OF: pl.Date()}
    values = {name: "a" if kind == pl.String else 0 for name, kind in types.items()}
    return pl.DataFrame([pl.Series(name, [values[name]] * 2).cast(kind) for name, kind in types.items()])
