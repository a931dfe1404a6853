"""Plain mistakes in contracts and suites: each is named with its place and its mend, and harms its dataset alone."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from etl import site
from etl.contract import ContractError, load_all, read_all
from etl.delivery.messages import WRONG_CONTRACT
from etl.operate.hold import held_for_contract, holds
from etl.operate.notify import notices
from etl.pipeline import lint
from etl.pipeline.pipeline import Pipeline
from etl.settings import EXPECTATIONS, PROJECT
from etl.warehouse.migrate import migrate
from tests import TESTS, commands
from tests.city import DATASETS, expectations_of

SCHOOLS = TESTS / "schools"
DATASET = "education.schools"
MORE = "\n          - {property: "
HELD = "{property: hold, value: {days: 3, default: reject}}"


def baselines(*said: str) -> tuple[str, str]:
    """What stands in schools.yaml, and the same with baselines in its place."""
    return HELD, f"{{property: baselines, value: [{', '.join(said)}]}}"


# What a person mistypes in schools.yaml -> what that person is told.
OF_CONTRACT = {
    "a tab": ("\ndomain: people", "\n\tdomain: people", "line 7, column 1: not YAML: found a tab"),
    "YAML's syntax": ("version: 1.0.0", "version: [1.0.0", "not YAML: did not find expected ',' or ']'"),
    "a key twice": ("status: active", "status: active\nstatus: draft", "line 7, column 1: not YAML: 'status' stands"),
    "no real day": ("version: 1.0.0", "version: 2026-02-30", "put what is no date into quotation marks"),
    "an empty file": (None, "", "it holds NoneType, and must hold a contract"),
    "not ODCS": ("kind: DataContract", "kind: [DataContract]", "kind is ['DataContract'], not one of DataContract"),
    "a field of ODCS, misspelt": (
        "        required: true\n        primary",
        "        requird: true\n        primary",
        "column school_code: unknown 'requird'; did you mean 'required'?",
    ),
    "id of another place": (
        "id: education.schools",
        "id: education.school",
        "the file's place says 'education.schools'",
    ),
    "frequency of another unit": (
        "value: 1, unit: m",
        "value: 1, unit: q",
        "slaProperties: frequency is '1q', not a whole number",
    ),
    "frequency of nothing": ("value: 1, unit: m", "value: 0, unit: m", "frequency is 0"),
    "frequency beyond life": ("value: 1, unit: m", "value: 9999, unit: y", "of 10 years at most"),
    "latency, misspelt": (
        "property: latency",
        "property: latncy",
        "slaProperties: unknown 'latncy'; did you mean 'latency'?",
    ),
    "a part that is no column": (
        "{property: deliveryMode, value: snapshot}",
        "{property: deliveryMode, value: snapshot}\n  - {property: part, value: district}",
        "no column 'district'",
    ),
    "a part that may be empty": (
        "{property: deliveryMode, value: snapshot}",
        "{property: deliveryMode, value: snapshot}\n  - {property: part, value: opened_on}",
        "part: opened_on must be a column of the content that is required",
    ),
    "a mode that is not": (
        "value: snapshot",
        "value: weekly",
        "deliveryMode is 'weekly', not one of snapshot, changes",
    ),
    "no mode": ("  - {property: deliveryMode, value: snapshot}\n", "", "deliveryMode is missing; snapshot: what"),
    "changes without a change": ("value: snapshot", "value: changes", "needs one column with role 'change'"),
    "a part that no column is": (
        "  - {property: hold",
        "  - {property: part, value: ward}\n  - {property: hold",
        "no column 'ward'",
    ),
    "a sequence of snapshots": (
        "logicalType: integer",
        "logicalType: integer\n        customProperties: [{property: role, value: sequence}]",
        "pupils: role 'sequence' is for a number or time in mode 'changes'",
    ),
    "hold of a word": ("days: 3", "days: three", "hold: days is 'three', and must be a number"),
    "hold, misspelt": ("days: 3", "dayz: 3", "hold: unknown 'dayz'; did you mean 'days'?"),
    "a property, misspelt": (
        "property: hold",
        "property: holds",
        "customProperties: unknown 'holds'; did you mean 'hold'?",
    ),
    "a share of 20": (
        "property: hold, value: {days: 3, default: reject}",
        "property: maxRejected, value: 20",
        "maxRejected is 20.0, and must be a share of rows from 0 to 1",
    ),
    "a source's field": (
        "encoding: utf-8-sig",
        "encodings: utf-8",
        "source: unknown 'encodings'; did you mean 'encoding'?",
    ),
    "an unknown encoding": (
        "encoding: utf-8-sig",
        "encoding: utf8-vn",
        "source: encoding is 'utf8-vn', which is no encoding of files",
    ),
    "a codec of bytes": ("encoding: utf-8-sig", "encoding: base64", "'base64', which is no encoding of files"),
    "two delimiters": ("encoding: utf-8-sig", "delimiter: '||'", "delimiter is '||', and must be one sign"),
    "an unknown format": ("format: csv", "format: cvs", "source: format is 'cvs', not one of csv"),
    "XML without its record": ("format: csv", "format: xml", "format xml needs `record`"),
    "a prefix of no namespace": (
        "format: csv",
        'format: xml, record: "p:truong"',
        "source: record 'p:truong' has the prefix 'p', which is not in `namespaces`",
    ),
    "a pattern for the one file of a zip": (
        "format: csv",
        'format: csv, archive: zip, member: "*.csv"',
        "member '*.csv' is a pattern, which is for archive: parts",
    ),
    "a table without a schema": ("physicalName: people.schools", "physicalName: schools", "must be schema.table"),
    "an unknown schema": (
        "physicalName: people.schools",
        "physicalName: finance.schools",
        "people, business, land, governance",
    ),
    "no columns": (r"(?s)    properties:\n.*", "", "schema: properties is missing; its columns"),
    "two tables": (
        "\nschema:\n",
        "\nschema:\n  - {name: x, physicalName: people.x}\n",
        "schema has 2 entries, and must have one",
    ),
    "a length of ODCS": (
        "logicalTypeOptions: {format: dd/MM/yyyy}",
        "logicalTypeOptions: {pattern: x}",
        "column opened_on: logicalTypeOptions 'pattern' is not applied here",
    ),
    "bounds that no value keeps": (
        "logicalType: integer",
        "logicalType: integer\n        logicalTypeOptions: {minimum: 9, maximum: 1}",
        "column pupils: minimum 9 is above maximum 1",
    ),
    "our own column": ("name: opened_on", "name: valid_from", "'valid_from' is a column that the warehouse has itself"),
    "our other column": ("name: opened_on", "name: opened_by", "'opened_by' is a column that the warehouse has itself"),
    "a column of two words": ("name: opened_on", "name: opened on", "name is 'opened on', and must be small letters"),
    "an endless name": ("name: opened_on", f"name: {'n' * 49}", "48 at most"),
    "two columns of one name": ("name: opened_on", "name: phone", "columns: 'phone' stands 2 times"),
    "two columns of one source": (
        "physicalName: ngay_thanh_lap",
        "physicalName: dien_thoai",
        "'dien_thoai' stands 2 times",
    ),
    "a blank behind a name": (
        "physicalName: ma_truong",
        'physicalName: "ma_truong "',
        "leave out the blanks at the ends",
    ),
    "a classification that is not": ("classification: open", "classification: public", "is 'public', not one of open"),
    "an example of another notation": ('"05/09/1995"', '"1995-09-05"', "column opened_on: its example '1995-09-05'"),
    "an example that is no telephone": ('"02839301234"', '"12"', "column phone: its example '12' is not read by"),
    "a type that is not": (
        "logicalType: integer",
        "logicalType: bool",
        "column pupils: logicalType is 'bool', not one of string",
    ),
    "a type of numbers that is none": (
        "logicalType: integer",
        "logicalType: number\n        physicalType: money",
        "physicalType is 'money', and must be numeric(digits,decimals), as numeric(18,2), or double precision",
    ),
    "more digits than there are": (
        "logicalType: integer",
        "logicalType: number\n        physicalType: decimal(40,2)",
        "physicalType is 'decimal(40,2)', and must be numeric(digits,decimals)",
    ),
    "a type of numbers beside a text": (
        "        logicalType: string\n        required: true\n        primary",
        "        logicalType: string\n        physicalType: numeric(8,0)\n        required: true\n        primary",
        "physicalType 'numeric(8,0)' is of logicalType number, and this is string",
    ),
    "a column of columns": (
        "logicalType: integer",
        "logicalType: object",
        "column pupils: logicalType is 'object', and a cell holds one value; make each of its parts a column",
    ),
    "a column of lists": (
        "logicalType: integer",
        "logicalType: array",
        "column pupils: logicalType is 'array', and a cell holds one value; write string",
    ),
    "three languages": (
        "trường học / Schools",
        "trường học / Schools / Écoles",
        "written {vi: ..., en: ...}",
    ),
    "a key of which one column has a place": (
        "        required: true\n        classification: open\n        examples: [Trường",
        "        required: true\n        primaryKey: true\n        classification: open\n        examples: [Trường",
        "column name: primaryKey needs a primaryKeyPosition of its own",
    ),
    "a year of two digits": ("format: dd/MM/yyyy", "format: dd/MM/yy", "needs a pivot"),
    "a month without its name": ("format: dd/MM/yyyy", "format: dd MMMMM yyyy", "MMMMM is none of yyyy, yy, MM, MMM"),
    "a day of no year": ("format: dd/MM/yyyy", "format: dd/MM", "lacks year, month or day"),
    "a time with a day": (
        "logicalType: date\n        logicalTypeOptions: {format: dd/MM/yyyy}",
        "logicalType: time\n        logicalTypeOptions: {format: dd/MM/yyyy HH:mm}",
        "says a day or an offset, which a time of day has not",
    ),
    "a clock of twelve hours": (
        "logicalType: date\n        logicalTypeOptions: {format: dd/MM/yyyy}",
        "logicalType: time\n        logicalTypeOptions: {format: hh:mm}",
        "hh and a (AM, PM) go together",
    ),
    "a time zone that is none": (
        "logicalType: date\n        logicalTypeOptions: {format: dd/MM/yyyy}",
        "logicalType: timestamp\n        logicalTypeOptions: {defaultTimezone: Europe/Berlim}",
        "defaultTimezone is 'Europe/Berlim', no time zone as the IANA calls them; did you mean 'Europe/Berlin'?",
    ),
    "a zone beside an offset": (
        "logicalType: date\n        logicalTypeOptions: {format: dd/MM/yyyy}",
        "logicalType: timestamp\n        logicalTypeOptions: {format: dd/MM/yyyy HH:mmXXX, defaultTimezone: UTC}",
        "defaultTimezone is of times without an offset, and the format has one",
    ),
    "one mark for two": (
        "logicalType: integer",
        "logicalType: integer\n        customProperties:" + MORE + 'numbers, value: {thousands: "."}}',
        "numbers: '.' cannot part both thousands and decimals",
    ),
    "a mark that is none": (
        "logicalType: integer",
        "logicalType: integer\n        customProperties:" + MORE + 'numbers, value: {thousands: ";"}}',
        "numbers: thousands is ';', not one of",
    ),
    "a notation of a date": (
        "logicalTypeOptions: {format: dd/MM/yyyy}",
        "logicalTypeOptions: {format: dd/MM/yyyy}\n        customProperties:"
        + MORE
        + 'numbers, value: {decimal: ","}}',
        "numbers: only an integer or a number has them",
    ),
    "a sign of a number for a currency": (
        "logicalType: integer",
        "logicalType: integer\n        customProperties:" + MORE + "numbers, value: {currency: ['$-']}}",
        "currency '$-' has a sign that belongs to the number itself",
    ),
    "two keys": (
        "{property: deliveryMode, value: snapshot}",
        "{property: deliveryMode, value: snapshot}\n  - {property: key, value: whole_row}",
        "key: the whole row, or the columns that are marked primaryKey",
    ),
    "a word for yes and no": (
        "logicalType: integer",
        "logicalType: boolean\n        customProperties:"
        + MORE
        + "trueValues, value: [X]}"
        + MORE
        + "falseValues, value: [x]}",
        "trueValues, falseValues: 'x' cannot mean both",
    ),
    "words for yes of a number": (
        "logicalType: integer",
        "logicalType: integer\n        customProperties:" + MORE + "trueValues, value: [X]}",
        "only a boolean has them",
    ),
    "a token of another tool": ("format: dd/MM/yyyy", "format: dd/MM/YYYY", "YYYY is none of yyyy, yy, MM"),
    "words of nothing that YAML takes for nothing": (
        "encoding: utf-8-sig",
        "encoding: utf-8-sig, nullValues: [NULL]",
        "source: nullValues is None, and must be a text; put it in quotation marks",
    ),
    "a word of nothing that is no list": (
        "encoding: utf-8-sig",
        "encoding: utf-8-sig, nullValues: NULL",
        "customProperties[source].value.nullValues: nothing is written there",
    ),
    "a meaning, misspelt": ("datatype, value: phone", "datatype, value: phon", "datatype is 'phon'"),
    "a property of a column": ("property: datatype", "property: datatyp", "did you mean 'datatype'?"),
    "a meaning beside its place": (
        "logicalType: integer",
        "logicalType: integer\n        datatype: money",
        "column pupils: unknown 'datatype'; write {property: datatype, value: ...} under customProperties",
    ),
    "a telephone of numbers": (
        'logicalType: string\n        classification: open\n        examples: ["0283',
        'logicalType: integer\n        classification: open\n        examples: ["0283',
        "datatype 'phone' is of logicalType string, and this is integer",
    ),
    "a code without a list": (
        "datatype, value: phone",
        "datatype, value: code",
        "datatype code needs a codeList",
    ),
    "an unknown code list": (
        "datatype, value: phone}",
        "datatype, value: code}" + MORE + "codeList, value: sexes}",
        "there is no list 'sexes'; did you mean 'sex'?",
    ),
    "a lookup to no code": (
        "datatype, value: phone}",
        "datatype, value: code}" + MORE + "codeList, value: sex}" + MORE + 'lookup, value: {Nam: "9"}}',
        "lookup gives '9', which sex.csv does not have",
    ),
    "a lookup of numbers": (
        "datatype, value: phone}",
        "datatype, value: code}" + MORE + "codeList, value: sex}" + MORE + 'lookup, value: {1: "1"}}',
        "lookup is 1, and must be a text; put it in quotation marks",
    ),
    "a period that is no date": (
        "datatype, value: phone}",
        "datatype, value: address}\n          - {property: periodColumn, value: name}",
        "must be a date column",
    ),
    "a code that meant something else once": (
        "datatype, value: phone}",
        "datatype, value: code}" + MORE + "codeList, value: licence_class}",
        "A1, B1, C, D of licence_class.csv mean something else in another period; name the date that tells which",
    ),
    "a period of a list without periods": (
        "datatype, value: phone}",
        "datatype, value: code}" + MORE + "codeList, value: sex}" + MORE + "periodColumn, value: opened_on}",
        "no code of sex.csv has a valid_from or a valid_to",
    ),
    "no list of baselines": (HELD, "{property: baselines, value: rows}", "baselines is 'rows', and must be a list"),
    "a baseline's field, misspelt": (
        *baselines("{measure: rows, slak: 0.1}"),
        "baselines: unknown 'slak'; did you mean 'slack'?",
    ),
    "an unknown measure": (
        *baselines("{measure: sums, of: pupils}"),
        "baselines: measure is 'sums', not one of rows, nulls, share",
    ),
    "no measure": (*baselines("{slack: 0.1}"), "baselines: measure is missing; what is compared"),
    "a measure of nothing": (
        *baselines("{measure: nulls}"),
        "baselines: nulls: `of` is missing; name the column, as {measure: nulls, of: ...}",
    ),
    "a measure of no column": (
        *baselines("{measure: amount, of: pupil}"),
        "baselines: amount of pupil: there is no column 'pupil'; did you mean 'pupils'?",
    ),
    "all rows of a column": (
        *baselines("{measure: rows, of: pupils}"),
        "baselines: rows of pupils: it is of all rows; leave out `of`",
    ),
    "names that are counted": (*baselines("{measure: share, of: name}"), "share of name: shares are counted of code"),
    "an amount of a text": (*baselines("{measure: amount, of: name}"), "of type integer or number, and name is none"),
    "the age of a number": (*baselines("{measure: age, of: pupils}"), "of type date or timestamp, and pupils is none"),
    "a baseline twice": (
        *baselines("{measure: rows, slack: 0.1}", "{measure: rows, slack: 0.2}"),
        "baselines: rows stands twice; keep one",
    ),
    "an end without a bound": (*baselines("{measure: ended, slack: 0.1}"), "baselines: ended: `most` is missing"),
    "an end by the past": (
        *baselines("{measure: ended, most: 0.1, last: 30}"),
        "ended: `most` bounds it, whatever the past; leave out `slack` and `last`",
    ),
    "a bound of what is compared": (*baselines("{measure: rows, most: 0.1}"), "only ended has `most`; write `slack`"),
    "a slack of 20 percent": (
        *baselines("{measure: nulls, of: phone, slack: 20}"),
        "nulls of phone: slack is 20, and must be a share of rows from 0 to 1",
    ),
    "a slack below nothing": (*baselines("{measure: rows, slack: -1}"), "baselines: slack is -1.0, and must be a"),
    "a past of one": (*baselines("{measure: rows, last: 1}"), "baselines: last is 1, and must be 5 or more"),
    "an end of events": (
        "value: snapshot}",
        "value: append}\n  - {property: baselines, value: [{measure: ended, most: 0.1}]}",
        "baselines: ended: it is of snapshots, and deliveryMode is append; leave it out",
    ),
    "a control total of a text": (
        "  - {property: deliveryMode, value: snapshot}",
        "  - {property: deliveryMode, value: snapshot}\n  - {property: controlTotals, value: [pupil]}",
        "controlTotals: there is no column of numbers 'pupil'; did you mean 'pupils'?",
    ),
    "an empty separator": (
        "datatype, value: phone}",
        "datatype, value: phone}" + MORE + "separator, value: ''}",
        "separator is ''",
    ),
    "no key": ("primaryKey: true", "primaryKey: false", "no primaryKey column"),
    "a key that may be empty": (
        "        required: true\n        primary",
        "        required: false\n        primary",
        "a key column must be required",
    ),
    "a key that is flagged": (
        '        examples: ["79000701"]',
        '        examples: ["79000701"]\n        customProperties:\n          - {property: onInvalid, value: flag}',
        "would load a key that is empty",
    ),
    "a table of another dataset": ("physicalName: people.schools", "physicalName: people.births", "is of"),
}

# What a person mistypes in schools.json -> what that person is told.
OF_SUITE = {
    "JSON's syntax": ('"notes": null', '"notes": null,,', "line 35, column 17: not JSON"),
    "a key twice": ('"notes": null', '"notes": null, "notes": 1', "'notes' stands twice"),
    "another's name": ('"name": "education.schools"', '"name": "education.school"', "the file's place says"),
    "expectations, misspelt": ('"expectations": [', '"expectation": [', '"expectations": [...]'),
    "a misspelt type": (
        "expect_column_values_to_be_between",
        "expect_column_value_to_be_between",
        "expectation 2 (has_pupils): no expectation is called 'expect_column_value_to_be_between'; "
        "did you mean 'expect_column_values_to_be_between'?",
    ),
    "a misspelt kwarg": ('"min_value": 1', '"min_val": 1', "knows no 'min_val'; did you mean 'min_value'?"),
    "a kwarg of another type": ('"mostly": 0.9}', '"mostly": 9}', "kwargs: mostly"),
    "an unknown column": ('"column": "pupils"', '"column": "pupil"', "has no column 'pupil'; did you mean 'pupils'?"),
    "no meta": (r'(?s)"meta": \{\s+"dimension".*?\},', "", "kwargs and meta are needed"),
    "no sentence": (
        r'"en": "A school has(?s:.*?)"rule": "has_pupils",\s+"vi": "[^\n]*"',
        '"responsible": "agency", "rule": "has_pupils"',
        "has_pupils): meta: vi is missing",
    ),
    "an unknown dimension": ('"dimension": "validity"', '"dimension": "foo"', "dimension is 'foo', not one of"),
    "nobody responsible": ('"responsible": "agency"', '"responsible": "us"', "responsible is 'us', not one of"),
    "an unknown severity": ('"severity": "warning"', '"severity": "info"', "severity is 'info', not one of"),
    "severity, misspelt": ('"severity": "warning"', '"severty": "warning"', "did you mean 'severity'?"),
    "a rule of the stations": ('"rule": "has_pupils"', '"rule": "required"', "the stations apply themselves"),
    "a rule twice": (
        r'"column": "pupils"(?s:.*?)"rule": "has_pupils"',
        '"column": "school_code", "min_value": "1"}, "meta": {"dimension": "validity", "en": "e", '
        '"responsible": "agency", "rule": "school_code_form"',
        "another expectation has this rule already",
    ),
    "an id twice": ("5a1c9d02", "5a1c9d01", "another expectation has this id already"),
    "a brace": ("A school has at least one pupil.", "A school has {value} pupils.", "nothing is filled in for {value}"),
    "a regex": (r"^79\\d{6}$", r"^79(\\d{6}$", "cannot be read"),
    "bounds of another type": ('"column": "pupils"', '"column": "name"', "see whether it suits its column's type"),
    "bad SQL": (
        '"column": "pupils", "min_value": 1',
        '"column_list": ["pupils", "name"], "condition": "pupils >< 1"',
        "condition 'pupils >< 1' cannot be used",
    ),
    "a condition on another column": (
        '"column": "pupils", "min_value": 1',
        '"column_list": ["pupils", "name"], "condition": "pupil > 1"',
        "cannot be used",
    ),
    "a condition that a word breaks": (
        '"column": "pupils", "min_value": 1',
        '"column_list": ["pupils", "name"], "condition": "CAST(name AS INT) > 1"',
        "TRY_CAST",
    ),
    "no condition": (
        '"column": "pupils", "min_value": 1',
        '"column_list": ["pupils", "name"], "condition": "pupils + 1"',
        "is neither true nor false",
    ),
    "a comparison with the past": (
        "expect_column_values_to_be_between",
        "expect_like_the_past",
        "expectation 2 (has_pupils): a comparison with the past is one line of the contract",
    ),
    "a rule of the comparison with the past": ("has_pupils", "unusual_amounts", "choose another"),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("gx"))


def folder_with(tmp_path: Path, file: str = "", before: str | None = None, after: str | None = None) -> Path:
    """The schools beside the births, with one mistake in a file of the schools', of whose agency nothing is said."""
    folder = tmp_path / "expectations"
    for path in (EXPECTATIONS / "civil").glob("births.*"):
        (folder / "civil").mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / "civil")
    shutil.copy(EXPECTATIONS / "great_expectations.yml", folder)
    agencies = yaml.safe_load((EXPECTATIONS / "agencies.yaml").read_text("utf-8"))
    (folder / "agencies.yaml").write_text(yaml.safe_dump({"civil": agencies["civil"]}, allow_unicode=True), "utf-8")
    shutil.copytree(SCHOOLS, folder / "education")
    if after is not None:
        path = folder / "education" / file
        right = path.read_text("utf-8")
        if before is None:
            wrong = after
        elif before in right:
            wrong = right.replace(before, after, 1)
        else:
            wrong, count = re.subn(before, lambda _: after, right, count=1)
            assert count, "the mistake is made"
        path.write_text(wrong, "utf-8")
    return folder


def found(folder: Path, dataset: str, home: str) -> list[ContractError]:
    return list(lint.errors(read_all(folder), dataset, home))


def test_what_is_shipped_is_in_order(home: str) -> None:
    contracts = read_all()
    assert not contracts.wrong
    assert [error for dataset in contracts for error in lint.errors(contracts, dataset, home)] == []


def test_the_schools_are_in_order_before_a_mistake_is_made(tmp_path: Path, home: str) -> None:
    assert found(folder_with(tmp_path), DATASET, home) == []


@pytest.mark.parametrize("mistake", OF_CONTRACT)
def test_a_mistake_in_a_contract(tmp_path: Path, home: str, mistake: str) -> None:
    before, after, told = OF_CONTRACT[mistake]
    folder = folder_with(tmp_path, "schools.yaml", before, after)
    errors = found(folder, DATASET, home)
    assert errors, "nobody was told"
    assert errors[0].path == folder / "education" / "schools.yaml"
    assert str(errors[0].path) in str(errors[0])
    assert any(told in finding for finding in errors[0].findings), errors[0].findings
    assert found(folder, "civil.births", home) == [], "another dataset suffers"


@pytest.mark.parametrize("mistake", OF_SUITE)
def test_a_mistake_in_a_suite(tmp_path: Path, home: str, mistake: str) -> None:
    before, after, told = OF_SUITE[mistake]
    folder = folder_with(tmp_path, "schools.json", before, after)
    path = folder / "education" / "schools.json"
    if '"condition"' in after:
        of_row = path.read_text("utf-8").replace("expect_column_values_to_be_between", "expect_row_condition")
        path.write_text(of_row, "utf-8")
    errors = found(folder, DATASET, home)
    assert [error.path for error in errors] == [path]
    assert any(told in finding for finding in errors[0].findings), errors[0].findings


def test_two_columns_that_become_one(tmp_path: Path, home: str) -> None:
    folder = folder_with(tmp_path, "schools.yaml", "value: phone", "value: address")
    path = folder / "education" / "schools.yaml"
    path.write_text(path.read_text("utf-8").replace("name: opened_on", "name: phone_ward"), "utf-8")
    contracts = load_all(folder)
    wrong = lint.sound(contracts).wrong[DATASET]
    assert "columns phone_ward and phone both become 'phone_ward' in the warehouse" in str(wrong)


def test_a_suite_without_a_contract_and_a_contract_without_a_suite(tmp_path: Path, home: str) -> None:
    folder = folder_with(tmp_path)
    for kept, gone in (("schools.yaml", "schools.json"), ("schools.json", "schools.yaml")):
        (folder / "education" / gone).rename(tmp_path / gone)
        (error,) = found(folder, DATASET, home)
        assert "is missing" in str(error), kept
        (tmp_path / gone).rename(folder / "education" / gone)


@pytest.mark.parametrize("table", ["births", "births_current"])
def test_the_table_of_another_dataset_or_of_its_view_is_not_taken(tmp_path: Path, table: str) -> None:
    contracts = load_all(folder_with(tmp_path, "schools.yaml", "people.schools", f"people.{table}"))
    assert list(contracts) == ["civil.births"], "it is called as its table, and not to blame"
    assert "is of civil.births" in str(contracts.wrong[DATASET])


def test_a_table_that_is_nobodys_takes_no_files(tmp_path: Path) -> None:
    folder = folder_with(tmp_path)
    for name in ("schools.yaml", "schools.json"):
        text = (folder / "education" / name).read_text("utf-8")
        (folder / "civil" / name).write_text(text.replace("education.schools", "civil.schools"), "utf-8")
    contracts = load_all(folder)
    assert list(contracts) == ["civil.births"]
    assert "is of civil.schools" in str(contracts.wrong[DATASET])
    assert f"is of {DATASET}" in str(contracts.wrong["civil.schools"])


def test_odcs_defaults_are_taken(tmp_path: Path) -> None:
    """The name where nothing says how the agency calls a column, and that where nothing says what people call it."""
    said = "        physicalName: so_hoc_sinh\n        businessName: Số học sinh\n"
    folder = folder_with(tmp_path, "schools.yaml", said, "")
    column = load_all(folder)[DATASET].column("pupils")
    assert (column.source_name, column.label) == ("pupils", "pupils")


def test_a_column_of_which_nothing_is_said_may_be_shown_to_nobody(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, "schools.yaml", "        classification: open\n", "")
    assert load_all(folder)[DATASET].column("school_code").classification == "sensitive"


CSV = "ma_truong,ten_truong,ngay_thanh_lap,dien_thoai,so_hoc_sinh\n79000701,Trường THPT Lê Quý Đôn,05/09/1877,,1250\n"
MISSPELT = ("expect_column_values_to_be_between", "expect_column_value_to_be_between")


def test_what_is_sent_waits_until_the_contract_is_mended(
    tmp_path: Path, new_pipeline: Callable[..., Pipeline], send: Callable[..., Any], clean_day: Path
) -> None:
    folder = folder_with(tmp_path, "schools.yaml", "value: snapshot", "value: snapshoot")
    path = folder / "education" / "schools.yaml"
    pipeline = new_pipeline(folder)
    entry = send(pipeline, "education/schools", "schools_2026-09-01.csv", CSV.encode("utf-8-sig"))
    assert (entry.state, entry.rule, entry.loaded_at) == ("held", WRONG_CONTRACT, None)
    assert "do not send it again" in entry.message_en
    assert send(pipeline, "education/schools", "schools.csv", b"x").rule == "no_period_in_name"
    assert holds(pipeline.ledger, pipeline.contracts) == [], "nobody can decide on it"
    assert held_for_contract(pipeline.ledger, pipeline.contracts) == [entry]
    (notice,) = notices([entry], [], pipeline.contracts)
    assert (notice.event, notice.about) == ("held", entry.delivery_id)

    births = clean_day / "civil/births/births_2026-03-02.csv"
    assert send(pipeline, "civil/births", births.name, births.read_bytes()).state == "loaded"
    site.build(pipeline.storage, pipeline.contracts, pipeline.ledger)

    path.write_text(path.read_text("utf-8").replace("snapshoot", "snapshot"), "utf-8")
    mended = Pipeline(pipeline.settings, load_all(folder))
    migrate(mended.engine, mended.contracts.values())
    again = send(mended, "education/schools", "schools_2026-09-01.csv", CSV.encode("utf-8-sig"))
    assert (again.delivery_id, again.state, again.inserted) == (entry.delivery_id, "loaded", 1)


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [("schools.json", *MISSPELT), ("schools.yaml", '"05/09/1995"', '"1995-09-05"')],
    ids=["a misspelt expectation", "an example of another notation"],
)
def test_nothing_is_loaded_by_half_a_suite(
    tmp_path: Path,
    new_pipeline: Callable[..., Pipeline],
    send: Callable[..., Any],
    file: str,
    before: str,
    after: str,
) -> None:
    pipeline = new_pipeline(folder_with(tmp_path, file, before, after))
    entry = send(pipeline, "education/schools", "schools_2026-09-01.csv", CSV.encode("utf-8-sig"))
    assert (entry.state, entry.rule, entry.loaded_at) == ("held", WRONG_CONTRACT, None)
    with pipeline.engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM people.schools")).scalar_one() == 0


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project and of the city's contracts, of which one is wrong, with a wrong one of the schools."""
    clone = tmp_path_factory.mktemp("clone")
    for name in ("etl", "dags", "sql"):
        shutil.copytree(PROJECT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
    expectations_of(clone / "expectations", *DATASETS)
    shutil.copytree(SCHOOLS, clone / "expectations" / "education", dirs_exist_ok=True)
    school = clone / "expectations" / "education" / "schools.yaml"
    school.write_text(school.read_text("utf-8").replace("name: opened_on", "name: valid_from"), "utf-8")
    permits = clone / "expectations" / "land" / "permits.yaml"
    permits.write_text(permits.read_text("utf-8").replace("status: active", "status: [active"), "utf-8")
    return clone


SAY = """
import json, sys
from typer.testing import CliRunner
from etl.cli import app
for command in json.loads(sys.argv[1]):
    done = CliRunner().invoke(app, command)
    print(json.dumps([command, done.exit_code, done.output, repr(done.exception)]))
"""


def test_the_commands_go_on_with_the_other_datasets(
    clone: Path, new_pipeline: Callable[..., Pipeline], clean_day: Path, tmp_path: Path
) -> None:
    """In one process, for each would import Great Expectations anew."""
    inbox = tmp_path / "days"
    for dataset in ("civil/births", "land/permits", "tax/taxpayers"):
        shutil.copytree(clean_day / dataset, inbox / dataset)
    births = inbox / "civil/births/births_2026-03-02.csv"
    exits = {
        "migrate": 0,
        f"run {inbox}": 1,  # a file waits until its contract is mended
        f"check {births} --out {tmp_path / 'check'}": 0,
        "deliveries": 0,
        "held": 0,
        "freshness": 0,
        "audit": 0,
        "site": 0,
        "marts": 0,
        "query SELECT|dataset,state,rule|FROM|ops.delivery|ORDER|BY|1": 0,
        "lint civil.births tax.taxpayers": 0,
        "lint": 1,
        "template education.schools": 1,
    }
    listed = [[word.replace("|", " ") for word in command.split()] for command in exits]
    settings = empty_database(new_pipeline).settings
    environment = {
        "CITYDW_HOME": str(tmp_path / "home"),
        "CITYDW_DATABASE_URL": settings.database_url or "",
        "PYTHONPATH": str(clone),
    }
    done = commands.run(json.dumps(listed), program=SAY, env=os.environ | environment, cwd=clone, seconds=900)
    assert done.returncode == 0, done.stderr
    said = {" ".join(command): rest for command, *rest in map(json.loads, done.stdout.splitlines())}
    assert {command: code for command, (code, *_) in said.items()} == {
        " ".join(words): code for words, code in zip(listed, exits.values(), strict=True)
    }, said
    assert "permits.yaml: line" in said["migrate"][1] and "column valid_from" in said["migrate"][1], "named at once"
    assert "permits.yaml: line" in said["lint"][1] and "column valid_from" in said["lint"][1]
    assert "ContractError" in said["template education.schools"][2]
    states = said["query SELECT dataset,state,rule FROM ops.delivery ORDER BY 1"][1]
    assert re.findall("(births|permits|taxpayers) +│ (\\w+)", states) == [
        ("births", "loaded"), ("permits", "held"), ("taxpayers", "loaded"),
    ]  # fmt: skip
    assert "waits until its contract is mended; then: citydw walk land.permits" in said["held"][1]


def empty_database(new_pipeline: Callable[..., Pipeline]) -> Pipeline:
    """A pipeline on a database in which no contract has a table."""
    pipeline = new_pipeline()
    with pipeline.engine.begin() as connection:
        for schema in ("people", "business", "land", "governance", "mart"):
            connection.execute(sa.text(f"DROP SCHEMA {schema} CASCADE"))
    return pipeline


def test_the_other_dags_are_there_and_an_import_error_names_the_wrong_ones(clone: Path) -> None:
    from tests.dags.test_dags import READ

    settings = {
        "AIRFLOW_HOME": str(clone / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(clone / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(clone / "dags" / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "CITYDW_HOME": str(clone / "home"),
        "PYTHONPATH": os.pathsep.join(map(str, [clone, clone / "dags", clone / "dags" / "plugins"])),
    }
    command = [sys.executable, "-c", READ, str(clone / "dags")]
    done = subprocess.run(command, cwd=clone, env=os.environ | settings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    read = json.loads(done.stdout.splitlines()[-1])
    (file,) = read["errors"]
    assert Path(file).name == "wrong_contracts.py"
    assert "schools.yaml: column valid_from" in read["errors"][file] and "permits.yaml: line" in read["errors"][file]
    datasets = {c.replace(".", "_") for c in DATASETS} - {"land_permits"}
    assert set(read["dags"]) == datasets | {"receive", "reconcile", "marts", "notify"}
