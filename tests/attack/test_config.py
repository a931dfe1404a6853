"""A contract and a suite are data: whoever may edit one gets nothing run by it, and hears so before any file comes.

Each attack tries to make a file, the canary; none does.
"""

from __future__ import annotations

import json
import re
import shutil
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import sqlglot
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from etl import site
from etl.contract import ContractError, load, load_all, read_all
from etl.delivery.messages import WRONG_CONTRACT
from etl.pipeline import lint
from etl.pipeline.pipeline import Pipeline
from etl.settings import EXPECTATIONS
from etl.validate.grammar import LONGEST, refusal
from etl.warehouse.migrate import migrate
from etl.warehouse.names import literal, named
from tests import TESTS

DATASET = "education.schools"
SCHOOLS = TESTS / "schools"
CANARY = "/tmp/citydw-canary-of-a-suite"
TOUCH = f"touch {CANARY}"
CSV = "ma_truong,ten_truong,ngay_thanh_lap,dien_thoai,so_hoc_sinh\n79000701,Trường A,05/09/1877,,1250\n"
META = {"rule": "attack", "vi": "Sai.", "en": "Wrong.", "dimension": "validity", "responsible": "agency"}
BETWEEN = "expect_column_values_to_be_between"

# What an author writes into a suite as one more expectation -> what is found in it.
OF_SUITE: dict[str, tuple[dict[str, Any], str]] = {
    "a command in pandas' language": (
        {
            "type": BETWEEN,
            "kwargs": {
                "column": "pupils",
                "min_value": 0,
                "row_condition": f"@pd.io.common.os.system('{TOUCH}')==0",
                "condition_parser": "pandas",
            },
        },
        "knows no 'row_condition'",
    ),
    "a command by the agency's own cells": (
        {
            "type": "expect_column_values_to_not_be_null",
            "kwargs": {
                "column": "name",
                "row_condition": "name.map(@pd.io.common.os.system)==0",
                "condition_parser": "pandas",
            },
        },
        "knows no 'row_condition'",
    ),
    "a query": (
        {"type": "unexpected_rows_expectation", "kwargs": {"unexpected_rows_query": "SELECT pg_read_file('x')"}},
        "no expectation is called 'unexpected_rows_expectation'",
    ),
    "a query on another source": (
        {
            "type": "expect_query_results_to_match_comparison",
            "kwargs": {"base_query": "SELECT 1", "comparison_data_source_name": "a", "comparison_query": "SELECT 1"},
        },
        "no expectation is called",
    ),
    "a schema that would be fetched": (
        {
            "type": "expect_column_values_to_match_json_schema",
            "kwargs": {"column": "name", "json_schema": {"$ref": "http://127.0.0.1:1/x"}},
        },
        "no expectation is called",
    ),
    "all values of a column onto a page": (
        {"type": "expect_column_distinct_values_to_be_in_set", "kwargs": {"column": "name", "value_set": ["x"]}},
        "no expectation is called",
    ),
    "a parameter that is reckoned": (
        {"type": BETWEEN, "kwargs": {"column": "pupils", "min_value": {"$PARAMETER": "now() - 1"}}},
        "min_value is {'$PARAMETER'",
    ),
    "a file in a condition": (
        {
            "type": "expect_row_condition",
            "kwargs": {
                "column_list": ["pupils", "name"],
                "condition": "name NOT IN (SELECT name FROM read_csv('/etc/passwd'))",
            },
        },
        "SELECT is neither a column",
    ),
    "a condition of the comparison with the past": (
        {"type": "expect_like_the_past", "kwargs": {"measure": "rows", "condition": "EXISTS (SELECT 1)"}},
        "is one line of the contract",
    ),
    "a page of its own": (
        {"type": BETWEEN, "kwargs": {"column": "pupils", "min_value": 0}, "notes": "<script src=//x></script>"},
        "notes are not shown here",
    ),
    "a page in the meta": (
        {
            "type": BETWEEN,
            "kwargs": {"column": "pupils", "min_value": 0},
            "meta": META | {"notes": {"format": "markdown", "content": ["<script>"]}},
        },
        "meta: unknown field 'notes'",
    ),
}

# What an author changes in a contract -> what is found in it.
OF_CONTRACT: dict[str, tuple[str, str, str]] = {
    "a command as a table": (
        "physicalName: people.schools",
        f"""physicalName: "people.e as select 1;copy(select 1)to program '{TOUCH}'--" """,
        "must be schema.table",
    ),
    "a schema of ours": ("physicalName: people.schools", "physicalName: ops.delivery", "no dataset's table stands"),
    "a schema of all": ("physicalName: people.schools", "physicalName: public.schools", "no dataset's table stands"),
    "a catalogue's table": (
        "physicalName: people.schools",
        "physicalName: pg_catalog.pg_proc",
        "no dataset's table stands",
    ),
    "a quotation mark in a name": ("name: opened_on", "name: 'opened_on\" date); --'", "name is"),
    "Python's object": (
        "status: active",
        f"status: !!python/object/apply:os.system ['{TOUCH}']",
        "line 6, column 9: not YAML: could not determine a constructor",
    ),
    "values without number": (
        "status: active",
        "status: active\ntags2:\n" + "".join(f"- &a{n} [{f'*a{n - 1},' * 9 if n else 'x'}]\n" for n in range(9)),
        "repeat more than a file can hold",
    ),
    "a value within itself": (
        "status: active",
        "status: active\ntags2: &a [*a]",
        "repeat more than a file can hold",
    ),
    "endless depth": ("status: active", "status: " + "[" * 5000, "nested too deep"),
    "a list that is a path": (
        "value: phone}",
        "value: code}\n          - {property: codeList, value: ../../../../tmp/x}",
        "there is no list '../../../../tmp/x'",
    ),
    "a link that runs": (
        "url: mailto:kehoach@example.gov.vn",
        "url: 'javascript:alert(1)'",
        "support: url is 'javascript:alert(1)'",
    ),
    "a sign that ends a statement": ("businessName: Mã trường", 'businessName: "Mã\\0"', "it holds the sign U+0000"),
    "a command to a terminal": ("businessName: Mã trường", 'businessName: "\\e]0;x\\a"', "it holds the sign U+001B"),
    "half a character": ("businessName: Mã trường", 'businessName: "\\ud800"', "invalid Unicode character"),
}
NO_ENCODINGS = (
    "zlib", "rot13", "idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "utf-7",
    "hex", "bz2", "base64", "../codecs",
)  # fmt: skip


@pytest.fixture(autouse=True)
def no_canary() -> Any:
    Path(CANARY).unlink(missing_ok=True)
    yield
    assert not Path(CANARY).exists(), "the attack was run"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("gx"))


def schools(tmp_path: Path, *expectations: dict[str, Any], **changes: Any) -> Path:
    """The schools' contract and suite in a folder of their own, with more expectations and other fields."""
    folder = tmp_path / "expectations"
    shutil.copytree(SCHOOLS, folder / "education")
    shutil.copy(EXPECTATIONS / "great_expectations.yml", folder)
    path = folder / "education" / "schools.json"
    suite = json.loads(path.read_text("utf-8")) | changes
    suite["expectations"] += [{"severity": "warning", "meta": META} | expectation for expectation in expectations]
    path.write_text(json.dumps(suite), "utf-8")
    return folder


def with_contract(tmp_path: Path, before: str, after: str) -> Path:
    folder = schools(tmp_path)
    path = folder / "education" / "schools.yaml"
    text = path.read_text("utf-8")
    assert before in text
    path.write_text(text.replace(before, after, 1), "utf-8")
    return folder


def found(folder: Path, home: str) -> list[ContractError]:
    return list(lint.errors(read_all(folder), DATASET, home))


@pytest.mark.parametrize("attack", OF_SUITE)
def test_nothing_of_a_suite_is_run(tmp_path: Path, home: str, attack: str) -> None:
    expectation, told = OF_SUITE[attack]
    folder = schools(tmp_path, expectation)
    (error,) = found(folder, home)
    assert error.path == folder / "education" / "schools.json"
    assert any("expectation 3" in finding and told in finding for finding in error.findings), error.findings


@pytest.mark.parametrize("changes", [{"suite_parameters": {"x": "now()"}}, {"notes": "<script>"}, {"meta": {"a": 1}}])
def test_a_suite_has_no_fields_that_are_reckoned_or_shown(tmp_path: Path, home: str, changes: Any) -> None:
    (error,) = found(schools(tmp_path, **changes), home)
    assert error.path.name == "schools.json"


def test_a_file_that_comes_meanwhile_waits(
    tmp_path: Path, new_pipeline: Callable[..., Pipeline], send: Callable[..., Any]
) -> None:
    pipeline = new_pipeline(schools(tmp_path, OF_SUITE["a command in pandas' language"][0]))
    entry = send(pipeline, "education/schools", "schools_2026-09-01.csv", CSV.encode("utf-8-sig"))
    assert (entry.state, entry.rule) == ("held", WRONG_CONTRACT)


@pytest.mark.parametrize("attack", OF_CONTRACT)
def test_nothing_of_a_contract_is_run(tmp_path: Path, home: str, attack: str) -> None:
    before, after, told = OF_CONTRACT[attack]
    folder = with_contract(tmp_path, before, after)
    error = read_all(folder).wrong[DATASET]
    assert error.path == folder / "education" / "schools.yaml"
    assert any(told in finding for finding in error.findings), error.findings


@pytest.mark.parametrize("name", NO_ENCODINGS)
def test_what_is_no_encoding_of_files_is_refused(tmp_path: Path, name: str) -> None:
    error = read_all(with_contract(tmp_path, "encoding: utf-8-sig", f"encoding: {name}")).wrong[DATASET]
    assert f"encoding is {name!r}, which is no encoding of files" in str(error)


@pytest.mark.parametrize(
    "name", ["utf-16", "latin-1", "windows-1258", "iso-8859-15", "tcvn3", "Shift-JIS", "mac_roman"]
)
def test_what_is_one_is_taken(tmp_path: Path, name: str) -> None:
    assert not read_all(with_contract(tmp_path, "encoding: utf-8-sig", f"encoding: {name}")).wrong


@pytest.mark.parametrize("name", ["a b", "Tax", "tax;drop", "a" * 49, "tax%s"])
def test_an_agency_whose_folder_is_no_name_has_no_datasets(tmp_path: Path, name: str) -> None:
    folder = schools(tmp_path)
    (folder / "education").rename(folder / name)
    (error,) = read_all(folder).wrong.values()
    assert "can be no agency's" in str(error)


def test_odd_texts_break_no_statement_and_no_page(
    tmp_path: Path, new_pipeline: Callable[..., Pipeline], send: Callable[..., Any]
) -> None:
    odd = "A :x %s %(a)s 100% '; -- \\ $$ {{ 7*7 }} {x} <img src=x onerror=alert(1)> “”"
    folder = schools(tmp_path, {"type": BETWEEN, "kwargs": {"column": "pupils", "min_value": 5000}})
    contract, suite = folder / "education" / "schools.yaml", folder / "education" / "schools.json"
    said = json.loads(suite.read_text("utf-8"))
    said["expectations"][-1]["meta"] |= {"vi": odd.replace("{{ 7*7 }} {x}", ""), "en": odd.replace("{{ 7*7 }} {x}", "")}
    suite.write_text(json.dumps(said), "utf-8")
    text = contract.read_text("utf-8")
    for plain in ("Danh sách trường học", "Toàn bộ trường học đang hoạt động tại một thời điểm.", "Tên trường."):
        assert plain in text
        text = text.replace(plain, odd)
    contract.write_text(text, "utf-8")
    assert not read_all(folder).wrong
    pipeline = new_pipeline(folder)
    assert migrate(pipeline.engine, pipeline.contracts.values()) == [], "what was made is as it was meant"
    with pipeline.engine.connect() as connection:
        comment = "SELECT obj_description(CAST('people.schools_current' AS regclass))"
        assert odd.replace("'", "’") in str(connection.execute(sa.text(comment)).scalar())
    entry = send(pipeline, "education/schools", "schools_2026-09-01.csv", CSV.encode("utf-8-sig"))
    assert entry.state == "loaded", entry.message_en
    site.build(pipeline.storage, pipeline.contracts, pipeline.ledger)
    pages = [*Path(pipeline.settings.home).rglob("*.html")]
    shown = [page for page in pages if "onerror=alert(1)" in page.read_text("utf-8")]
    assert len(shown) > 1, "receipt and site"
    for page in shown:
        assert "<img src=x" not in page.read_text("utf-8"), page
    assert any("{{ 7*7 }}" in page.read_text("utf-8") for page in shown)


# --- conditions

CONDITIONS = (
    "pupils > 0 AND (name IS NOT NULL OR pupils < 5)",
    "EXTRACT(YEAR FROM opened_on) >= 1900",
    "TRY_CAST(RIGHT(name, 4) AS INT) BETWEEN 1 AND 9",
    "name NOT IN ('a', 'it''s; SELECT 1 --') OR REGEXP_LIKE(name, '^[a-z]+$')",
    "CASE WHEN pupils = 0 THEN name LIKE 'A%' ELSE TRUE END",
    "COALESCE(pupils, 0) * 2 <= -1 + ABS(pupils - 5) / 3",
    "opened_on <= DATE '2026-01-01'",
    "\"name\" = 'x'",
)
NO_CONDITIONS = (
    "name IN (SELECT a FROM read_csv('/etc/passwd'))",
    "name IN (SELECT a FROM read_parquet('s3://x/y'))",
    "read_csv('x') = 1",
    "name IN (TABLE t)",
    "EXISTS (SELECT 1)",
    "name IN (WITH x AS (SELECT 1) SELECT 1)",
    "EXTRACT(YEAR FROM (SELECT 1))",
    "EXTRACT(YEAR FROM opened_on) FROM read_csv('x')",
    "SUM(pupils) OVER () = 1",
    "COUNT(*) = 1",
    "pupils = 1 -- and more",
    "pupils = 1 /* and more */",
    "pupils = 1; SELECT 1",
    "pupils::int = 1",
    "pupils[0] = 1",
    "$$a$$ = 'a'",
    "E'\\' = ' SELECT '",
    "`name` = 'x'",
    '"name"(1)',
    "t.name = 'x'",
    "REPLACE(name, 'a', 'aaaaaaaaaa') = 'x'",
    "LPAD(name, 2000000000) = 'x'",
    "+".join(["pupils"] * LONGEST) + " > 0",
)
COLUMNS = ("pupils", "name", "opened_on")


@pytest.mark.parametrize("text", CONDITIONS)
def test_a_condition_of_a_row_is_taken(tmp_path: Path, home: str, text: str) -> None:
    condition = {"type": "expect_row_condition", "kwargs": {"column_list": [*COLUMNS], "condition": text}}
    assert found(schools(tmp_path, condition), home) == []


@pytest.mark.parametrize("text", NO_CONDITIONS)
def test_a_condition_that_asks_for_more_is_refused(text: str) -> None:
    assert refusal(text, COLUMNS)


WORDS = (
    "SELECT", "FROM", "TABLE", "WITH", "VALUES", "EXISTS", "IN", "AND", "NOT", "EXTRACT", "YEAR", "(", ")", ",", "*",
    "=", "'", '"', "--", "name", "from", "select", "read_csv", "'x'", "1", " ", ";", "AS", "CAST", "E", "||", "$$",
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=14), st.booleans())
def test_no_condition_that_is_taken_has_a_source(words: list[str], is_apart: bool) -> None:
    text = (" " if is_apart else "").join(words)
    if refusal(text, ("name", "from", "select", "E")):
        return
    try:
        parsed = sqlglot.parse_one(text, dialect="postgres")
    except sqlglot.errors.SqlglotError:
        return
    assert parsed is None or not parsed.find(exp.Query, exp.Table, exp.Subquery, exp.Exists), text


# --- names

SIGNS = st.characters(exclude_characters="\0", codec="utf-8")


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(max_size=60), st.text(string.ascii_letters + string.digits + "_.\"'; ", max_size=60)))
def test_a_name_is_plain_or_refused(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    path = tmp_path_factory.getbasetemp() / "education" / "schools.yaml"
    path.parent.mkdir(exist_ok=True)
    contract = yaml.safe_load((SCHOOLS / "schools.yaml").read_text("utf-8"))
    contract["schema"][0]["physicalName"] = f"people.{name}"
    contract["schema"][0]["properties"][2]["name"] = name
    path.write_text(yaml.safe_dump(contract), "utf-8")
    try:
        load(path)
    except ContractError as error:
        assert error.path == path
    else:
        assert re.fullmatch(r"[a-z][a-z0-9_]{0,47}", name)


def test_whatever_a_name_or_text_is_the_library_quotes_it(pipeline: Pipeline) -> None:
    @settings(max_examples=60, deadline=None)
    @given(st.text(SIGNS, min_size=1, max_size=15), st.text(SIGNS))
    def check(name: str, text: str) -> None:
        with pipeline.engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE TEMP TABLE {named(name)} (a int)".replace("%", "%%"))
            table = named("pg_temp", name).replace("%", "%%")
            connection.exec_driver_sql(f"COMMENT ON TABLE {table} IS {literal(text)}")
            asked = sa.text("SELECT obj_description(oid) FROM pg_class WHERE relname = :name AND relpersistence = 't'")
            assert (connection.execute(asked, {"name": name}).scalar() or "") == text

    check()


def test_contracts_that_are_shipped_are_taken() -> None:
    assert not load_all().wrong
