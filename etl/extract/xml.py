"""XML: one element a record, its children and attributes the columns. Entities are not resolved, nothing is fetched.

A child is named by its tag, one within it by its path, as `owner/name`, and an attribute as `@id` or `name/@lang`. What
is around a record is named with `^`: `^/@id` is an attribute of the element that it stands in.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterable

from lxml import etree

from etl.contract import Contract, Source
from etl.delivery.messages import Stop
from etl.extract import flat_xml, xml_in_xml
from etl.extract.bounded import check_rows
from etl.extract.record import ELEMENTS, Records
from etl.extract.table import Table, on_the_file
from etl.settings import DEFAULT_LIMITS, Limits

_CHUNK = 1 << 18
_AROUND = "^/"  # how the name of a column begins that is of what stands around a record
_SPACE = re.compile(r"\{([^}]*)\}")
_DEPTH = 256  # libxml2's own limit
_NAMED = 20  # names of what stands outside of the records
_SCHEMA = "{http://www.w3.org/2001/XMLSchema-instance}"  # attributes about the schema; `nil` says that nothing is there
# Whether a record holds more than the text of its children.
_HOLDS_MORE = etree.XPath("boolean(@* | */@* | */* | text()[normalize-space()])")


def read(content: bytes, source: Source, contract: Contract, limits: Limits = DEFAULT_LIMITS) -> Table:
    """Cut an XML file into cells; the row number is the record element's place among its like.

    Raises:
        Stop: if the file is not well-formed, declares entities, nests too deep, or holds no record element.
    """
    if source.base64:
        content = xml_in_xml.unpacked(content, source.base64)
    is_plain = not source.namespaces and not contract.beside
    rows = flat_xml.cut(content, str(source.record), limits) if is_plain else None
    return Table(rows) if rows is not None else parsed(content, source, contract, limits)


def parsed(content: bytes, source: Source, contract: Contract, limits: Limits = DEFAULT_LIMITS) -> Table:
    """The same of any XML file, by a parser.

    Raises:
        Stop: as `read` does.
    """
    if b"<!DOCTYPE" in content:
        raise Stop("rejected", "xml_doctype")
    names = _Names(source, [other.source for other in contract.beside])
    record = names.record
    records = Records(contract)
    around = [c.source_name for c in contract.columns if c.source_name.startswith(_AROUND)]
    waiting: list[etree._Element] = []  # records of which columns say what stands around them, perhaps further down
    outside: Counter[str] = Counter()
    count = 0
    parser = etree.XMLPullParser(
        tag=(record, "{*}" + etree.QName(record).localname),
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        remove_comments=True,
        remove_pis=True,
    )
    stream = io.BytesIO(content)
    try:
        since = 0  # bytes since a record was read: what the parser has to keep
        while chunk := stream.read(_CHUNK):
            parser.feed(chunk)
            since += len(chunk)
            for _, element in parser.read_events():
                if element.tag != record:
                    raise Stop("held", "xml_namespace", sent=names.shown(element.tag), agreed=str(source.record))
                if next(element.iterancestors(record), None) is not None:
                    continue  # a record within a record is told of as part of that one
                since = 0
                count += 1
                if around:
                    waiting.append(element)
                    continue
                records.put(count, _cells(element, count, records, names))
                _forget(element, names, outside)
            check_rows(count, limits)
            if since > limits.record_bytes:
                raise Stop("rejected", "unreadable_xml", detail=f"<{record}>")
        root = parser.close()
    except etree.XMLSyntaxError as error:
        if str(error).startswith("Excessive depth"):
            raise Stop("rejected", "nested_too_deep", limit=_DEPTH) from None
        raise Stop("rejected", "unreadable_xml", detail=f"line {error.lineno}") from None
    if root.getroottree().docinfo.doctype:  # written in an encoding in which its letters are other bytes
        raise Stop("rejected", "xml_doctype")
    if not count and root.tag != source.root:
        raise Stop("rejected", "unreadable_xml", detail=f"<{record}>")
    used: set[str] = set()
    for number, element in enumerate(waiting, start=1):
        cells = {name: _around(element, name, number, records, names, used) for name in around}
        records.put(number, cells | _cells(element, number, records, names))
    for element in waiting:
        element.clear(keep_tail=True)
    _note(root, names, outside)
    left = Counter({names.shown(name): times for name, times in outside.items() if name not in used})
    said = ", ".join(f"{name[:60]} ({times})" for name, times in left.most_common(_NAMED))
    return records.table([on_the_file("outside_records", names=said)] if said else [], limits)


class _Names:
    """Names of elements with the prefixes of a contract in place of their namespaces.

    Attributes:
        record: what lxml calls the element that is one row.
        of_others: the same of other tables that are read from the file.
    """

    def __init__(self, source: Source, others: Iterable[Source]) -> None:
        self._prefixes = {uri: f"{prefix}:" if prefix else "" for prefix, uri in source.namespaces.items()}
        self.record = _tag(source)
        self.of_others = {_tag(other) for other in others} - {self.record}

    def shown(self, tag: str) -> str:
        """What a contract calls an element, or an attribute, that lxml calls so."""
        if "{" not in tag:
            return tag
        return _SPACE.sub(lambda space: self._prefixes.get(space[1], space[0]), tag)


def _tag(source: Source) -> str:
    """What lxml calls the record of a source."""
    name = str(source.record)
    prefix, _, local = name.rpartition(":")
    is_prefixed = not name.startswith("{") and prefix in source.namespaces
    return f"{{{source.namespaces[prefix]}}}{local}" if is_prefixed else name


def _cells(element: etree._Element, number: int, records: Records, names: _Names) -> dict[str, str | None]:
    cells: dict[str, str | None] = {names.shown(child.tag): child.text for child in element}
    if len(cells) == len(element) and not _HOLDS_MORE(element):
        if not names.of_others:
            return cells
        if names.of_others.isdisjoint(child.tag for child in element):
            return {name: text for name, text in cells.items() if text is not None or records.is_column(name)}
    cells = {}
    _put(element, "", number, records, names, cells)
    return cells


def _put(
    element: etree._Element, path: str, number: int, records: Records, names: _Names, cells: dict[str, str | None]
) -> None:
    """Put what an element holds into the cells of its record, under the names of its path."""
    for about, said in element.attrib.items():
        if not about.startswith(_SCHEMA):
            _add(f"{path}@{names.shown(about)}", said, number, records, cells)
    between = [element.text]
    seen: set[str] = set()
    for child in element:
        name = path + names.shown(child.tag)
        between.append(child.tail)
        if child.tag in names.of_others:
            continue
        if names.of_others and not (len(child) or child.text or child.attrib or records.is_column(name)):
            continue  # in other records it may hold those of another table
        if name in seen and (len(child) or name not in cells) and not records.is_list(name):
            records.fault("field_twice", number, name, "".join(child.itertext()))  # whose fields are whose
        seen.add(name)
        if len(child) and not records.is_column(name) and child.tag != names.record:
            _put(child, f"{name}/", number, records, names, cells)
            continue
        text = child.text
        if len(child):
            text = records.fault("not_one_value", number, name, "".join(child.itertext()), ELEMENTS)
        _add(name, text, number, records, cells)
        for about, said in child.attrib.items():
            if not about.startswith(_SCHEMA):
                _add(f"{name}/@{names.shown(about)}", said, number, records, cells)
    if stray := " ".join(text.strip() for text in between if text and text.strip()):
        records.fault("text_between_fields", number, "", stray)


def _add(name: str, text: str | None, number: int, records: Records, cells: dict[str, str | None]) -> None:
    cells[name] = records.again(number, name, cells[name], text) if name in cells else text


def _around(
    element: etree._Element, name: str, number: int, records: Records, names: _Names, used: set[str]
) -> str | None:
    """What a column says of the elements around a record; what is so read is added to `used`."""
    *steps, last = name.split("/")
    found = [element]
    for step in steps if last.startswith("@") else [*steps, last]:
        if step == "^":
            found = [above for one in found if (above := one.getparent()) is not None]
        else:
            found = [child for one in found for child in one if names.shown(child.tag) == step]
    if last.startswith("@"):
        values = [value for one in found for about, value in one.attrib.items() if names.shown(about) == last[1:]]
        used.update(f"{one.tag}/@{about}" for one in found for about in one.attrib if names.shown(about) == last[1:])
    else:
        used.update(one.tag for one in found)
        whole = [one for one in found if len(one)]
        if whole:
            return records.fault("not_one_value", number, name, "".join(whole[0].itertext()), ELEMENTS)
        values = [one.text for one in found]
    cells: dict[str, str | None] = {}
    for value in values:
        _add(name, value, number, records, cells)
    return cells.get(name)


def _forget(element: etree._Element, names: _Names, outside: Counter[str]) -> None:
    """Keep memory flat: drop what was read, and what stands before it; that is counted by its names."""
    element.clear(keep_tail=True)
    for kept in (element, *element.iterancestors()):
        while kept.getprevious() is not None:
            before = kept.getparent()[0]
            _note(before, names, outside)
            if before.tail and before.tail.strip():
                outside[before.getparent().tag] += 1
            del kept.getparent()[0]


def _note(part: etree._Element, names: _Names, outside: Counter[str]) -> None:
    """Count the elements and attributes of a part of the tree that say something; a record says nothing any more.

    What stands in a record of another table is told of there.
    """
    if not names.of_others.isdisjoint(above.tag for above in part.iterancestors()):
        return
    waiting = [part]
    while waiting:
        element = waiting.pop()
        if element.tag in names.of_others:
            continue
        waiting.extend(reversed(element))
        is_within = element is not part and element.tail and element.tail.strip()
        if (element.text and element.text.strip()) or is_within:
            outside[element.tag] += 1
        outside.update(f"{element.tag}/@{name}" for name in element.attrib if not name.startswith(_SCHEMA))
