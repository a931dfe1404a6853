"""How documents are laid out: which list in JSON, and which element of XML, is one of records."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lxml import etree

from etl.draft.found import Layout, Undrafted


def of_json(text: str, content: bytes) -> Layout:
    """The layout of JSON: a line for each record, features, or a document with the list of records somewhere in it.

    Args:
        text: at its beginning.
        content: all of it.

    Raises:
        Undrafted: if it is no JSON, or holds no list of objects.
    """
    first = text.partition("\n")[0].strip()
    try:
        is_lines = isinstance(json.loads(first), dict) and "\n" in text.strip() and '"features"' not in first
    except (ValueError, RecursionError):
        is_lines = False
    if is_lines:
        return Layout({"format": "ndjson"})
    if re.search(r'"type"\s*:\s*"FeatureCollection"', text):
        return Layout({"format": "geojson"})
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise Undrafted("The file begins as JSON and is none that can be read; take a whole one.") from None
    lists = [(path, found) for path, found in _lists(document, "") if found and all(isinstance(i, dict) for i in found)]
    if not lists:
        raise Undrafted("The JSON holds no list of objects, which rows could be made of.")
    path, records = max(lists, key=lambda found: len(found[1]))
    todo = [f"records: {other} is a list of {len(found)} objects, too" for other, found in lists if other != path]
    source = {"format": "json"} | ({"records": path} if path else {})
    note = f"records {path or 'the document itself'}: a list of {len(records)} objects"
    return Layout(source, (), (note,), tuple(todo))


def _lists(value: object, path: str) -> Iterator[tuple[str, list[Any]]]:
    """The lists in a JSON document that are in no other, each with its path."""
    if isinstance(value, list):
        yield path, value
    elif isinstance(value, dict):
        for name, item in value.items():
            if isinstance(item, dict | list):
                yield from _lists(item, f"{path}.{name}" if path else str(name))


def of_xml(content: bytes) -> Layout:
    """The layout of XML; a record is, of the elements that come again and hold others, the one nearest to the root.

    Raises:
        Undrafted: if it is not well-formed, declares a DOCTYPE, or has no such element.
    """
    if b"<!DOCTYPE" in content:
        raise Undrafted("The XML file declares a DOCTYPE, which is not read; export it without.")
    counts: Counter[tuple[str, ...]] = Counter()
    holding: set[tuple[str, ...]] = set()
    path: list[str] = []
    try:
        events = etree.iterparse(
            io.BytesIO(content), events=("start", "end"), resolve_entities=False, no_network=True, load_dtd=False,
            remove_comments=True, remove_pis=True,
        )  # fmt: skip
        for event, element in events:
            if event == "start":
                path.append(element.tag)
                counts[tuple(path)] += 1
                if element.attrib:
                    holding.add(tuple(path))
                if len(path) > 1:
                    holding.add(tuple(path[:-1]))
            else:
                path.pop()
                element.clear()
    except etree.XMLSyntaxError as error:
        raise Undrafted(f"The XML file is not well-formed (line {error.lineno}); take a whole one.") from None
    inner = [p for p in counts if len(p) > 1 and p in holding]
    again = [p for p in inner if counts[p] > 1] or inner
    if not again:
        raise Undrafted("The XML file has no element that holds others, below its root; it is no table.")
    record = min(again, key=lambda p: (len(p), -counts[p]))
    prefixes = _prefixes(tag for path in counts for tag in path)
    note = f"record <{_prefixed(record[-1], prefixes)}>: it comes {counts[record]} times"
    source: dict[str, Any] = {"format": "xml", "record": _prefixed(record[-1], prefixes)}
    if prefixes:
        source["namespaces"] = {prefix: name for name, prefix in prefixes.items()}
    else:
        source["root"] = record[0]
    return Layout(source, (), (note,))


def _prefixes(tags: Iterable[str]) -> dict[str, str]:
    """A prefix for each namespace."""
    found = dict.fromkeys(tag[1:].partition("}")[0] for tag in tags if tag.startswith("{"))
    return {name: f"ns{number}" if number else "ns" for number, name in enumerate(found)}


def _prefixed(tag: str, prefixes: Mapping[str, str]) -> str:
    """An element's name as contracts write it."""
    name, is_named, local = tag.removeprefix("{").partition("}")
    return f"{prefixes[name]}:{local}" if is_named else tag
