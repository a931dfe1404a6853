"""A contract says what is particular to its dataset; all else has a default that is safe not to know."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from typer.testing import CliRunner

from etl import cli, site
from etl.contract import ContractError, Text, load, load_all, standard, written_out
from etl.delivery.columns import ROW
from etl.pipeline import lint
from etl.pipeline.pipeline import Pipeline
from etl.settings import EXPECTATIONS
from tests import TESTS

SHORTEST = """\
customProperties: [{property: deliveryMode, value: snapshot}]
schema:
  - physicalName: business.licences
    properties:
      - {name: licence_no, primaryKey: true}
      - {name: owner}
      - {name: issued_on, logicalType: date}
      - {name: floors, logicalType: integer}
      - {name: fee, logicalType: number}
      - {name: area, logicalType: number, physicalType: "numeric(9,3)"}
      - {name: ratio, logicalType: number, physicalType: double precision}
"""
SENT = """\
licence_no,owner,issued_on,floors,fee,area,ratio
A-1,Anna,2024-01-15,3,12.50,1.234,0.1
A-2,van der Berg,2024-02-03,,100,1.5,1e-05
A-3,,,12,0.000001,,-3.25
"""


def write(folder: Path, dataset: str, contract: str, expectations: Sequence[Any] = ()) -> Path:
    """A contract and its suite in a deployment's folder."""
    agency, name = dataset.split(".")
    path = folder / agency / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(contract, "utf-8")
    for shared in ("great_expectations.yml", "plugins"):
        if not (folder / shared).exists():
            (folder / shared).symlink_to(EXPECTATIONS / shared)
    path.with_suffix(".json").write_text(json.dumps({"name": dataset, "expectations": [*expectations]}), "utf-8")
    return path


def test_a_contract_of_eleven_lines_loads_a_file(
    tmp_path: Path, new_pipeline: Callable[..., Pipeline], send: Callable[..., Any]
) -> None:
    folder = tmp_path / "expectations"
    path = write(folder, "trade.licences", SHORTEST)
    assert list(standard.faults(written_out(path))) == [], "other tools read it as `citydw contract show` writes it"
    pipeline = new_pipeline(folder)
    assert list(lint.errors(load_all(folder), "trade.licences", str(tmp_path))) == []

    entry = send(pipeline, "trade/licences", "licences_2024-03-01.csv", SENT.encode())
    assert (entry.state, entry.inserted) == ("loaded", 3), entry.message_en
    with pipeline.engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT * FROM business.licences ORDER BY licence_no")).mappings().all()
        fees = (
            connection.execute(sa.text("SELECT fee::text FROM business.licences ORDER BY licence_no")).scalars().all()
        )
        kinds = dict(
            connection.execute(
                sa.text(
                    "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
                    " WHERE attrelid = 'business.licences'::regclass AND attnum > 0"
                )
            ).all()
        )
        due = connection.execute(sa.text("SELECT count(*) FROM ops.freshness")).scalar_one()
    read = list(csv.DictReader(io.StringIO(SENT)))  # a second reading
    assert [(row["owner"] or "", str(row["issued_on"] or "")) for row in rows] == [
        (row["owner"], row["issued_on"]) for row in read
    ]
    assert [row["fee"] for row in rows] == [Decimal(row["fee"]) for row in read]
    assert fees == ["12.5", "100", "0.000001"], "as exact as they were sent, and no more"
    assert [row["ratio"] for row in rows] == [float(row["ratio"]) for row in read]
    assert [row["area"] for row in rows] == [Decimal("1.234"), Decimal("1.5"), None]
    assert (kinds["fee"], kinds["area"], kinds["ratio"]) == ("numeric", "numeric(9,3)", "double precision")
    assert due == 0, "nothing is late where nobody said when it is due"
    site.build(pipeline.storage, pipeline.contracts, pipeline.ledger)

    changed = SENT.replace("12.50", "12.5").replace("Anna", "Anne")
    entry = send(pipeline, "trade/licences", "licences_2024-04-01.csv", changed.encode())
    assert (entry.changed, entry.unchanged) == (1, 2), "12.50 is 12.5"


def test_what_a_short_contract_means(tmp_path: Path) -> None:
    contract = load(write(tmp_path, "trade.licences", SHORTEST))
    assert (contract.id, contract.schema, contract.table) == ("trade.licences", "business", "licences")
    assert (contract.title, contract.agency_title) == (Text("licences", "licences"), Text("trade", "trade"))
    assert (contract.frequency, contract.contact, contract.source.format) == (None, None, "csv")
    owner = contract.column("owner")
    assert (owner.source_name, owner.label, owner.description) == ("owner", "owner", Text("owner", "owner"))
    assert (owner.type, owner.classification, owner.required) == ("string", "sensitive", False)
    key = contract.column("licence_no")
    assert (key.required, key.key_position) == (True, 1)
    assert contract.column("issued_on").example == "2026-03-21", "made up, in the column's own notation"


def test_the_key_is_in_the_order_of_its_columns(tmp_path: Path) -> None:
    contract = load(
        write(tmp_path, "trade.licences", SHORTEST.replace("{name: owner}", "{name: owner, primaryKey: true}"))
    )
    assert [column.name for column in contract.key] == ["licence_no", "owner"]


def test_one_language_is_enough(tmp_path: Path) -> None:
    contract = load(write(tmp_path, "trade.licences", f"name: Licences of traders\n{SHORTEST}"))
    assert contract.title == Text("Licences of traders", "Licences of traders")


def test_the_table_stands_in_the_schema_of_its_agency(tmp_path: Path) -> None:
    without = SHORTEST.replace("physicalName: business.licences\n    p", "p")
    (tmp_path / "agencies.yaml").write_text("trade: {title: Trade office, schema: land}\n", "utf-8")
    contract = load(write(tmp_path, "trade.licences", without))
    assert (contract.schema, contract.table) == ("land", "licences")
    named = SHORTEST.replace("business.licences", "permits")
    assert load(write(tmp_path, "trade.licences", named)).table == "permits"
    with pytest.raises(ContractError, match=r"write schema.table, as people.births.*agencies.yaml"):
        load(write(tmp_path, "shops.licences", without))
    assert load(write(tmp_path, "business.licences", without)).schema == "business", "called as the schema itself"


def test_a_number_of_no_declared_scale_has_one_reading(tmp_path: Path) -> None:
    """1.500 may be 1500; who says how many decimals there are says that it is not."""
    from etl.extract import extract_bytes

    contract = load(write(tmp_path, "trade.licences", SHORTEST))
    row = "A-1,,,,{fee},{area},{ratio}\n"
    sent = SENT.splitlines()[0] + "\n" + row.format(fee="1.500", area="1.500", ratio="1.500")
    sent += row.format(fee="1.5000", area="NaN", ratio="nan") + row.format(fee="1e5", area="1e5", ratio="1e400")
    rows, problems, _ = extract_bytes(sent.encode(), contract)
    assert rows["fee"].to_list() == [None, Decimal("1.5"), None]
    assert rows["area"].to_list() == [Decimal("1.5"), None, None]
    assert rows["ratio"].to_list() == [None, None, None], "neither NaN nor what is too large"
    assert sorted(problems.select(ROW, "column", "rule").rows()) == [
        (2, "fee", "ambiguous_number"),
        (2, "ratio", "ambiguous_number"),
        (3, "area", "word_for_nothing"),
        (3, "ratio", "word_for_nothing"),
        (4, "area", "type_number"),
        (4, "fee", "type_number"),
        (4, "ratio", "type_number"),
    ]


def test_what_is_not_used_is_named_by_lint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = yaml.safe_load(SHORTEST) | {"team": {"name": "data"}, "servers": [{"server": "x", "type": "local"}]}
    number, owner, *_ = document["schema"][0]["properties"]
    number |= {"unique": True, "quality": [{"type": "library", "metric": "nullValues"}]}
    owner |= {"unique": True, "logicalTypeOptions": {"format": "email"}}
    path = write(tmp_path, "trade.licences", yaml.safe_dump(document))
    notes = load(path).notes
    for said in (
        "team is not used: it is not read here",
        "servers is not used: how a file is read is said by `source`",
        "columns licence_no, owner: unique is not used: values that stand twice are let in",
        "column licence_no: quality is not used: its rules are not applied; write each as an expectation",
        "column owner: logicalTypeOptions: format is not used: what it names is not checked",
    ):
        assert any(note.startswith(said) for note in notes), notes
    contracts = load_all(tmp_path)
    monkeypatch.setattr("etl.contract.read_all", lambda: contracts)
    done = CliRunner().invoke(cli.app, ["lint", "trade.licences"])
    assert done.exit_code == 0 and "note: columns licence_no, owner: unique is not used" in done.output, done.output


ADDED = {  # what a person must say beside what the tool wrote
    "customProperties": [{"property": "deliveryMode", "value": "snapshot"}],
}


@pytest.mark.parametrize("tool", ["sql", "csv", "jsonschema"])
def test_what_another_tool_wrote_is_a_start(tmp_path: Path, tool: str) -> None:
    """Files as `datacontract import` of the Data Contract CLI 1.2 wrote them."""
    document = yaml.safe_load((TESTS / "imported" / f"{tool}.yaml").read_text("utf-8"))
    (table,) = document["schema"]
    table["physicalName"] = "land.permits"
    table["properties"][0]["primaryKey"] = True
    path = write(tmp_path, "works.permits", yaml.safe_dump(document | ADDED))
    contract = load(path)
    assert [column.name for column in contract.columns] == [column["name"] for column in table["properties"]]
    assert list(lint.errors(load_all(tmp_path), "works.permits", str(tmp_path))) == []
    assert contract.notes, "what was left out is named"
    kinds = {column.name: column.numeric_type or column.type for column in contract.columns}
    assert kinds["fee"] == {"sql": "numeric(10,2)", "csv": "double precision", "jsonschema": "numeric"}[tool]
    assert kinds["is_open"] == "boolean"


def test_what_an_imported_contract_lacks_is_said(tmp_path: Path) -> None:
    written = (TESTS / "imported" / "csv.yaml").read_text("utf-8")
    with pytest.raises(ContractError) as error:
        load(write(tmp_path, "works.permits", written))
    lack, where = error.value.findings
    assert lack.startswith("deliveryMode is missing; snapshot: what a file does not have has ended")
    assert where.startswith("schema: physicalName is 'permits', and must be schema.table")
