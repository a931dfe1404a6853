"""What a column of a sample is taken for, and what the columns of a file have alike."""

from __future__ import annotations

from dataclasses import dataclass, field

from etl.contract.fields import Classification, LogicalType, SemanticType
from etl.draft import dates, numbers
from etl.draft.meaning import Meaning
from etl.draft.numbers import Notation

SHOWN = 5  # different values that a comment names


@dataclass(frozen=True)
class Shown:
    """What the cells of a column show by themselves, before the others are asked.

    Attributes:
        empty: cells that hold nothing.
        different: values.
        digits: of numbers.
        written: of dates; None if they are none.
    """

    empty: int
    different: int
    digits: numbers.Digits
    written: dates.Written | None


@dataclass
class Guess:
    """What a column is taken for.

    Attributes:
        name: in the warehouse.
        source: what the agency calls it.
        type: ODCS's logical type.
        empty: the share of its cells that hold nothing.
        format: of dates and times.
        pivot: of a year with two digits.
        physical_type: of numbers with decimals.
        means: what its values mean.
        nulls: values that stand for nothing.
        codes: its different values, where they are few.
        numbers: how they are written, where otherwise than in the rest of the file.
        least: of numbers.
        most: of numbers.
        key_position: from 1; None if it is not in the key.
        role: in a file of changes, where its element does not say it.
        position: in a line of fixed width.
        is_required: it tells a record from a line that is none.
        notes: what is to be known of it.
        todo: what a person has to decide.
    """

    name: str
    source: str
    type: LogicalType = "string"
    empty: float = 0.0
    format: str | None = None
    pivot: int | None = None
    physical_type: str | None = None
    means: Meaning = field(default_factory=Meaning)
    nulls: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    numbers: dict[str, object] = field(default_factory=dict)
    least: float | None = None
    most: float | None = None
    key_position: int | None = None
    role: str | None = None
    position: str | None = None
    is_required: bool = False
    notes: list[str] = field(default_factory=list)
    todo: list[str] = field(default_factory=list)

    @property
    def datatype(self) -> SemanticType | None:
        """What its values mean, if that is more than its type says."""
        return self.means.datatype

    @property
    def classification(self) -> Classification | None:
        """How far it may be shown; None: nobody knows."""
        return self.means.classification


@dataclass(frozen=True)
class Notations:
    """What one program, which wrote a file, does in all of its columns.

    Attributes:
        numbers: their notation.
        is_proven: whether some number shows it: `proven`, `free` or `open`.
        day_first: the column that proves that the day stands before the month.
        month_first: the column that proves that it stands behind it.
    """

    numbers: Notation
    is_proven: str
    day_first: str | None
    month_first: str | None


def listed(values: list[str]) -> str:
    """Some of these values, in a comment."""
    return ", ".join(values[:SHOWN]) + (", ..." if len(values) > SHOWN else "")


def so_many(count: int) -> str:
    """So many cells, in a comment."""
    return f"{count:,} cell{'s' if count != 1 else ''}"
