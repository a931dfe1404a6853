"""XML: one element a record, its children the columns. Entities are not resolved and nothing is fetched."""

from __future__ import annotations

import io

from lxml import etree

from etl.contract import Contract, Source
from etl.delivery import Stop
from etl.extract.bounded import check_rows
from etl.extract.table import Table, broken_lines, text_rows
from etl.settings import DEFAULT_LIMITS, Limits

_CHUNK = 1 << 18
_DEPTH = 256  # libxml2's own limit


def read(content: bytes, source: Source, contract: Contract, limits: Limits = DEFAULT_LIMITS) -> Table:
    """Cut an XML file into cells; the row number is the record element's place among its like.

    Raises:
        Stop: if the file is not well-formed, declares entities, nests too deep, or holds no record element.
    """
    if b"<!DOCTYPE" in content:
        raise Stop("rejected", "xml_doctype")
    numbers: list[int] = []
    records: list[dict[str, str | None]] = []
    unclear: list[int] = []
    columns: dict[str, None] = {}
    count = 0
    parser = etree.XMLPullParser(
        tag=source.record,
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
                since = 0
                count += 1
                record = {child.tag: child.text for child in element}
                if len(record) != len(element) or any(len(child) for child in element):
                    unclear.append(count)
                else:
                    numbers.append(count)
                    records.append(record)
                    columns.update(dict.fromkeys(record))
                _forget(element)
            check_rows(count, limits)
            if since > limits.record_bytes:
                raise Stop("rejected", "unreadable_xml", detail=f"<{source.record}>")
        root = parser.close()
    except etree.XMLSyntaxError as error:
        if str(error).startswith("Excessive depth"):
            raise Stop("rejected", "nested_too_deep", limit=_DEPTH) from None
        raise Stop("rejected", "unreadable_xml", detail=f"line {error.lineno}") from None
    if root.getroottree().docinfo.doctype:  # written in an encoding in which its letters are other bytes
        raise Stop("rejected", "xml_doctype")
    if not count and root.tag != source.root:
        raise Stop("rejected", "unreadable_xml", detail=f"<{source.record}>")
    rows = text_rows(numbers, records, list(columns), limits)
    return Table(rows, broken_lines("unclear_record", unclear, [None] * len(unclear)), may_omit_columns=True)


def _forget(element: etree._Element) -> None:
    """Keep memory flat: drop what was read."""
    element.clear()
    for kept in (element, *element.iterancestors()):
        while kept.getprevious() is not None:
            del kept.getparent()[0]
