"""What a receipt says, as one model: the page shows it, `receipt.json` is it, `docs/receipt.schema.json` describes it.

It holds no value of any cell: those are in the workbook only, so that the page may be shown to more people.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from typing import Any, Literal

import polars as pl
import yaml
from pydantic import BaseModel, ConfigDict, Field

from etl.contract import Contract, Text
from etl.delivery.columns import ROW
from etl.delivery.entry import LedgerEntry, Reconciled
from etl.delivery.model import Delivery
from etl.delivery.state import State
from etl.settings import TEMPLATES

ROWS_NAMED = 1000  # row numbers told of one kind of problem; the workbook has all rows
_PARTS = ("inserted", "changed", "unchanged", "superseded", "waiting", "duplicates", "rejected")


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Part(_Model):
    """Some of the file's rows, by what became of them; all parts together are the whole file."""

    name: str = Field(description=f"one of {', '.join(_PARTS)}")
    label: Text
    rows: int


class Problem(_Model):
    """One kind of problem: a rule that failed in one column."""

    rule: str
    severity: Literal["critical", "warning"] = Field(description="critical: the rows are rejected; warning: loaded")
    dimension: str = Field(description="of data quality")
    responsible: Literal["agency", "data_center"] = Field(description="whose it is to mend")
    column: str | None = Field(description="what the column is called on the agency's own form")
    source_name: str | None = Field(description="what the column is called in the file")
    text: Text
    example: str | None = Field(description="a right value")
    count: int = Field(description="problems of this kind")
    resolved: int = Field(description="of these, in rows that corrections have set right since")
    rows: list[int] = Field(description=f"row numbers in the sender's own file that remain, the first {ROWS_NAMED}")


class Note(_Model):
    """Something about the file as a whole that did not stop it."""

    rule: str
    responsible: Literal["agency", "data_center"]
    text: Text


class Past(_Model):
    """One earlier delivery of the dataset."""

    delivery: str
    as_of: date | None
    rows_in: int
    rejected: int


class Correction(_Model):
    """A mended workbook that came back."""

    delivery: str
    file_name: str
    state: State
    resolved: int = Field(description="rejected rows of this delivery that it set right")


class Receipt(_Model):
    """What an agency hears of one delivery."""

    dataset: str = Field(description="agency.dataset")
    title: Text
    agency: Text
    delivery: str
    corrects: str | None = Field(description="the delivery whose rejected rows these are, mended")
    file_name: str
    sha256: str
    as_of: date | None = Field(description="the period that the file speaks for")
    revision: int
    state: State
    rule: str | None = Field(description="why the delivery as a whole was stopped")
    verdict: Text
    message: Text | None = Field(description="why the delivery as a whole was stopped, and how to mend it")
    rows_in: int | None = Field(description="records in the file; null if it could not be read")
    parts: list[Part] = Field(description="add up to rows_in")
    row_word: Text = Field(description="what a row number counts")
    problems: list[Problem] = Field(description="the most frequent first; those that reject rows before warnings")
    late_by_seconds: float | None = Field(description="how long after it was due the file came; null: in time")
    notes: list[Note]
    history: list[Past] = Field(description="the deliveries before this one, the oldest first")
    corrections: list[Correction]
    rejected: int = Field(description="rows sent back")
    resolved: int = Field(description="of these, rows that corrections have set right since")
    workbook_rows: int = Field(description="rows in rejected.xlsx; 0: there is no such file")
    may_correct: bool = Field(description="whether rejected.xlsx, mended, may be dropped into the inbox as it is")
    next_steps: list[Text]
    contact: str | None

    @property
    def remaining(self) -> int:
        """Rejected rows that nobody has mended yet."""
        return self.rejected - self.resolved


def describe(
    delivery: Delivery,
    contract: Contract | None,
    entry: LedgerEntry,
    problems: pl.LazyFrame,
    *,
    late_by: timedelta | None = None,
    tables: Sequence[Contract] = (),
    workbook_rows: int = 0,
    history: Sequence[Past] = (),
    corrections: Iterable[tuple[Correction, pl.Series]] = (),
    words: Sequence[LedgerEntry] = (),
    reconciled: Sequence[Reconciled] = (),
    is_check: bool = False,
) -> Receipt:
    """Say what became of a delivery.

    Args:
        delivery: whose receipt it is.
        contract: the dataset's; None if there is no such dataset.
        entry: what became of it, as the ledger says.
        problems: of the PROBLEM schema.
        late_by: how long after it was due it came; None if in time.
        tables: the other tables that are read from its file.
        workbook_rows: rows in the workbook that lies beside the page.
        history: the dataset's deliveries before this one, the oldest first.
        corrections: the corrections of this delivery, each with the row numbers of this delivery that it set right.
        words: the files of its period that are in the table, this one's too, in the order of time.
        reconciled: what comparisons with other datasets have found that this agency can mend.
        is_check: nothing was sent: it says what would become of the file.
    """
    said = _wording()
    state = entry.state
    rejected = problems.filter(pl.col("severity") == "critical").select(pl.col(ROW).unique()).collect().to_series()
    came = [(correction, rows.filter(rows.is_in(rejected.implode()))) for correction, rows in corrections]
    resolved = pl.concat([rejected.clear(), *(rows for _, rows in came)]).unique()
    counts: dict[str, int | None] = {name: getattr(entry, name, None) for name in _PARTS}
    if entry.rejected is not None and entry.inserted is None:  # judged, and not in the warehouse
        counts["waiting"] = (entry.rows_in or 0) - entry.rejected - (entry.duplicates or 0)
    found = _problems(problems.filter(pl.col(ROW).is_not_null()), resolved, contract)
    may_correct = state is State.LOADED and workbook_rows > 0
    steps = _next_steps(state, len(rejected) - len(resolved), found, is_check=is_check)
    return Receipt(
        dataset=delivery.contract_id,
        title=contract.title if contract else Text(delivery.contract_id, delivery.contract_id),
        agency=contract.agency_title if contract else Text(delivery.agency, delivery.agency),
        delivery=delivery.id,
        corrects=delivery.corrects,
        file_name=delivery.file_name,
        sha256=delivery.sha256,
        as_of=delivery.as_of,
        revision=delivery.revision,
        state=state,
        rule=entry.rule,
        verdict=_text(said["check" if is_check else "verdict"][state]),
        message=entry.message,
        rows_in=entry.rows_in,
        parts=[
            Part(name=name, label=_text(said["part"][name]), rows=rows)
            for name in _PARTS
            if (rows := counts[name]) is not None
        ],
        row_word=_text(said["row_word"]["correction" if delivery.corrects else _counted(contract)]),
        problems=found,
        late_by_seconds=late_by.total_seconds() if late_by else None,
        notes=[
            *_late(late_by),
            *_tables(delivery, tables),
            *_words(delivery, contract, words),
            *_notes(problems.filter(pl.col(ROW).is_null())),
            *(Note(rule=each.name, responsible="agency", text=each.text) for each in reconciled),
        ],
        history=list(history),
        corrections=[c.model_copy(update={"resolved": len(rows)}) for c, rows in came],
        rejected=len(rejected),
        resolved=len(resolved),
        workbook_rows=workbook_rows,
        may_correct=may_correct,
        next_steps=[_text(said["next"][step]) for step in steps],
        contact=contract.contact.removeprefix("mailto:") if contract and contract.contact else None,
    )


def schema() -> dict[str, Any]:
    """The JSON Schema of `receipt.json`."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | Receipt.model_json_schema(mode="serialization")


def examples(contract: Contract) -> dict[str, str]:
    """Right values by rule, where the dataset's suite gives one."""
    suite = json.loads(contract.path.with_suffix(".json").read_text(encoding="utf-8"))
    metas = [expectation["meta"] for expectation in suite["expectations"]]
    return {meta["rule"]: meta["example"] for meta in metas if "example" in meta}


def _problems(found: pl.LazyFrame, resolved: pl.Series, contract: Contract | None) -> list[Problem]:
    kind = ["rule", "severity", "dimension", "responsible", "column", "vi", "en"]
    is_resolved = pl.col(ROW).is_in(resolved.implode()) & (pl.col("severity") == "critical")
    kinds = (
        found.group_by(kind, maintain_order=True)
        .agg(
            pl.len().alias("count"),
            is_resolved.sum().alias("resolved"),
            pl.col(ROW).filter(~is_resolved).sort().head(ROWS_NAMED).alias("rows"),
        )
        .sort(
            "severity",
            pl.col("count") - pl.col("resolved"),
            "count",
            descending=[False, True, True],
            maintain_order=True,
        )
        .collect()
    )
    columns = {c.name: c for c in contract.columns} if contract else {}
    of_rules = examples(contract) if contract else {}
    made = []
    for row in kinds.iter_rows(named=True):
        text = Text(row.pop("vi"), row.pop("en"))
        column = columns.get(row.pop("column"))
        example = of_rules.get(row["rule"]) or (column.example if column else None)
        label, source_name = (column.label, column.source_name) if column else (None, None)
        made.append(Problem(**row, column=label, source_name=source_name, text=text, example=example))
    return made


def _late(by: timedelta | None) -> list[Note]:
    if by is None:
        return []
    text = _text(_wording()["late"]["days" if by.days else "hours"])
    count = by.days or by.seconds // 3600
    filled = Text(text.vi.format(count=count), text.en.format(count=count))
    return [Note(rule="late", responsible="agency", text=filled)]


def _tables(delivery: Delivery, tables: Sequence[Contract]) -> Iterator[Note]:
    """Where the receipts of the other tables of a file are."""
    if tables:
        said = _text(_wording()["tables"])
        places = [f"({table.agency}/{table.dataset}/{delivery.id})" for table in tables]
        vi = ", ".join(f"{table.title.vi} {place}" for table, place in zip(tables, places, strict=True))
        en = ", ".join(f"{table.title.en} {place}" for table, place in zip(tables, places, strict=True))
        text = Text(said.vi.format(tables=vi), said.en.format(tables=en))
        yield Note(rule="other_tables", responsible="agency", text=text)


def _words(delivery: Delivery, contract: Contract | None, words: Sequence[LedgerEntry]) -> Iterator[Note]:
    """Which word on its period a file is, and what it replaces or is replaced by."""
    at = next((at for at, word in enumerate(words) if word.delivery_id == delivery.id), None)
    if at is None or contract is None:
        return
    said = _wording()["word"]
    what = "records" if contract.mode != "snapshot" else "parts" if contract.part else "whole"
    if at > 0 and delivery.word > 1:
        yield _word(said["replaces"][what], "later_word", words[at], words[at - 1].file_name)
    if at < len(words) - 1:
        yield _word(said["replaced"][what], "replaced_since", words[-1], words[-1].file_name)


def _word(said: Mapping[str, str], rule: str, word: LedgerEntry, file: str) -> Note:
    ordinals = _wording()["word"]["ordinal"]
    which = ordinals.get(word.word, ordinals["any"])
    details = {"day": f"{word.as_of:%d/%m/%Y}", "file": file}
    revision = f" (r{word.revision})" if word.revision > 1 else ""
    vi, en = (said[of].format(which=which[of].format(word=word.word) + revision, **details) for of in ("vi", "en"))
    return Note(rule=rule, responsible="agency", text=Text(vi, en))


def _notes(found: pl.LazyFrame) -> list[Note]:
    rows = found.collect().iter_rows(named=True)
    return [Note(rule=r["rule"], responsible=r["responsible"], text=Text(r["vi"], r["en"])) for r in rows]


def _next_steps(state: State, remaining: int, found: Iterable[Problem], *, is_check: bool) -> list[str]:
    steps: list[str] = []
    match state:
        case _ if is_check and state.is_stopped:
            steps = ["check_stopped"]
        case _ if is_check:
            steps = ["check_wrong" if remaining else "check_right"]
        case _ if state.is_stopped:
            steps = [state]
        case State.LOADED:
            steps = ["some_remain" if remaining else "all_in"]
    if any(p.responsible == "data_center" and p.count > p.resolved for p in found):
        steps.append("ours")
    return steps


def _counted(contract: Contract | None) -> str:
    """What a row number counts, as the wording names it."""
    source = contract.source if contract else None
    if source is None:
        return "csv"
    if source.unpivot:
        return "columns"
    return "parts" if source.archive == "parts" or source.sheets else source.format


@cache
def _wording() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((TEMPLATES / "receipt.yaml").read_text(encoding="utf-8"))
    return loaded


def _text(both: Mapping[str, str]) -> Text:
    return Text(both["vi"], both["en"])
