"""NDJSON: one JSON object a line; nested fields are named by their path, as in `owner.name`.

Where a contract says that a line's records lie in a list in it (`records`), each of these is a row.
"""

from __future__ import annotations

from etl.contract import Contract, Source
from etl.delivery.messages import Stop
from etl.extract.json_records import Reader
from etl.extract.json_text import TooDeep, parser
from etl.extract.record import Records
from etl.extract.table import Table, broken_lines
from etl.extract.text import decode
from etl.settings import DEFAULT_LIMITS, Limits


def read(content: bytes, source: Source, contract: Contract, limits: Limits = DEFAULT_LIMITS) -> Table:
    """Cut an NDJSON file into cells; the row number is the line, or of records within lines the record's place.

    Raises:
        Stop: if the bytes are not of the declared encoding, or no line is a JSON object.
    """
    parse = parser(limits)
    records = Records(contract)
    reader = Reader(source.records or "", contract)
    within = reader if source.records else None
    broken: dict[str, tuple[list[int], list[str]]] = {
        rule: ([], []) for rule in ("broken_json", "json_too_deep", "not_an_object")
    }
    text = decode(content, source.encoding)
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = parse(line)
        except ValueError as error:
            rule = "json_too_deep" if isinstance(error, TooDeep) else "broken_json"
        else:
            if isinstance(record, dict) and within:
                within.take(record, records)
                continue
            if isinstance(record, dict):
                records.put_json(number, reader.of_ours(record))
                continue
            rule = "not_an_object"
        if within:
            within.count += 1
        broken[rule][0].append(within.count if within else number)
        broken[rule][1].append(line)
    # Lines that all begin like a record are meant as such, each of them broken.
    if not (within.count if within else len(records)) and not all(
        line.lstrip().startswith("{") for _, lines in broken.values() for line in lines
    ):
        try:
            parse(text)
        except ValueError:
            raise Stop("rejected", "unreadable_json") from None
        raise Stop("rejected", "json_not_in_lines")
    said = within.said() if within else []
    return records.table([*(broken_lines(rule, *lines) for rule, lines in broken.items() if lines[0]), *said], limits)
