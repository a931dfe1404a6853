"""XML: one element a record, its children and attributes the columns. Entities are not resolved, nothing is fetched.

A child is named by its tag, an attribute of the record as `@id`, an attribute of a child as `name/@lang`.
"""

from __future__ import annotations

import io
from collections import Counter

from lxml import etree

from etl.contract import Contract, Source
from etl.delivery.messages import Stop
from etl.extract import flat_xml
from etl.extract.bounded import check_rows
from etl.extract.record import ELEMENTS, Records
from etl.extract.table import Table, on_the_file
from etl.settings import DEFAULT_LIMITS, Limits

_CHUNK = 1 << 18
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
    rows = flat_xml.cut(content, str(source.record), limits)
    return Table(rows) if rows is not None else parsed(content, source, contract, limits)


def parsed(content: bytes, source: Source, contract: Contract, limits: Limits = DEFAULT_LIMITS) -> Table:
    """The same of any XML file, by a parser.

    Raises:
        Stop: as `read` does.
    """
    if b"<!DOCTYPE" in content:
        raise Stop("rejected", "xml_doctype")
    record = str(source.record)
    records = Records(contract)
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
                    raise Stop("held", "xml_namespace", sent=element.tag, agreed=record)
                if next(element.iterancestors(record), None) is not None:
                    continue  # a record within a record is told of as part of that one
                since = 0
                count += 1
                records.put(count, _cells(element, count, records))
                _forget(element, outside)
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
    _note(root, outside)
    names = ", ".join(f"{name[:60]} ({times})" for name, times in outside.most_common(_NAMED))
    return records.table([on_the_file("outside_records", names=names)] if names else [], limits)


def _cells(element: etree._Element, number: int, records: Records) -> dict[str, str | None]:
    cells: dict[str, str | None] = {child.tag: child.text for child in element}
    if len(cells) == len(element) and not _HOLDS_MORE(element):
        return cells
    cells = {f"@{name}": value for name, value in element.attrib.items()}
    between = [element.text]
    for child in element:
        name, text = child.tag, child.text
        if len(child):
            text = records.fault("not_one_value", number, name, "".join(child.itertext()), ELEMENTS)
        if name in cells:
            text = records.twice(number, name, cells[name], text)
        cells[name] = text
        cells |= {f"{name}/@{about}": said for about, said in child.attrib.items() if not about.startswith(_SCHEMA)}
        between.append(child.tail)
    if stray := " ".join(text.strip() for text in between if text and text.strip()):
        records.fault("text_between_fields", number, "", stray)
    return cells


def _forget(element: etree._Element, outside: Counter[str]) -> None:
    """Keep memory flat: drop what was read, and what stands before it; that is counted by its names."""
    element.clear(keep_tail=True)
    for kept in (element, *element.iterancestors()):
        while (before := kept.getprevious()) is not None:
            _note(before, outside)
            if before.tail and before.tail.strip():
                outside[before.getparent().tag] += 1
            del kept.getparent()[0]


def _note(part: etree._Element, outside: Counter[str]) -> None:
    """Count the elements and attributes of a part of the tree that say something; a record says nothing any more."""
    for element in part.iter():
        is_within = element is not part and element.tail and element.tail.strip()
        if (element.text and element.text.strip()) or is_within:
            outside[element.tag] += 1
        outside.update(f"{element.tag}/@{name}" for name in element.attrib if not name.startswith(_SCHEMA))
