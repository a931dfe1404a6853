"""JSON, parsed within limits; what Python's parser would let through in silence is an error, or can be told apart."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from etl.settings import Limits

_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
_HALF = re.compile(r"\\u[dD][89a-fA-F]")  # half of a character, unless the other half follows
_EXACT = 15  # characters of an integer that a float holds exactly
_CONSTANTS = ("NaN", "Infinity", "-Infinity")  # Python and JavaScript write them; JSON has no such numbers


class TooDeep(ValueError):
    """JSON that nests deeper than the limit."""


class Number(float):
    """A JSON number that remembers how it was written, so that no digit of an amount is lost."""

    text: str

    def __new__(cls, text: str) -> Number:
        """The number that a text writes."""
        number = super().__new__(cls, text)
        number.text = text
        return number

    @property
    def is_json(self) -> bool:
        """Whether JSON has such a number."""
        return self.text not in _CONSTANTS


@dataclass(frozen=True)
class Twice:
    """What an object says of a field that it names more than once."""

    values: tuple[Any, ...]


def parser(limits: Limits) -> Callable[[str], Any]:
    """A function from a JSON text to its value.

    Args:
        limits: how deep a text may nest.

    Returns:
        The function. Numbers are Number or int, a field that an object names twice is Twice. It raises TooDeep if the
        text nests deeper, and ValueError if it is no JSON, or a string holds half a character.
    """
    decoder = json.JSONDecoder(object_pairs_hook=_fields, parse_float=Number, parse_int=_integer, parse_constant=Number)

    def parse(text: str) -> Any:
        if text.count("[") + text.count("{") > limits.depth:
            _check_depth(text, limits.depth)
        try:
            value = decoder.decode(text)
        except RecursionError:
            raise TooDeep from None
        if "\\u" in text and _HALF.search(text):
            written(value).encode()
        return value

    return parse


def written(value: Any) -> str:
    """A parsed value as JSON again; numbers as they were written, what an object says twice with a bar between."""
    match value:
        case Number():
            return value.text
        case Twice():
            return " | ".join(map(written, value.values))
        case dict():
            return "{" + ", ".join(f"{written(name)}: {written(item)}" for name, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(written, value)) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False)


def _check_depth(text: str, most: int) -> None:
    depth = 0
    for token in _TOKEN.finditer(text):
        first = token[0][0]
        if first != '"':
            depth += 1 if first in "[{" else -1
            if depth > most:
                raise TooDeep


def _integer(text: str) -> Number | int:
    return int(text) if len(text) <= _EXACT else Number(text)


def _fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        said: dict[str, list[Any]] = {}
        for name, value in pairs:
            said.setdefault(name, []).append(value)
        made = {name: values[0] if len(values) == 1 else Twice(tuple(values)) for name, values in said.items()}
    return made
