"""The person across agencies: who is linked, who is not, and that a person's number stays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape
from typer.testing import CliRunner

from etl.cli import app
from etl.contract import ContractError, load_all
from etl.linkage import declared, levels, names, number, persons, probable
from etl.linkage.explain import Weight
from etl.linkage.link import link
from etl.linkage.number import PAIR, RECORD
from etl.linkage.page import page as page_of
from etl.linkage.review import SHOWN, NoSuchPair, Pair, decide, pairs
from etl.pipeline.pipeline import Pipeline
from simulate import write_city
from simulate.identity import seen
from tests.city import query, walk
from tests.linkage.rows import LINKAGE, NO_DECISIONS, as_records, learnt

SECRET = b"secret"


def records(*said: dict[str, object]) -> pl.DataFrame:
    """Records as the warehouse holds them; what is not said is as of everybody's."""
    usual = {
        "dataset": "health.visits", "name": "Nguyễn Thị Hòa", "birth": date(1985, 3, 25), "birth_precision": "D",
        "sex": "2", "ward": "26740", "known_since": datetime(2026, 1, 1, tzinfo=UTC),
    }  # fmt: skip
    rows = [usual | {"key": str(n)} | row for n, row in enumerate(said)]
    return as_records(pl.DataFrame(rows, infer_schema_length=None))


def who(rows: pl.DataFrame, decisions: pl.DataFrame = NO_DECISIONS) -> list[int]:
    """Which records are of one person: a number for each, in the order of their keys."""
    found = persons.linked(rows, LINKAGE, decisions, SECRET).records.sort(pl.col("key").cast(pl.Int64))
    seen_: dict[str, int] = {}
    return [seen_.setdefault(person, len(seen_)) for person in found["person"]]


@pytest.mark.parametrize(
    "written",
    [
        "Nguyen Thi Hoa",
        "NGUYỄN THỊ HÒA",
        "Nguyeenx Thij Hoaf",
        "Hòa Thị Nguyễn",
        "N T Hòa",
        "Nguyễn Hòa",
        "Nguyễn Thị Hoà",
    ],
)
def test_an_id_links_a_name_written_in_any_of_the_wrong_ways(written: str) -> None:
    assert who(records({"personal_id": "079185000001"}, {"personal_id": "079185000001", "name": written})) == [0, 0]


@pytest.mark.parametrize(
    ("born", "precision"),
    [((1985, 1, 1), "Y"), ((1985, 3, 1), "M"), ((1985, 3, 26), "D"), ((1985, 3, 15), "D"), ((1986, 3, 25), "D")],
)
def test_an_id_links_a_birth_that_differs_as_slips_of_the_pen_do(born: tuple[int, int, int], precision: str) -> None:
    other = {"personal_id": "079185000001", "birth": date(*born), "birth_precision": precision}
    assert who(records({"personal_id": "079185000001"}, other)) == [0, 0]


def test_without_a_birth_an_id_links_the_whole_name_alone() -> None:
    hers = {"personal_id": "079185000001"}
    unborn = hers | {"birth": None, "birth_precision": None}
    assert who(records(hers, unborn | {"name": "Nguyen Thi Hoa"}, unborn | {"name": "Nguyễn Hòa"})) == [0, 0, 1]


def test_somebody_elses_id_links_nobody() -> None:
    says_hers = {"personal_id": "079185000001", "name": "Trần Văn Minh", "sex": "1"}
    of_another_year = {"personal_id": "079185000001", "birth": date(1961, 11, 2)}
    hers = {"personal_id": "079185000001"}
    assert who(records(hers, hers, says_hers, of_another_year)) == [0, 0, 1, 2]


def test_an_older_identity_card_and_the_insurance_number_lead_to_the_same_person() -> None:
    register = {"dataset": "police.residents", "personal_id": "079185000001", "former_id": "023456789"}
    old_card = {"personal_id": "023456789"}
    member = {"dataset": "insurance.health_membership", "personal_id": "079185000001", "insurance_no": "7900000001"}
    without_id = {"dataset": "insurance.benefits", "insurance_no": "7900000001"}
    not_hers = {"dataset": "insurance.benefits", "insurance_no": "7900000001", "name": "Lê Quốc Khoa"}
    assert who(records(register, old_card, member, without_id, not_hers)) == [0, 0, 0, 0, 1]


def test_a_number_of_two_persons_links_neither() -> None:
    """As a card that a clerk copied from one row to the next: whose it is, no record without an id can say."""
    one, other = (
        {"personal_id": "079185000001", "card": "1234567890"},
        {"personal_id": "079185000002", "card": "1234567890"},
    )
    assert who(records(one, other, {"card": "1234567890"})) == [0, 1, 2]


def test_names_that_are_no_vietnamese_ones_are_left_as_they_are() -> None:
    made = names.forms(pl.Series(["James Foster", "Zoë", None]))
    assert made["plain"].to_list() == ["james foster", "zoe", None]


def test_what_a_person_decides_is_done_and_outlives_linking_anew() -> None:
    rows = records({"personal_id": "079185000001"}, {"personal_id": "079185000002"}, {"name": "Nguyễn Thị Hòa"})
    pair = dict(zip(PAIR, ("health.visits", "", "0", "health.visits", "", "2"), strict=True))
    assert who(rows, pl.DataFrame([pair | {"is_same": True}])) == [0, 1, 0]
    assert who(rows, pl.DataFrame([pair | {"is_same": False}])) == [0, 1, 2]


RECORDS = st.lists(
    st.tuples(
        st.integers(0, 5),  # whose: those of one number are found to be of one person
        st.sampled_from([None, "a", "b"]),  # the id that is believed
        st.integers(0, 9),  # day of arrival
    ),
    min_size=1,
    max_size=12,
)


def numbered(said: list[tuple[int, str | None, int]], order: list[int]) -> dict[str, str]:
    """The number of each record's person; ids belong to a person each, as they do when they are believed."""
    rows = pl.DataFrame(
        [
            ("d", "", str(n), f"{who_}{id_}" if id_ else None, who_, datetime(2026, 1, 1) + timedelta(days=day))
            for n, (who_, id_, day) in enumerate(said)
        ],
        [*RECORD, "anchor", "person", "known_since"],
        orient="row",
    )[order]
    return dict(zip(rows["key"], number.numbers(rows, SECRET), strict=True))


@given(RECORDS, st.data())
def test_numbers_do_not_depend_on_the_order_of_deliveries(
    said: list[tuple[int, str | None, int]], data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(len(said))))
    assert numbered(said, order) == numbered(said, list(range(len(said))))
    made = numbered(said, order)
    assert {(made[str(n)]) for n, _ in enumerate(said)} == set(made.values())
    assert len(set(made.values())) == len({who_ for who_, _, _ in said})


@given(RECORDS, RECORDS)
def test_a_late_delivery_changes_no_number(
    said: list[tuple[int, str | None, int]], late: list[tuple[int, str | None, int]]
) -> None:
    """Whatever it tells, and of whom: it arrived later than all before it."""
    all_ = said + [(who_, id_, 10 + day) for who_, id_, day in late]
    before, after = numbered(said, list(range(len(said)))), numbered(all_, list(range(len(all_))))
    assert {key: after[key] for key in before} == before


@given(RECORDS, st.data())
def test_a_withdrawal_changes_no_number_of_those_whose_first_record_stays_or_who_have_an_id(
    said: list[tuple[int, str | None, int]], data: st.DataObject
) -> None:
    said = [(who_, id_ and "a", day) for who_, id_, day in said]  # one id a person
    gone = set(data.draw(st.lists(st.sampled_from(range(len(said))))))
    stay = [n for n in range(len(said)) if n not in gone]
    before, after = numbered(said, list(range(len(said)))), numbered(said, stay)
    first = {who_: min((day, str(n)) for n, (w, _, day) in enumerate(said) if w == who_) for who_, _, _ in said}
    for n in stay:
        who_ = said[n][0]
        left = min((said[m][2], str(m)) for m in stay if said[m][0] == who_)
        named_by_id = said[int(first[who_][1])][1] and said[int(left[1])][1]
        if left == first[who_] or named_by_id:
            assert after[str(n)] == before[str(n)]


def test_who_became_another_is_written_down() -> None:
    def of(*numbers: str) -> pl.DataFrame:
        rows = [("d", "", str(n), person) for n, person in enumerate(numbers)]
        return pl.DataFrame(rows, [*RECORD, "person"], orient="row")

    found = number.changes(of("A", "A", "B", "C", "C"), of("A", "D", "A", "C", "C"))
    assert set(found.select("person", "became", "records", "kind").rows()) == {
        ("A", "D", 1, "split"),
        ("B", "A", 1, "merged"),
    }


def test_without_any_id_nearly_all_are_linked_and_nearly_nobody_wrongly() -> None:
    """At 3,000 persons; `make linkage` says what comes of a million."""
    rows = seen(5, 3_000, date(2026, 3, 2), missing_id=1.0, wrong_id=0.0)
    said = as_records(rows)
    model = learnt(said)

    def compare(grouped: pl.DataFrame) -> persons.Probable:
        return probable.found(grouped, LINKAGE, model)[0]

    found = persons.linked(said, LINKAGE, NO_DECISIONS, SECRET, compare).records
    found = found.join(rows.select("dataset", "key", whose="person"), on=["dataset", "key"])
    of_register = found.filter(pl.col("dataset") == "police.residents").select("person", truly="whose")
    others = found.filter(pl.col("dataset") != "police.residents").join(of_register, on="person", how="left")
    registered = others.filter(pl.col("whose").is_in(of_register["truly"].implode()))
    linked = others.filter(pl.col("truly").is_not_null())
    assert (linked["truly"] == linked["whose"]).mean() >= 0.999
    assert (registered["truly"] == registered["whose"]).fill_null(False).mean() >= 0.98


DATASETS = ("police/residents", "civil/births", "health/records", "insurance/health_membership")


@pytest.fixture(scope="module")
def linked(
    tmp_path_factory: pytest.TempPathFactory, new_pipeline: Callable[..., Pipeline]
) -> tuple[Pipeline, list[Path]]:
    """A small city of two days, of which the second is not there yet."""
    out = tmp_path_factory.mktemp("city")
    write_city(out, people=1_500, days=2, seed=3, is_whole=True)
    files = sorted(p for p in (out / "days").rglob("*") if p.is_file() and str(p.parent).endswith(DATASETS))
    pipeline = new_pipeline()
    last = max(file.relative_to(out / "days").parts[0] for file in files)
    walk(pipeline, [file for file in files if file.relative_to(out / "days").parts[0] != last])
    link(pipeline.ledger, pipeline.storage, pipeline.contracts, pipeline.settings.key)
    return pipeline, [file for file in files if file.relative_to(out / "days").parts[0] == last]


def numbers_of(pipeline: Pipeline) -> dict[tuple[str, str, str], str]:
    rows = query(pipeline, "SELECT dataset, role, key, person FROM link.person_record").rows()
    return {row[:3]: row[3] for row in rows}


def test_numbers_stay_through_a_late_delivery_a_withdrawal_and_all_anew(linked: tuple[Pipeline, list[Path]]) -> None:
    pipeline, late = linked
    first = numbers_of(pipeline)
    registered = query(pipeline, "SELECT DISTINCT personal_id FROM people.residents").height
    assert registered > 300
    assert query(pipeline, "SELECT count(*) FROM link.person WHERE datasets > 1").item() > 100
    walk(pipeline, late)
    link(pipeline.ledger, pipeline.storage, pipeline.contracts, pipeline.settings.key)
    second = numbers_of(pipeline)
    assert {record: second[record] for record in first} == first
    entry = next(e for e in pipeline.ledger.all("health.records") if e.file_name == min(
        e.file_name for e in pipeline.ledger.all("health.records")
    ))  # fmt: skip
    pipeline.withdraw(entry.dataset, entry.delivery_id, "a mistake")
    link(pipeline.ledger, pipeline.storage, pipeline.contracts, pipeline.settings.key)
    third = numbers_of(pipeline)
    assert len(third) < len(second)
    assert {record: second[record] for record in third} == third
    with pipeline.engine.begin() as connection:
        for table in ("person", "person_record", "review", "change"):
            connection.execute(sa.text(f"DELETE FROM link.{table}"))
    link(pipeline.ledger, pipeline.storage, pipeline.contracts, pipeline.settings.key)
    assert numbers_of(pipeline) == third


def test_rows_that_do_not_change_are_not_written_again(linked: tuple[Pipeline, list[Path]]) -> None:
    """A day then costs by the day in PostgreSQL too: its log, its replicas, its vacuum."""
    pipeline, _ = linked
    written_by = "SELECT xmin::text FROM link.{} ORDER BY ctid"
    tables = ("person", "person_record", "review")
    link(pipeline.ledger, pipeline.storage, pipeline.contracts, pipeline.settings.key)
    before = [query(pipeline, written_by.format(table)).rows() for table in tables]
    assert all(before[:2])
    with pipeline.engine.begin() as connection:
        wrong = "UPDATE link.person SET records = 99 WHERE person = (SELECT min(person) FROM link.person)"
        connection.execute(sa.text(wrong))
    link(pipeline.ledger, pipeline.storage, pipeline.contracts, pipeline.settings.key)
    after = [query(pipeline, written_by.format(table)).rows() for table in tables]
    assert [len(rows) for rows in after] == [len(rows) for rows in before]
    assert after[1:] == before[1:]
    assert len(set(after[0]) - set(before[0])) == 1, "one person was written"


def test_a_decision_is_kept_and_asked_for_once(
    linked: tuple[Pipeline, list[Path]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pipeline, _ = linked
    monkeypatch.setenv("CITYDW_DATABASE_URL", str(pipeline.settings.database_url))
    monkeypatch.setenv("CITYDW_HOME", str(pipeline.settings.home))
    (dataset, role, one), other = sorted(numbers_of(pipeline))[0], sorted(numbers_of(pipeline))[-1]
    with pipeline.engine.begin() as connection:
        values = dict(zip(PAIR, (dataset, role, one, *other), strict=True))
        connection.execute(
            sa.text(
                f"INSERT INTO link.review ({', '.join(PAIR)}, probability)"
                f" VALUES ({', '.join(':' + name for name in PAIR)}, 0.9)"
            ),
            values,
        )
    pair = next(p for p in pairs(pipeline.ledger, pipeline.contracts, 100) if p.probability == 0.9)
    assert all(pair.said["name"])
    assert {"name", "birth", "sex"} <= {weight.field for weight in pair.weights}
    shown = CliRunner().invoke(app, ["link", "review", "--count", "100"])
    assert shown.exit_code == 0 and pair.name in shown.output and " bits" in shown.output
    page = tmp_path / "page.html"
    assert CliRunner().invoke(app, ["link", "review", "--count", "100", "--page", str(page)]).exit_code == 0
    assert page.stat().st_mode & 0o777 == 0o600, "it holds personal data of several agencies"
    text = page.read_text("utf-8")
    assert all(escape(said) in text for both in pair.said.values() for said in both)
    assert f"citydw link decide {pair.name} same" in text and f"citydw link decide {pair.name} different" in text
    assert "<script" not in text and "http" not in text.replace("http-equiv", "")
    decision = [pair.name, "same", "--by", "Lan", "--reason", "the same address"]
    assert CliRunner().invoke(app, ["link", "decide", *decision]).exit_code == 0
    with pytest.raises(NoSuchPair):
        decide(pipeline.ledger, pair.name, is_same=True, by="Lan", reason="again")
    assert CliRunner().invoke(app, ["link"]).exit_code == 0
    found = numbers_of(pipeline)
    assert found[dataset, role, one] == found[other]


def test_the_page_of_pairs_says_all_fields_and_levels_in_both_languages_and_runs_nothing_that_agencies_wrote() -> None:
    evil = "<script>alert(1)</script>"
    of_kinds = [level.name for kind in levels.KINDS for level in levels.of("name", kind)]
    weights = {field: [Weight(field, level, 1.0) for level in (*of_kinds, "differs")] for field in declared.FIELDS}
    records_ = (("health.visits", "", evil), ("civil.marriages", "wife", evil))
    pair = Pair("0123456789", 0.7, records_, dict.fromkeys(SHOWN, (evil, evil)), [Weight("name", "same", 9.0)])
    text = page_of([pair], -20.0, weights, load_all(), datetime.now(UTC))
    assert evil not in text and str(escape(evil)) in text
    assert "Ngày sinh" in text and "khác thứ tự" in text


def test_nobody_reads_who_is_who_but_those_for_whom_it_is_granted(linked: tuple[Pipeline, list[Path]]) -> None:
    pipeline, _ = linked
    for role in ("citydw_reader", "citydw_analyst"):
        with pipeline.engine.connect() as connection:
            connection.execute(sa.text(f"SET ROLE {role}"))
            with pytest.raises(sa.exc.ProgrammingError) as refused:
                connection.execute(sa.text("SELECT count(*) FROM link.person_record"))
            assert isinstance(refused.value.orig, psycopg.errors.InsufficientPrivilege)
    with pipeline.engine.connect() as connection:
        connection.execute(sa.text("SET ROLE citydw_linkage"))
        assert connection.execute(sa.text("SELECT count(*) FROM link.person_record")).scalar() > 0


def test_a_declaration_that_cannot_be_used_is_refused_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "linkage.yaml"
    said = Path(declared.EXPECTATIONS / "linkage.yaml").read_text("utf-8")
    for wrong, told in (
        (said.replace("name: full_name", "name: fullname", 1), "has no column 'fullname'"),
        (said.replace("- [phone]", "- [telephone]"), "'telephone' is none of"),
        (said.replace("  ward: equal\n", ""), "what is of kind address needs the ward"),
        (said.replace("link: 0.96", "link: 2"), "must be a probability"),
    ):
        file.write_text(wrong, "utf-8")
        with pytest.raises(ContractError, match=told):
            declared.read(load_all(), file)
