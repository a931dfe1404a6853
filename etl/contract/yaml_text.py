"""YAML that says each thing once and stays small: what a contract is written in."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any

import yaml

try:  # ten times as fast
    from yaml import CSafeLoader as _SafeLoader
except ImportError:
    from yaml import SafeLoader as _SafeLoader  # type: ignore[assignment]

_MOST_VALUES = 100_000  # in one file
_DEEPEST = 100  # what is in what; the library written in C would overflow its stack, and end the process


class _Loader(_SafeLoader):
    """YAML in which a key that stands twice is an error; by itself the later one silently wins."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":  # `<<`: keys to be had unless they stand here
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"{key!r} stands twice here; keep one", problem_mark=key_node.start_mark
                )
            seen.add(key if isinstance(key, Hashable) else id(key))
        return super().construct_mapping(node, deep)

    def get_single_node(self) -> yaml.Node | None:
        node = super().get_single_node()
        if node and _weight(node, {}) > _MOST_VALUES:
            raise yaml.composer.ComposerError(
                problem="its * repeat more than a file can hold; write it out", problem_mark=node.start_mark
            )
        return node


def _weight(node: yaml.Node, known: dict[int, float]) -> float:
    """How many values a node stands for: a few lines of `&` and `*` can stand for any number, or for themselves."""
    if id(node) not in known:
        known[id(node)] = math.inf  # if it is met within itself
        parts = node.value if isinstance(node, yaml.CollectionNode) else []
        if isinstance(node, yaml.MappingNode):
            parts = [part for pair in parts for part in pair]
        known[id(node)] = 1 + sum(_weight(part, known) for part in parts)
    return known[id(node)]


class _TooDeep(ValueError):
    """More in one another than a contract ever has."""


def _refuse_depth(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, _SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise _TooDeep("not YAML that is read here: it is nested too deep")


def parse(text: str) -> Any:
    """What a text in YAML holds.

    Raises:
        ValueError: if it cannot be read, or a key stands twice in it; the text says where.
    """
    try:
        _refuse_depth(text)
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ValueError(f"{place}not YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML: {' '.join(str(error).split())}") from None
    except _TooDeep:
        raise
    except ValueError as error:  # YAML takes 2025-02-30 for a date
        raise ValueError(f"not YAML: {error}; put what is no date into quotation marks") from None
