"""The picture of what depends on what: datasets on the left, the marts and lists that read them on the right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.contract import Contract

if TYPE_CHECKING:
    from etl.site.lineage import Mart

_SCHEMAS = {"mart": "exact"}  # where marts read another one
ROW, LEFT, RIGHT = 24, 300, 620  # heights of a row, and where lines begin and end, in units of the drawing


@dataclass(frozen=True)
class Reader:
    """A mart or a list.

    Attributes:
        mart: itself.
        y: how far down it stands.
        datasets: those that it reads, in the order of the drawing.
        lines: the curve from each of them, as SVG draws it.
    """

    mart: Mart
    y: int
    datasets: tuple[Contract, ...]
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Graph:
    """The drawing.

    Attributes:
        datasets: those that are read, with how far down each stands.
        readers: what reads them.
        height: of the whole.
    """

    datasets: tuple[tuple[Contract, int], ...]
    readers: tuple[Reader, ...]
    height: int

    @property
    def read_by(self) -> dict[str, tuple[Contract, ...]]:
        """The datasets that each mart or list reads, by its name."""
        return {reader.mart.name: reader.datasets for reader in self.readers}


def graph(marts: Sequence[Mart], contracts: Iterable[Contract]) -> Graph:
    """What reads what, by the lineage of the marts' own SQL; what a mart reads by way of another one, it reads too.

    A mart stands as high as the middle of what it reads, so that few lines cross.
    """
    owners = {f"{contract.schema}.{contract.table}": contract for contract in contracts}
    made = {f"{_SCHEMAS.get(mart.schema, mart.schema)}.{mart.name}": mart for mart in marts}
    read = {mart: [*dict.fromkeys(_owners(mart, owners, made))] for mart in marts}
    known = [contract for contract in owners.values() if any(contract in its for its in read.values())]
    at = {contract.id: _y(row) for row, contract in enumerate(known)}
    middle = {mart: sum(at[c.id] for c in its) / len(its) for mart, its in read.items() if its}
    step = max(len(known) / len(middle), 1) if middle else 1
    readers = []
    for row, mart in enumerate(sorted(middle, key=lambda mart: (middle[mart], mart.name))):
        y = _y(row * step)
        its = tuple(contract for contract in known if contract in read[mart])
        readers.append(Reader(mart, y, its, tuple(_curve(at[contract.id], y) for contract in its)))
    lowest = max([*at.values(), *(reader.y for reader in readers)], default=0)
    return Graph(tuple((contract, at[contract.id]) for contract in known), tuple(readers), lowest + ROW)


def _owners(mart: Mart, owners: Mapping[str, Contract], made: Mapping[str, Mart]) -> Iterator[Contract]:
    for table in dict.fromkeys(source.table for source in mart.reads):
        if table in owners:
            yield owners[table]
        elif table in made:
            yield from _owners(made[table], owners, made)


def _y(row: float) -> int:
    return round(ROW * (row + 1))


def _curve(start: int, end: int) -> str:
    third = (RIGHT - LEFT) // 2
    return f"M{LEFT} {start}C{LEFT + third} {start} {RIGHT - third} {end} {RIGHT} {end}"
