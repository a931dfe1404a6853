"""What the marts of the people must say of a city: counted from the truth of the tables, person by person."""

from __future__ import annotations

from calendar import monthrange
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import polars as pl

from simulate.people import CROSSWALK, OLD_FROM, REFORM

# Days that a file tells of, by its dataset; of a file a month the calendar's.
_MONTHS = {"education.pupils": 4, "insurance.benefits": 1, "insurance.contributions": 1, "social.assistance": 1}
_EVENTS = ("civil.births", "civil.deaths", "civil.marriages", "health.visits", "insurance.benefits",
           "insurance.contributions")  # fmt: skip
_OF_MONTH = (*_EVENTS, "education.pupils", "health.records", "insurance.health_membership", "police.residents",
             "social.assistance")  # fmt: skip
_OF_QUARTER = ("civil.births", "education.pupils", "health.records", "insurance.benefits",
               "insurance.health_membership", "police.residents", "social.assistance")  # fmt: skip
_BANDS = {"00-05": 0, "06-10": 6, "11-14": 11, "15-17": 15, "18-59": 18, "60-74": 60, "75+": 75}  # since which age
_FINDINGS = ["blood_group", "allergies", "chronic_conditions", "last_checkup_on", "height_cm", "weight_kg", "systolic",
             "diastolic", "glucose", "smoker", "vaccine_doses"]  # fmt: skip
_WARD = ["ward", "ward_valid_from"]


@dataclass(frozen=True)
class Told:
    """What the agencies have told, as the truth has it.

    Attributes:
        truth: the folder.
        datasets: those that were delivered.
    """

    truth: Path
    datasets: Collection[str]

    def ever(self, table: str) -> pl.DataFrame:
        """All that a table has said: one of `people`, or schema.table."""
        name = table if "." in table else f"people.{table}"
        return pl.read_parquet(self.truth / "tables" / f"{name}.parquet")

    def now(self, table: str) -> pl.DataFrame:
        """What it says in the end."""
        return self.ever(table).filter(pl.col("valid_to").is_null())

    def on(self, table: str, day: date) -> pl.DataFrame:
        """What it said on a day."""
        ended = (pl.col("valid_to") <= day).fill_null(False)
        return self.ever(table).filter((pl.col("valid_from") <= day) & ~ended)

    @cached_property
    def spans(self) -> dict[str, tuple[date, date]]:
        """The first day and the last one that the files of each dataset tell of."""
        files = pl.read_parquet(self.truth / "deliveries.parquet").with_columns(
            dataset=pl.col("file").str.splitn("/", 3).struct[0] + "." + pl.col("file").str.splitn("/", 3).struct[1]
        )
        spans = {}
        for dataset, first, last in files.group_by("dataset").agg(
            first=pl.col("as_of").min(), last=pl.col("as_of").max()
        ).iter_rows():  # fmt: skip
            if dataset in self.datasets:
                spans[dataset] = (first, _later(last, _MONTHS[dataset]) if dataset in _MONTHS else last)
        return spans

    def lacking(self, datasets: Sequence[str], begins: date, day: date, events: Collection[str]) -> str | None:
        """Datasets that do not tell of a period to its end, or of its events from its beginning on."""
        names = []
        for name in sorted(datasets):
            first, last = self.spans.get(name, (date.max, date.min))
            if name in events and name in _MONTHS and first != date.max:
                first = _earlier(first, _MONTHS[name])
            if last < day or first > (begins if name in events else day):
                names.append(name)
        return ";".join(names) or None


def _later(day: date, months: int) -> date:
    """The day before the one that many months later."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1])) - timedelta(days=1)


def _earlier(day: date, months: int) -> date:
    """The day after the one that many months earlier."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1])) + timedelta(days=1)


def periods(first: date, last: date, months: int, at_most: int) -> list[tuple[date, date]]:
    """Months or quarters from one day to another, the last ones: first day, and last day as far as it is known."""
    begins = date(first.year, first.month - (first.month - 1) % months, 1)
    made = []
    while begins <= last:
        ends = _later(begins, months)
        made.append((begins, min(ends, last)))
        begins = ends + timedelta(days=1)
    return made[-at_most:]


def carried(rows: pl.DataFrame, ward: str = "ward") -> pl.DataFrame:
    """Rows with the unit of today where the one that they name went into one: `ward`, `ward_valid_from`."""
    links = pl.read_csv(CROSSWALK, infer_schema=False).filter(pl.col("old_ward_code").is_not_null())
    links = links.select(_old="old_ward_code", _new="new_ward_code").unique()
    links = links.filter(pl.len().over("_old") == 1).with_columns(_since=pl.lit(OLD_FROM))
    rows = rows.with_columns(ward=pl.col(ward), ward_valid_from=pl.col(f"{ward}_valid_from"))
    rows = rows.join(links, left_on=_WARD, right_on=["_old", "_since"], how="left", maintain_order="left")
    is_carried = pl.col("_new").is_not_null()
    return rows.with_columns(
        ward=pl.coalesce("_new", "ward"),
        ward_valid_from=pl.when(is_carried).then(pl.lit(REFORM)).otherwise("ward_valid_from"),
    ).drop("_new")


def years(birth: str, day: pl.Expr) -> pl.Expr:
    """Whole years of age on a day."""
    born = pl.col(birth)
    had_birthday = (born.dt.month().cast(pl.Int32) * 100 + born.dt.day()) <= (
        day.dt.month().cast(pl.Int32) * 100 + day.dt.day()
    )
    return day.dt.year() - born.dt.year() - (~had_birthday).cast(pl.Int32)


def residents(told: Told, day: date) -> pl.DataFrame:
    """Each resident of a day once, where they live: pid, ward, ward_valid_from, age, kind, and what else is said."""
    rows = told.on("residents", day).filter(pl.col("residence_kind").is_in(["TT", "TTR"]))
    rows = rows.sort("residence_kind", descending=True).unique("personal_id", keep="first", maintain_order=True)
    return carried(rows).with_columns(
        pid="personal_id", age=years("birth_date", pl.lit(day)), kind=pl.col("residence_kind")
    )


def insured(told: Told, day: date) -> pl.DataFrame:
    """Who has a card that is good on a day: pid, and by whom it is paid: work, budget or household."""
    cards = told.on("health_membership", day).filter(
        pl.col("card_from") <= day, (pl.col("card_until") >= day).fill_null(True)
    )
    order = pl.col("paid_by").replace_strict({"LD": 1, "GD": 3}, default=2, return_dtype=pl.Int64)
    best = cards.group_by(pid="personal_id").agg(by=order.min())
    return best.with_columns(pl.col("by").replace_strict({1: "work", 2: "budget", 3: "household"}))


def with_record(told: Told, day: date) -> pl.DataFrame:
    """Whose health record says something: pid."""
    says = pl.any_horizontal(pl.col(name).is_not_null() for name in _FINDINGS)
    return told.on("health_records", day).filter(says).select(pid="personal_id")


def at_school(told: Told, day: date) -> pl.DataFrame:
    """Who attends a school: pid."""
    return told.on("pupils", day).filter(pl.col("status") == "1").select(pid="personal_id").unique()


def assisted(told: Told, day: date) -> pl.DataFrame:
    """Whose case of assistance runs: pid, and the kind."""
    cases = told.on("assistance", day).filter(
        pl.col("from_month") <= day, (pl.col("until_month") > day).fill_null(True)
    )
    return cases.select(pid="personal_id", kind="benefit_kind").unique()


def pensions(told: Told, first: date, last: date) -> pl.DataFrame:
    """Who was paid a pension of the insurance for a month of a period: pid, or the case where that is not said."""
    lines = told.now("benefits").filter(
        pl.col("regime") == "HT", pl.col("line_kind") == "HT", pl.col("pay_month").is_between(first, last)
    )
    return lines.select(
        pid=pl.coalesce("personal_id", "case_no"), is_known=pl.col("personal_id").is_not_null()
    ).unique()


def people_ward_month(told: Told) -> pl.DataFrame:
    """The mart of that name, without the wards' names."""
    first, last = told.spans["police.residents"]
    months = periods(first, last, 1, 13)
    provisional = {begins for begins, _ in months[-3:]}
    made = []
    for begins, day in months:
        where = residents(told, day).select("pid", *_WARD, "age", "kind")
        persons = {
            "permanent": where.filter(pl.col("kind") == "TT").select("pid"),
            "temporary": where.filter(pl.col("kind") == "TTR").select("pid"),
            **_of_persons(told, begins, day),
        }
        rows = [
            whom.join(where, on="pid", how="left").select(*_WARD, pl.col("age").cast(pl.Int32), measure=pl.lit(name))
            for name, whom in persons.items()
        ]
        rows += [
            carried(happened).select(*_WARD, pl.col("age").cast(pl.Int32), measure=pl.lit(name))
            for name, happened in _of_events(told, begins, day).items()
        ]
        names = list(dict.fromkeys([*persons, *_of_events(told, begins, day)]))
        counted = pl.concat(rows).with_columns(age_band=_band()).group_by(*_WARD, "age_band", "measure").len()
        wide = counted.pivot("measure", index=[*_WARD, "age_band"], values="len")
        wide = wide.with_columns(pl.lit(0).alias(name) for name in names if name not in wide.columns)
        made.append(
            wide.with_columns(pl.col(names).fill_null(0).cast(pl.Int64)).with_columns(
                month=pl.lit(begins),
                state_on=pl.lit(day),
                is_provisional=pl.lit(begins in provisional),
                inputs_lacking=pl.lit(told.lacking(_OF_MONTH, begins, day, _EVENTS), pl.String),
            )
        )
    return pl.concat(made, how="diagonal")


def _band() -> pl.Expr:
    """The band of the age; null where that is not known."""
    return pl.coalesce(pl.when(pl.col("age") >= since).then(pl.lit(band)) for band, since in reversed(_BANDS.items()))


def _has(told: Told, dataset: str, day: date) -> bool:
    return dataset in told.spans and told.spans[dataset][0] <= day


def _of_persons(told: Told, begins: date, day: date) -> dict[str, pl.DataFrame]:
    """By the measure, of whom it is true: pid; without those of datasets that never came."""
    made: dict[str, pl.DataFrame] = {}
    if _has(told, "insurance.health_membership", day):
        cards = insured(told, day)
        for by in ("work", "budget", "household"):
            made[f"insured_by_{by}"] = cards.filter(pl.col("by") == by).select("pid")
    if _has(told, "insurance.contributions", day):
        paid = told.now("contributions").filter(pl.col("entry_kind") == "BT", pl.col("contribution_month") == begins)
        made["workers"] = paid.select(pid="personal_id").unique()
    if _has(told, "insurance.benefits", day):
        made["pensioners"] = pensions(told, begins, begins).select("pid")
    if _has(told, "social.assistance", day):
        cases = assisted(told, day)
        for name, kind in (("social_pensions", "HTXH"), ("assisted", "TC")):
            made[name] = cases.filter(pl.col("kind") == kind).select("pid")
    if _has(told, "education.pupils", day):
        made["pupils"] = at_school(told, day)
    if _has(told, "health.records", day):
        made["with_record"] = with_record(told, day)
    if _has(told, "health.visits", day):
        seen = told.now("visits").filter(pl.col("ngay_ra").dt.date().dt.month_start() == begins)
        made["visits"] = seen.select(pid=pl.coalesce("so_cccd", "ma_bn"))
        made["patients"] = made["visits"].unique()
    return made


def _of_events(told: Told, begins: date, day: date) -> dict[str, pl.DataFrame]:
    """By the measure, where it happened to persons of which age."""
    made: dict[str, pl.DataFrame] = {}

    def add(name: str, rows: pl.DataFrame, on: pl.Expr, ward: str, birth: str = "birth_date") -> None:
        rows = rows.with_columns(_on=on).filter(pl.col("_on").is_between(begins, day))
        placed = carried(rows, ward).select(*_WARD, age=years(birth, pl.col("_on")))
        placed = pl.concat([made[name], placed]) if name in made else placed
        made[name] = placed.select(*_WARD, "age")

    registered, at = pl.col("registration_date"), "registration_ward"
    if _has(told, "civil.births", day):
        add("births", told.now("births"), pl.col("birth_date"), at)
        add("births_registered", told.now("births"), registered, at)
    if _has(told, "civil.deaths", day):
        add("deaths", told.now("deaths"), pl.col("death_at").dt.date(), at)
        add("deaths_registered", told.now("deaths"), registered, at)
    if _has(told, "civil.marriages", day):
        add("married", told.now("marriages"), registered, at, "husband_birth_date")
        add("married", told.now("marriages"), registered, at, "wife_birth_date")
    lives = told.ever("residents").filter(pl.col("residence_kind").is_in(["TT", "TTR"]))
    key = ["personal_id", "residence_kind"]
    came = lives.filter(pl.col("change_reason") == "DEN").sort("valid_from")
    add("moved_in", came.unique([*key, "registered_on"], keep="first"), pl.col("registered_on"), "ward")
    goes_on = lives.filter(pl.col("change_reason") != "DEN").select(*key, valid_to="valid_from")
    left = lives.filter(pl.col("valid_to").is_not_null()).join(goes_on, on=[*key, "valid_to"], how="anti")
    if "civil.deaths" in told.datasets:
        left = left.join(told.now("deaths").select("personal_id"), on="personal_id", how="anti")
    add("moved_out", left, pl.col("valid_to"), "ward")
    return made


def coverage_ward_quarter(told: Told) -> pl.DataFrame:
    """The mart of that name, without the wards' names and the percentages."""
    first, last = told.spans["police.residents"]
    made = []
    for begins, day in periods(first, last, 3, 5):
        covered = {
            "insured": insured(told, day),
            "with_record": with_record(told, day),
            "at_school": at_school(told, day),
            "with_pension": pl.concat(
                [
                    pensions(told, begins, day).filter("is_known").select("pid"),
                    assisted(told, day).filter(pl.col("kind") == "HTXH").select("pid"),
                ]
            ),
        }
        rows = residents(told, day)
        is_child, is_old = pl.col("age").is_between(6, 14), pl.col("age") >= 75
        has = {name: pl.col("pid").is_in(whom["pid"].unique().to_list()) for name, whom in covered.items()}
        of_residents = rows.group_by(_WARD).agg(
            residents=pl.len(),
            insured=has["insured"].sum(),
            with_record=has["with_record"].sum(),
            children_6_14=is_child.sum(),
            at_school=(is_child & has["at_school"]).sum(),
            aged_75=is_old.sum(),
            aged_with_pension=(is_old & has["with_pension"]).sum(),
        )
        of_births = _newborns(told, begins, day)
        numbers = [name for name in (*of_residents.columns, *of_births.columns) if name not in _WARD]
        both = of_residents.join(of_births, on=_WARD, how="full", coalesce=True, nulls_equal=True)
        made.append(
            both.with_columns(pl.col(numbers).fill_null(0).cast(pl.Int64)).with_columns(
                quarter=pl.lit(begins),
                state_on=pl.lit(day),
                inputs_lacking=pl.lit(told.lacking(_OF_QUARTER, begins, day, ["civil.births"]), pl.String),
            )
        )
    return pl.concat(made)


def _newborns(told: Told, begins: date, day: date) -> pl.DataFrame:
    """Of the births whose 30th or 60th day falls into a period: how many have a card, or were registered, by then."""
    since, _ = told.spans["insurance.health_membership"]
    cards = told.ever("health_membership").group_by("personal_id").agg(told_on=pl.col("valid_from").min())
    births = carried(told.now("births"), "registration_ward").join(cards, on="personal_id", how="left")
    at_30, at_60 = pl.col("birth_date") + timedelta(days=30), pl.col("birth_date") + timedelta(days=60)
    births = births.filter((at_60 >= begins) & (at_30 <= day))
    is_due = pl.col("personal_id").is_not_null() & at_30.is_between(begins, day)
    due_60 = at_60.is_between(begins, day)
    return births.group_by(_WARD).agg(
        newborns_due=is_due.sum(),
        newborns_with_card=(is_due & (pl.col("told_on") <= pl.max_horizontal(at_30, pl.lit(since)))).sum(),
        births_due=due_60.sum(),
        births_in_time=(due_60 & (pl.col("registration_date") <= at_60)).sum(),
    )


def person_span(told: Told) -> pl.DataFrame:
    """The mart of that name as long as nothing is linked: a personal id is a person, looked at day by day."""
    _, last = told.spans["police.residents"]
    homes: dict[str, list[dict[str, Any]]] = defaultdict(list)
    lives = told.ever("residents").filter(pl.col("residence_kind").is_in(["TT", "TTR"]))
    for row in lives.iter_rows(named=True):
        homes[row["personal_id"]].append(
            row | {"since": row["valid_from"], "until": row["valid_to"], "told_by": "police.residents"}
        )
    births = told.now("births").filter(pl.col("personal_id").is_not_null())
    for row in (
        births.sort("registration_date", descending=True).unique("personal_id", keep="last").iter_rows(named=True)
    ):
        known = min((home["since"] for home in homes[row["personal_id"]]), default=None)
        is_late = _later(row["birth_date"], 12) < row["registration_date"]
        since = row["registration_date"] if is_late else row["birth_date"]
        if known is None or known > since:
            homes[row["personal_id"]].append(
                row
                | {"since": since, "until": known, "told_by": "civil.births", "residence_kind": None}
                | {"ward": row["registration_ward"], "ward_valid_from": row["registration_ward_valid_from"]}
                | {"household_no": None}
            )
    deaths = {
        row["personal_id"]: row
        for row in told.now("deaths").sort("death_at", descending=True).iter_rows(named=True)
        if row["personal_id"] is not None
    }
    made: list[dict[str, Any]] = []
    for person, known_homes in homes.items():
        died_on = deaths[person]["death_at"].date() if person in deaths else None
        made += _spans(person, known_homes, died_on, last)
    for person, row in deaths.items():
        made.append(_span(person, row | dict.fromkeys(_HOME), row["death_at"].date(), None, row["death_at"].date()))
    return pl.DataFrame(made, infer_schema_length=None)


_HOME = ("residence_kind", "ward", "ward_valid_from", "household_no", "told_by")


def _spans(person: str, homes: Sequence[dict[str, Any]], died_on: date | None, last: date) -> Iterator[dict[str, Any]]:
    """Where somebody lives on each day, as spans of days with one home."""
    days = [day for home in homes for day in (home["since"], home["until"] or last)]
    where: list[tuple[date, dict[str, Any] | None]] = []
    for number in range((max(*days, last) - min(days)).days + 1):
        day = min(days) + timedelta(days=number)
        there = [home for home in homes if home["since"] <= day and (home["until"] is None or home["until"] > day)]
        is_dead = died_on is not None and day >= died_on
        where.append((day, None if is_dead or not there else max(there, key=lambda home: home["residence_kind"] or "")))
    for home, group in groupby(where, key=lambda each: each[1] and tuple(each[1][name] for name in _HOME)):
        if home is None:
            continue
        *_, (day, row) = together = list(group)
        assert row is not None
        goes_on = row["until"] is None and day == where[-1][0]
        until = None if goes_on else day + timedelta(days=1)
        yield _span(person, row, together[0][0], until, min(day, last))


def _span(person: str, row: dict[str, Any], since: date, until: date | None, looked_at: date) -> dict[str, Any]:
    born = row["birth_date"]
    return {
        "person": person,
        "is_linked": False,
        "personal_id": person,
        "since": since,
        "until": until,
        "alive": row["told_by"] is not None,
        **{name: row[name] for name in _HOME},
        "told_by": row["told_by"] or "civil.deaths",
        "birth_date": born,
        "age": born and looked_at.year - born.year - ((looked_at.month, looked_at.day) < (born.month, born.day)),
    }
