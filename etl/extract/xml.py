"""XML: one element a record, its children the columns. Entities are not resolved and nothing is fetched."""

from __future__ import annotations

import io

from lxml import etree

from etl.contract import Contract, Source
from etl.delivery import Stop
from etl.extract.table import Table, text_rows


def read(content: bytes, source: Source, contract: Contract) -> Table:
    """Cut an XML file into cells; the row number is the record element's place among its like.

    Raises:
        Stop: if the file is not well-formed, declares entities, or holds no record element.
    """
    records: list[dict[str, str | None]] = []
    columns: dict[str, None] = {}
    try:
        elements = etree.iterparse(
            io.BytesIO(content), tag=source.record, resolve_entities=False, no_network=True, load_dtd=False
        )
        for _, element in elements:
            record = {child.tag: child.text for child in element if isinstance(child.tag, str)}
            columns.update(dict.fromkeys(record))
            records.append(record)
            element.clear()
            while element.getprevious() is not None:  # keep memory flat: drop what was read
                del element.getparent()[0]
        if elements.root is not None and elements.root.getroottree().docinfo.internalDTD is not None:
            raise Stop("rejected", "unreadable_xml", detail="DOCTYPE")
    except etree.XMLSyntaxError as error:
        raise Stop("rejected", "unreadable_xml", detail=f"line {error.lineno}") from None
    if not records:
        raise Stop("rejected", "unreadable_xml", detail=f"<{source.record}>")
    return Table(text_rows(list(range(1, len(records) + 1)), records, list(columns)), may_omit_columns=True)
