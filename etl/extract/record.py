"""Records of named fields (JSON, XML) to cells; where a field is not one plain value, its cell is at fault."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import polars as pl

from etl.contract import Column, Contract, Severity, Text
from etl.delivery.columns import ROW
from etl.delivery.messages import wording
from etl.delivery.problems import NO_PROBLEMS, problems
from etl.extract.json_text import Number, Twice, written
from etl.extract.table import Table, text_rows
from etl.settings import Limits

LIST = Text("một danh sách [ ... ]", "a list [ ... ]")
OBJECT = Text("một đối tượng { ... }", "an object { ... }")
ELEMENTS = Text("các thẻ lồng bên trong", "elements inside it")
_BOOLEAN = Text("true hoặc false", "true or false")
_NUMBER = Text("một số không có ngoặc kép", "a number without quotation marks")
_DIGITS = 40  # that a number with an exponent may have when it is written out
_SHOWN = 1000  # characters of what stands at fault
_NUMBERS = {int, bytes}
_TEXTS = {str, type(None)}
_PLAIN = {*_TEXTS, *_NUMBERS}


class Records:
    """The records of one file, as they are read.

    A cell at fault keeps what was sent, for its row is sent back; where the contract flags what it does not understand,
    it holds nothing.
    """

    def __init__(self, contract: Contract) -> None:
        """Take the names and kinds of the columns from a contract."""
        self._columns = {c.source_name: c for c in contract.columns}
        parts = [c.source_name.split(".") for c in contract.columns]
        paths = (".".join(names[:at]) for names in parts for at in range(1, len(names)))
        self._parents = {path for path in paths if not path.endswith("[*]")}
        self._lists: dict[str, list[str]] = {}  # fields of the objects in a list, by the list's name
        for name, is_in_list, below in (c.source_name.partition("[*].") for c in contract.columns):
            if is_in_list:
                self._lists.setdefault(name, []).append(below)
        self._numbers: list[int] = []
        self._cells: list[dict[str, str | None]] = []
        self._several: dict[str, int] = {}  # the last record that has several values in a field
        self._faults: dict[tuple[str, str, Text | None], tuple[list[int], list[str]]] = {}

    def __len__(self) -> int:
        """How many there are so far."""
        return len(self._numbers)

    def put(self, number: int, cells: dict[str, str | None]) -> None:
        """Take a record of text cells.

        Args:
            number: the record's in its file.
            cells: by the source's names.
        """
        self._numbers.append(number)
        self._cells.append(cells)

    def put_json(self, number: int, *objects: dict[str, Any]) -> None:
        """Take a record of JSON: nested objects are named by their path, as in `owner.name`.

        Args:
            number: the record's in its file.
            objects: parsed by `json_text`; together they are the record.
        """
        if len(objects) == 1 and self._is_cells(objects[0]):
            self.put(number, objects[0])
            return
        cells: dict[str, str | None] = {}
        for fields in objects:
            self._flatten(number, fields, "", cells)
        self.put(number, cells)

    def _is_cells(self, fields: dict[str, Any]) -> bool:
        """Whether an object is the cells of its record as it stands: text and nothing else, as in most files."""
        return _TEXTS.issuperset(map(type, fields.values())) and self._parents.isdisjoint(fields)

    def plain(self, columns: dict[str, list[Any]]) -> dict[str, list[str | None]] | None:
        """The cells of records of JSON, by column, as `put_json` makes them of one after the other.

        Args:
            columns: the values of each field; a number that is no int is given in bytes, as it is written.

        Returns:
            The cells; None if one is not text, nothing, or a number where the contract has no text.
        """
        made: dict[str, list[str | None]] = {}
        for name, values in columns.items():
            kinds, column = set(map(type, values)), self._columns.get(name)
            if (
                name in self._parents
                or not kinds <= _PLAIN
                or (column and column.type == "string" and kinds & _NUMBERS)
            ):
                return None
            has_numbers = not kinds <= _TEXTS
            made[name] = [self._as_cell(v, column) for v in values] if has_numbers else values
        return made

    def fault(self, rule: str, number: int, name: str, value: str, came: Text | None = None) -> str | None:
        """Say that a field is not one plain value.

        Args:
            rule: which of the wordings of a field.
            number: the record's.
            name: the field's.
            value: what was sent.
            came: what it is in place of a plain value, where the rule's wording says so.

        Returns:
            What its cell holds.
        """
        if len(value) > _SHOWN:
            value = value[:_SHOWN] + "…"
        numbers, values = self._faults.setdefault((rule, name, came), ([], []))
        numbers.append(number)
        values.append(value)
        return None if _is_flagged(self._columns.get(name)) else value

    def is_column(self, name: str) -> bool:
        """Whether the contract has a column of this name."""
        return name in self._columns

    def is_list(self, name: str) -> bool:
        """Whether the contract takes several elements of this name: a column below it parts several values."""
        return any(c.separator and path.startswith(f"{name}/") for path, c in self._columns.items())

    def again(self, number: int, name: str, first: str | None, second: str | None) -> str | None:
        """Take a further value of a field: where the contract parts several in a cell, it is one more of them."""
        column = self._columns.get(name)
        if column is None or not column.separator:
            return self.twice(number, name, first, second)
        is_second = self._several.get(name) != number
        if column.separator in (second or "") or (is_second and column.separator in (first or "")):
            return self.fault("separator_in_item", number, name, f"{first or ''} | {second or ''}")
        self._several[name] = number
        return column.separator.join(filter(None, (first, second)))

    def twice(self, number: int, name: str, first: str | None, second: str | None) -> str | None:
        """Say that a record has two values for one field; gives what its cell holds."""
        return self.fault("field_twice", number, name, f"{first or ''} | {second or ''}")

    def table(self, broken: Iterable[pl.DataFrame], limits: Limits) -> Table:
        """All records.

        Args:
            broken: problems of what is no record, and of the file as a whole.
            limits: what a file may ask.

        Raises:
            Stop: if there are too many columns, hardly anything in them, or one has the name of the row's number.
        """
        names: dict[str, None] = {}
        for cells in self._cells:
            if not names.keys() >= cells.keys():
                names |= dict.fromkeys(cells)
        rows = text_rows(self._numbers, self._cells, [*names], limits)
        found = [self._problems(*kind, *where) for kind, where in self._faults.items()]
        nothing = NO_PROBLEMS
        return Table(rows, pl.concat([nothing, *broken]), doubts=pl.concat([nothing, *found]))

    def _problems(self, rule: str, name: str, came: Text | None, numbers: list[int], values: list[str]) -> pl.DataFrame:
        column, about = self._columns.get(name), wording(rule)
        label = f"{column.label} ({name})" if column else name[:60]
        example = column.example if column else ""
        said = about.fill(field=label, came=came, example=example, separator=column.separator if column else "")
        rows = pl.DataFrame({ROW: numbers, "value": values}, schema={ROW: pl.Int64, "value": pl.String})
        severity: Severity = "warning" if _is_flagged(column) else "critical"
        return problems(rows, column.name if column else None, rule, said, about, severity)

    def _flatten(self, number: int, fields: dict[str, Any], prefix: str, cells: dict[str, str | None]) -> None:
        for key, value in fields.items():
            name = prefix + key
            is_parent = name in self._parents
            if isinstance(value, dict) and (is_parent or name not in self._columns):
                self._flatten(number, value, f"{name}.", cells)
                continue
            if isinstance(value, list) and name in self._lists and all(isinstance(item, dict) for item in value):
                self._flatten(number, _of_items(key, value, self._lists[name]), prefix, cells)
                continue
            if value is None and is_parent and name not in self._columns:
                continue  # an object that is left out
            text = value if value is None or isinstance(value, str) else self._text(number, name, value)
            if name in cells:
                text = self.twice(number, name, cells[name], text)
            cells[name] = text

    def _text(self, number: int, name: str, value: Any) -> str | None:
        """The cell that a JSON value makes which is neither text nor null."""
        column = self._columns.get(name)
        match value:
            case Twice():
                return self.fault("field_twice", number, name, written(value))
            case Number() if not value.is_json:
                return self.fault("no_json_number", number, name, value.text)
            case dict():
                return self.fault("not_one_value", number, name, written(value), OBJECT)
            case list() if column and column.separator:
                return self._joined(number, name, value, column.separator)
            case list() if column or name in self._parents:
                return self.fault("not_one_value", number, name, written(value), LIST)
        if column is None:
            return written(value)
        if column.type == "string":
            came = _BOOLEAN if isinstance(value, bool) else _NUMBER
            return self.fault("not_text", number, name, written(value), came)
        return written(value) if isinstance(value, bool) else self._in_notation(written(value), column)

    def _as_cell(self, value: str | int | bytes | None, column: Column | None) -> str | None:
        """What `plain` makes of a value."""
        if value is None or isinstance(value, str):
            return value
        text = value.decode() if isinstance(value, bytes) else str(value)
        return self._in_notation(text, column) if column else text

    def _joined(self, number: int, name: str, items: list[Any], separator: str) -> str | None:
        parts: list[str] = []
        for item in items:
            match item:
                case None:
                    continue
                case str() if separator not in item:
                    parts.append(item)
                    continue
                case str():
                    rule, came = "separator_in_item", None
                case dict() | list():
                    rule, came = "not_one_value", OBJECT if isinstance(item, dict) else LIST
                case bool():
                    rule, came = "not_text", _BOOLEAN
                case _:
                    rule, came = "not_text", _NUMBER
            return self.fault(rule, number, name, written(items), came)
        return separator.join(parts)

    def _in_notation(self, text: str, column: Column) -> str:
        """A JSON number as its column writes numbers, without an exponent."""
        if "e" in text or "E" in text:
            number = Decimal(text)
            if abs(number.adjusted()) < _DIGITS:
                text = f"{number:f}"
        return text.replace(".", column.numbers.decimal)


def _of_items(key: str, items: list[dict[str, Any]], fields: list[str]) -> dict[str, Any]:
    """What the objects of a list say in each of some fields, and all else that they say."""
    made: dict[str, Any] = {f"{key}[*].{name}": [item.get(name) for item in items] for name in fields}
    rest = [{name: value for name, value in item.items() if name not in fields} for item in items]
    return made | ({f"{key}[*]": rest} if any(rest) else {})


def _is_flagged(column: Column | None) -> bool:
    """Whether a row is loaded without this cell when it is at fault."""
    return bool(column and column.on_invalid == "flag" and not (column.required or column.key_position))
