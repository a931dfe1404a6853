"""JSON: one document, a list of records or with such a list in it; where it is, a contract says by `records`."""

from __future__ import annotations

from json import JSONDecodeError

from etl.contract import Contract, Source
from etl.delivery.messages import Stop
from etl.extract.bounded import check_rows
from etl.extract.json_records import Reader, exists
from etl.extract.json_text import TooDeep, parser
from etl.extract.record import Records
from etl.extract.table import Table
from etl.extract.text import decode
from etl.settings import DEFAULT_LIMITS, Limits


def read(content: bytes, source: Source, contract: Contract, limits: Limits = DEFAULT_LIMITS) -> Table:
    """Cut a JSON document into cells; the row number is the record's place among its like.

    Raises:
        Stop: if this is no JSON, nests too deep, or has no list of records where the contract says.
    """
    try:
        document = parser(limits)(decode(content, source.encoding))
    except TooDeep:
        raise Stop("rejected", "nested_too_deep", limit=limits.depth) from None
    except ValueError as error:
        line = error.lineno if isinstance(error, JSONDecodeError) else 1
        raise Stop("rejected", "unreadable_json_document", line=line) from None
    path = source.records or ""
    if not exists(document, path) or not (path or isinstance(document, list)):
        raise Stop("held", "no_records", path=path or "[*]")
    records, reader = Records(contract), Reader(path, contract)
    reader.take(document, records)
    check_rows(reader.count, limits)
    return records.table(reader.said(), limits)
