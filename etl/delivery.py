"""Deliveries: one dataset, one period, one immutable set of bytes; and what can be wrong with one.

A delivery is named by its content, and its place in time (`as_of`, `revision`) is written on it by the sender. Where
two files state the same place, the one that came later has the later word; which word a file is, is written down once,
when it lands. So all of it is part of the delivery, and the warehouse can be a function of the set of deliveries.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import cache
from typing import Any, Literal, NamedTuple

import polars as pl
import yaml

from etl.contract import Severity, Text
from etl.settings import EXPECTATIONS
from etl.state import State

ROW = "_row"  # the row's number in the sender's own file
AS_OF = "_as_of"  # the period of a row's delivery
RECEIVED = "received."  # before a typed column's name: the text that was sent
HOLD_MINIMUM = 20  # rows below which no share of them holds a delivery: three rows of eight are three rejections
WRONG_CONTRACT = "wrong_contract"  # the rule that holds a delivery until its contract or suite is mended
MISREAD, READS = "misread_text", " → "  # a rule, and what parts a text as sent from what it would read
_LONGEST_NAME = 200
UNKNOWN = "unknown."  # before the source's name of a column that the contract does not know


@dataclass(frozen=True)
class Delivery:
    """One delivery, as its manifest describes it.

    Attributes:
        agency: folder name of the agency.
        dataset: folder name of the dataset.
        as_of: the period it speaks for; None if the file does not say.
        revision: 1, or a higher number for a later word on the same period, as the sender states it.
        sha256: of the file's bytes, in hexadecimal.
        size: of the file, in bytes.
        file_name: what the sender called it, as `shown` shows it.
        corrects: id of the delivery whose rejected rows, mended, these are; None for a file of its own.
        correction: which workbook of that delivery's rejected rows was mended, from 1; 0 for a file of its own.
        word: which one it is of the files that state all of this alike, by arrival, from 1.
    """

    agency: str
    dataset: str
    as_of: date | None
    revision: int
    sha256: str
    size: int
    file_name: str
    corrects: str | None = None
    correction: int = 0
    word: int = 1  # manifests of before words were counted have none

    @property
    def contract_id(self) -> str:
        """The dataset's full name, as in `civil.births`."""
        return f"{self.agency}.{self.dataset}"

    @property
    def id(self) -> str:
        """Unique within the dataset, as in `20260302-r1-0a1b2c3d4e5f`; sorts by period, revision and word.

        A later word says so, as in `20260302-r1w2-0a1b2c3d4e5f`; a correction too, as in `20260302-r1c1-5f4e3d2c1b0a`.
        """
        word = f"w{self.word}" if self.word > 1 else ""
        return f"{self.stated_place}{word}-{self.sha256[:12]}"

    @property
    def stated_place(self) -> str:
        """Where in time it says that it stands: period and revision, and for a correction which one of what."""
        if self.as_of is None:
            return "undated"
        if self.corrects is None:
            return f"{self.as_of:%Y%m%d}-r{self.revision}"
        return f"{self.corrects.rpartition('-')[0]}c{self.correction}"

    def to_json(self) -> dict[str, Any]:
        """The manifest's fields."""
        return asdict(self) | {"as_of": self.as_of.isoformat() if self.as_of else None}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Delivery:
        """The delivery that a manifest describes."""
        delivery = cls(**fields)
        return replace(delivery, as_of=date.fromisoformat(fields["as_of"]) if fields["as_of"] else None)


class Place(NamedTuple):
    """Where a delivery stands in time; `when` orders the deliveries of a dataset."""

    delivery_id: str
    as_of: date
    revision: int
    sha256: str
    corrects: str | None = None
    correction: int = 0
    word: int = 1

    @property
    def when(self) -> tuple[date, int, int, str, int, int, str]:
        """A correction comes right behind what it corrects, and before any other word on the same period.

        The hash tells only those apart that landed before words were counted.
        """
        as_of, revision, word, correction, of_correction = self.stated
        file = (self.corrects or self.delivery_id)[-12:]
        return as_of, revision, word, file, correction, of_correction, self.sha256

    @property
    def stated(self) -> tuple[date, int, int, int, int]:
        """Its place in time as far as anything with a meaning says it: its sender, and its arrival."""
        word, of_correction = (_word(self.corrects), self.word) if self.corrects else (self.word, 0)
        return self.as_of, self.revision, word, self.correction, of_correction


def _word(delivery_id: str) -> int:
    """The word that a delivery of its own, no correction, is by its id."""
    return int(delivery_id.split("-")[1].partition("w")[2] or 1)


def shown(text: str) -> str:
    """Text that came from outside, made safe to show on one line: what cannot be printed becomes an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def printable(name: str) -> str:
    """A file's name that can be shown and stored, and is not endless."""
    name = shown(name)
    return name if len(name) <= _LONGEST_NAME else f"…{name[-_LONGEST_NAME:]}"


def megabytes(size: int) -> str:
    """A number of bytes as people read it."""
    return f"{size / (1 << 20):.3g} MB" if size < 1000 << 20 else f"{size / (1 << 20):.0f} MB"


class Stop(Exception):
    """A delivery that cannot go on: held (an engineer decides) or rejected (only a new file helps)."""

    def __init__(self, state: Literal["held", "rejected"], rule: str, **details: object) -> None:
        """Take the wording of `rule` from `expectations/wording.yaml` and fill in the details."""
        self.state = State(state)
        self.rule = rule
        self.message = wording(rule).fill(**details)
        super().__init__(f"{self.message.vi} / {self.message.en}")

    def __reduce__(self) -> tuple[Any, ...]:
        """How it passes from one process to another: with its sentence as it is."""
        return type(self).__new__, (type(self), str(self)), self.__dict__


@dataclass(frozen=True)
class Wording:
    """What a rule tells people: the sentence, whose it is to mend, and which dimension of quality it measures."""

    vi: str
    en: str
    dimension: str
    responsible: Literal["agency", "data_center"]

    def fill(self, **details: object) -> Text:
        """The sentence with its {placeholders} filled; on one line, whatever the details are.

        A detail that is a Text is said in the language of the sentence.
        """

        def safe(language: Literal["vi", "en"]) -> dict[str, str]:
            said = {name: getattr(v, language) if isinstance(v, Text) else v for name, v in details.items()}
            return {name: shown(str(value)) for name, value in said.items()}

        return Text(self.vi.format_map(safe("vi")), self.en.format_map(safe("en")))

    def bare(self) -> Text:
        """The sentence with … for each detail, because details may quote the file."""
        return Text(self.vi.format_map(_Dots()), self.en.format_map(_Dots()))


class _Dots(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "…"


@cache
def _wordings() -> dict[str, dict[str, str]]:
    loaded: dict[str, dict[str, str]] = yaml.safe_load((EXPECTATIONS / "wording.yaml").read_text(encoding="utf-8"))
    return loaded


def wording(rule: str) -> Wording:
    """The wording of a rule that the stations themselves apply."""
    return Wording(**_wordings()[rule])  # type: ignore[arg-type]


def bare(rule: str | None) -> Text | None:
    """What everybody may read of a rule that stopped a delivery: see `Wording.bare`; None if it has no wording here."""
    return wording(rule).bare() if rule in _wordings() else None


# Their sentences quote names of columns from the file; where it has no header, these are somebody's data.
_QUOTING = ("new_column", "renamed_column", "unclear_column")


def loggable(rule: str | None, message: Text) -> Text:
    """What may be shown to others than the sender, of a delivery that a rule stopped with this message."""
    return wording(rule).bare() if rule in _QUOTING else message


# A problem is one row of this shape everywhere: ledger, receipt, check.
PROBLEM = pl.Schema(
    {
        ROW: pl.Int64(),
        "column": pl.String(),
        "value": pl.String(),
        "rule": pl.String(),
        "severity": pl.String(),
        "dimension": pl.String(),
        "responsible": pl.String(),
        "vi": pl.String(),
        "en": pl.String(),
    }
)


def problems(
    rows: pl.DataFrame, column: str | None, rule: str, text: Text, about: Wording, severity: Severity = "critical"
) -> pl.DataFrame:
    """Problems of one rule.

    Args:
        rows: the failing rows: ROW and `value`, what the sender wrote (null if there is nothing to show).
        column: contract name of the column, or None where the whole row is meant.
        rule: identifier of the rule.
        text: what people are told.
        about: dimension and responsibility of the rule.
        severity: critical rejects the row, warning flags it.

    Returns:
        A frame of the PROBLEM schema, in the order of `rows`.
    """
    return rows.select(
        pl.col(ROW),
        pl.lit(column, pl.String).alias("column"),
        pl.col("value").cast(pl.String).str.replace_all("\0", "␀", literal=True),  # PostgreSQL takes no NUL
        pl.lit(rule).alias("rule"),
        pl.lit(severity).alias("severity"),
        pl.lit(about.dimension).alias("dimension"),
        pl.lit(about.responsible).alias("responsible"),
        pl.lit(text.vi).alias("vi"),
        pl.lit(text.en).alias("en"),
    )


def rejected_rows(found: pl.DataFrame) -> pl.Series:
    """The numbers of the rows that a frame of problems rejects, each once."""
    return found.filter(pl.col("severity") == "critical")[ROW].unique()
