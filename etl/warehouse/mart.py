"""Files of marts: what each declares, and in which order they are made.

`marts/` holds what analysts query, `quality/` lists for those who mend data. Beside them `derived/` holds tables that
stand in the schemas of the data: what several marts are made of, and what shows single persons across agencies, in
`link`, to those who may see who is who. One is made by SQL as a mart is, or says by YAML, in `derived/overlaps/`, which
shapes share ground, see `etl.warehouse.overlaps`. The folders are the deployment's own; those of Ho Chi Minh City stand
in `sql/`.

A list that finds what several datasets together show to be wrong is a reconciliation: its first comment says so. A
mart's first comment declares the cells that would tell of single persons, see `etl.warehouse.disclosure.Cells`.
"""

from __future__ import annotations

import graphlib
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from etl.contract import yaml_text
from etl.contract.names import NAME, OF_NAMES
from etl.settings import MARTS
from etl.warehouse.disclosure import Cells
from etl.warehouse.overlaps import Overlap
from etl.warehouse.reconciliation import Reconciliation
from etl.warehouse.statement import names

_DECLARED = re.compile(r"\A((?:--.*\n)+)")
_EXACT = {"marts": "exact", "quality": "quality"}  # folder: schema; in the other one a file's name says it
_DERIVED, _OVERLAPS = "derived", "derived/overlaps"
FOLDERS = (*_EXACT, _DERIVED)  # of a deployment, below `MARTS`


class MartError(ValueError):
    """A mart's file that cannot be used; the text names it and says why."""


@dataclass(frozen=True)
class Mart:
    """One file of SQL in `marts/`, `quality/` or `derived/`: a materialized view, its index and its comments.

    Attributes:
        path: the file.
        sql: what it holds.
    """

    path: Path
    sql: str

    @property
    def name(self) -> str:
        """Of the view."""
        return self.path.stem.rpartition(".")[2]

    @property
    def is_for_analysts(self) -> bool:
        """Whether it is a mart that tells of no single persons or records."""
        return self.path.parent.name == "marts"

    @property
    def schema(self) -> str:
        """Of the view."""
        return self.exact.partition(".")[0]

    @property
    def exact(self) -> str:
        """Schema and name of the view."""
        schema = _EXACT.get(self.path.parent.name)
        return f"{schema}.{self.name}" if schema else self.path.stem

    @property
    def known_as(self) -> str:
        """In `ops.mart`."""
        return self.path.stem

    @property
    def made_of(self) -> str:
        """What changes when the file does."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def statement(self) -> str:
        """What makes it, without comments."""
        return re.sub("--.*", "", self.sql)

    @cached_property
    def cells(self) -> list[Cells]:
        """What must not show single persons; nothing where the file says that it is of none, as `cells: []`.

        Raises:
            MartError: if the file does not declare it.
        """
        try:
            return [Cells(**cells) for cells in self._declared["cells"]]
        except (TypeError, KeyError, ValueError) as error:
            raise MartError(
                f"{self.path}: its first comment must declare `cells`, as `cells: []` where it tells of no "
                f"persons; see etl/warehouse/disclosure.py ({type(error).__name__})."
            ) from None

    @cached_property
    def reconciliation(self) -> Reconciliation | None:
        """What its file declares; None if it is no reconciliation.

        Raises:
            MartError: if the file declares it otherwise than the lists beside it do.
        """
        try:
            declared = self._declared
            said = declared.get("reconciliation") if isinstance(declared, dict) else None
            return None if said is None else Reconciliation(**said)
        except (KeyError, TypeError, ValueError) as error:
            raise MartError(
                f"{self.path}: `reconciliation` in its first comment must have mends, and vi and en with {{found}} for "
                f"the number of records ({type(error).__name__})."
            ) from None

    @property
    def _declared(self) -> Any:
        if self.path.parent.name == _DERIVED:
            return None  # nobody is shown it, and nobody hears of it
        return yaml_text.parse(re.sub(r"(?m)^-- ?", "", "".join(_DECLARED.findall(self.sql))))


def all_marts() -> list[Mart]:
    """All files of SQL, those for analysts first.

    Raises:
        MartError: if one's name can be none of a view.
    """
    return [Mart(path, path.read_text(encoding="utf-8")) for path in _paths(FOLDERS, "*.sql")]


def all_overlaps() -> list[Overlap]:
    """All files that say which shapes share ground.

    Raises:
        MartError: if one's name can be none of a table.
    """
    return [Overlap(path, path.read_text(encoding="utf-8")) for path in _paths((_OVERLAPS,), "*.yaml")]


def _paths(folders: Iterable[str], pattern: str) -> list[Path]:
    paths = [path for folder in folders for path in sorted((MARTS / folder).glob(pattern))]
    for path in paths:
        *schema, name = path.stem.split(".")
        has_schema = path.parent.name not in _EXACT
        if len(schema) != has_schema or not all(map(NAME.fullmatch, (*schema, name))):
            wanted = "its schema, a dot and its name" if has_schema else "its name"
            raise MartError(f"{path}: a mart's file is called as {wanted}; a name must be {OF_NAMES}.")
    return paths


class Step(NamedTuple):
    """Something to make, and the views that read it, the last one first."""

    one: Mart | Overlap
    readers: list[str]


def in_order(all_: Iterable[Mart | Overlap]) -> list[Step]:
    """Each after those that it reads.

    Raises:
        MartError: if two read each other.
    """
    found = {one.exact: one for one in all_}
    reads = {name: names(one.statement) & found.keys() - {name} for name, one in found.items()}
    try:
        order = [*graphlib.TopologicalSorter(reads).static_order()]
    except graphlib.CycleError as error:
        raise MartError(f"{' and '.join(error.args[1][1:])} read each other: none can be made first.") from None
    for name in order:
        reads[name] = reads[name].union(*(reads[other] for other in reads[name]))
    return [Step(found[name], [other for other in reversed(order) if name in reads[other]]) for name in order]
