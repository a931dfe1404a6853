"""What is wrong in a contract, in sentences: the file, the place in it, and the mend."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from etl.contract.names import nearest

_MUST_BE = {
    "string_type": "a text; put it in quotation marks",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list, as [a, b]",
    "tuple_type": "a list, as [a, b]",
    "too_short": "a list that is not empty",
    "dict_type": "names and what they are, as {a: b}",
    "model_type": "names and what they are, as {a: b}",
}
# Fields of ODCS that ask for a check, and one that means something else there.
_MENDS = dict.fromkeys(("quality", "enum", "unique"), "write it as an expectation into the suite") | {
    "semanticType": "write {property: element, value: ...} or {property: datatype, value: ...} under customProperties"
}
_CUSTOM = "customProperties"


class ContractError(ValueError):
    """A contract or suite that cannot be used; the text names the file, the place and the mend.

    Attributes:
        path: of the file.
        findings: everything that is wrong, each with its place and mend.
    """

    def __init__(self, path: Path, *findings: str) -> None:
        self.path = path
        self.findings = findings
        more = f" (and {len(findings) - 1} more: `citydw lint` names all)" if len(findings) > 1 else ""
        super().__init__(f"{path}: {findings[0]}{more}")

    def __reduce__(self) -> tuple[type[ContractError], tuple[Path | str, ...]]:
        """How it passes from one process to another."""
        return type(self), (self.path, *self.findings)


def sentences(error: ValidationError, model: type[BaseModel]) -> Iterator[str]:
    """What a model refuses, a sentence for each fault."""
    for fault in error.errors(include_url=False):
        *above, name = (step for step in fault["loc"] if step != "[key]") if fault["loc"] else ("it",)
        if isinstance(name, int) and above:  # one of a list
            name = above.pop()
        place = ".".join(step for step in above if isinstance(step, str) and step != _CUSTOM)
        yield f"{place}: {_sentence(fault, name, above, model)}" if place else _sentence(fault, name, above, model)


def _sentence(fault: Mapping[str, Any], name: str | int, above: list[str | int], model: type[BaseModel]) -> str:
    kind, said = fault["type"], fault["input"]
    if kind == "extra_forbidden":
        where = f"{_CUSTOM}: " if above[-1:] == [_CUSTOM] else ""
        return f"{where}unknown {name!r}; {_mend(str(name), _fields(model, above))}"
    if kind == "missing":
        field = _fields(model, above)[str(name)]
        example = (field.examples or ["..."])[0]
        if above[-1:] == [_CUSTOM]:
            example = f"{{property: {name}, value: {example}}}"
        elif above[-1:] != ["slaProperties"]:
            example = f"{name}: {example}"
        return f"{name} is missing; {field.description}, as `{example}`"
    if kind == "literal_error":
        choices = re.findall("'([^']*)'", fault["ctx"]["expected"])
        return f"{name} is {said!r}, not one of {', '.join(choices)}"
    if kind == "value_error":
        return f"{name} {fault['ctx']['error']}"
    return f"{name} is {said!r}, and must be {_MUST_BE.get(kind, fault['msg'])}"


def _mend(name: str, known: Mapping[str, FieldInfo]) -> str:
    if name in _MENDS:
        return _MENDS[name]
    if _CUSTOM in known and name in _fields(_model_of(known[_CUSTOM].annotation), []):
        return f"write {{property: {name}, value: ...}} under {_CUSTOM}"
    return nearest(name, known)


def _fields(model: type[BaseModel] | None, above: list[str | int]) -> dict[str, FieldInfo]:
    """The fields of the model that stands at a place, by the names that a contract calls them."""
    for step in above:
        field = _fields(model, []).get(str(step))
        model = _model_of(field.annotation) if field and not isinstance(step, int) else model
    return {str(field.alias): field for field in model.model_fields.values()} if model else {}


def _model_of(kind: Any) -> type[BaseModel] | None:
    """The model in a type, as in list[Support] | None."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    return next((found for part in get_args(kind) if (found := _model_of(part))), None)
