"""How an agency writes a dataset: its contract with the city, read from the YAML by code of our own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

_EXPECTATIONS = Path(__file__).resolve().parent.parent / "expectations"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast
_LETTERS = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S", "'": ""}  # JDK -> strftime


@dataclass(frozen=True)
class Column:
    """A column of a contract.

    Attributes:
        name: in the warehouse.
        header: in the file; in JSON a path.
        kind: string, integer, number, date or timestamp.
        datatype: what a value means, such as person_name.
        form: of a date: the pattern of `strftime`.
        decimals: of a number.
        is_key: whether it is one of those that name a record.
        role: content; change or sequence in datasets of changes.
        variants: of a code: other words that stand for it, by code.
        is_flagged: whether a row with a value that is not understood loads without it.
        period: of a ward or address: the column with the day whose units are meant.
    """

    name: str
    header: str
    kind: str
    datatype: str
    form: str
    decimals: int
    is_key: bool
    role: str
    variants: Mapping[str, list[str]]
    is_flagged: bool
    period: str | None


@dataclass(frozen=True)
class Contract:
    """A dataset.

    Attributes:
        dataset: agency.dataset.
        table: schema.table in the warehouse.
        mode: snapshot, changes or append.
        part: the column that tells the parts of a snapshot apart.
        totals: the columns whose sum is declared beside each file.
        source: format, encoding, delimiter, numbers, archive, record, root.
        columns: in their order.
    """

    dataset: str
    table: str
    mode: str
    part: str | None
    totals: tuple[str, ...]
    source: Mapping[str, str]
    columns: tuple[Column, ...]

    @property
    def key(self) -> list[str]:
        """The columns in the warehouse that name a record; a ward's is its code and the day since when it is."""
        named = (c for c in self.columns if c.is_key)
        return [n for c in named for n in ([c.name, f"{c.name}_valid_from"] if c.datatype == "ward" else [c.name])]


@cache
def read(dataset: str) -> Contract:
    """The contract of a dataset, as `police.residents`."""
    agency, name = dataset.split(".")
    said = _yaml(_EXPECTATIONS / agency / f"{name}.yaml")
    elements = _yaml(_EXPECTATIONS / "elements.yaml")
    custom = _custom(said)
    table = said["schema"][0]
    return Contract(
        dataset,
        table["physicalName"],
        custom["deliveryMode"],
        custom.get("part"),
        tuple(custom.get("controlTotals", ())),
        custom["source"],
        tuple(_column(column, elements) for column in table["properties"]),
    )


@cache
def datasets() -> list[str]:
    """All datasets of the city, as `police.residents`, in the order of their names."""
    return sorted(f"{path.parent.name}.{path.stem}" for path in _EXPECTATIONS.glob("*/*.yaml"))


def _column(raw: Mapping[str, Any], elements: Mapping[str, Any]) -> Column:
    custom = _custom(raw)
    said = {**elements.get(custom.get("element", ""), {}), **raw, **custom}
    kind = said["logicalType"]
    plain = "yyyy-MM-dd'T'HH:mm:ss" if kind == "timestamp" else "yyyy-MM-dd"
    variants: dict[str, list[str]] = {}
    for word, code in said.get("lookup", {}).items():
        variants.setdefault(code, []).append(word)
    numeric = said.get("physicalType", "numeric(18,2)") if kind == "number" else ""
    return Column(
        name=said["name"],
        header=said.get("physicalName", said["name"]),
        kind=kind,
        datatype=said.get("datatype", kind),
        form=_strftime(said.get("logicalTypeOptions", {}).get("format", plain)),
        decimals=int(numeric.rstrip(")").partition(",")[2] or 0),
        is_key=bool(said.get("primaryKey", False)),
        role=said.get("role", "content"),
        variants=variants,
        is_flagged=said.get("onInvalid") == "flag",
        period=said.get("periodColumn"),
    )


def _strftime(form: str) -> str:
    for letters, sign in _LETTERS.items():
        form = form.replace(letters, sign)
    return form


def _custom(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {entry["property"]: entry["value"] for entry in raw.get("customProperties", [])}


@cache
def _yaml(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), _LOADER)
    return loaded
