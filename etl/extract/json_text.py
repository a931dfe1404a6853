"""JSON, parsed within limits; what Python's parser would let through in silence is an error."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from etl.settings import Limits

_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
_HALF = re.compile(r"\\u[dD][89a-fA-F]")  # half of a character, unless the other half follows


class TooDeep(ValueError):
    """JSON that nests deeper than the limit."""


def parser(limits: Limits, **hooks: Callable[[str], object]) -> Callable[[str], Any]:
    """A function from a JSON text to its value.

    Args:
        limits: how deep a text may nest.
        hooks: parse_float, parse_int and parse_constant of `json.loads`.

    Returns:
        The function. It raises TooDeep if the text nests deeper, and ValueError if it is no JSON, an object names a
        field twice, or a string holds half a character.
    """
    decoder = json.JSONDecoder(object_pairs_hook=_each_once, **hooks)  # type: ignore[arg-type]

    def parse(text: str) -> Any:
        if text.count("[") + text.count("{") > limits.depth:
            _check_depth(text, limits.depth)
        try:
            value = decoder.decode(text)
        except RecursionError:
            raise TooDeep from None
        if "\\u" in text and _HALF.search(text):
            json.dumps(value, ensure_ascii=False).encode()
        return value

    return parse


def _check_depth(text: str, most: int) -> None:
    depth = 0
    for token in _TOKEN.finditer(text):
        first = token[0][0]
        if first != '"':
            depth += 1 if first in "[{" else -1
            if depth > most:
                raise TooDeep


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a field is named twice")
    return made
