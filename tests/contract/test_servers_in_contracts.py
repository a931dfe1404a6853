"""What a contract may say of where its dataset stands, and what it is told where it is wrong."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from etl.connectors.connection import from_environment
from etl.connectors.model import SourceFault
from etl.contract import Contract, ContractError, written_out
from etl.contract.reading import load
from etl.contract.standard import faults
from tests import TESTS

SCHOOLS = TESTS / "schools" / "schools.yaml"
DATABASE = {
    "server": "so_giao_duc", "type": "postgresql", "host": "db.example.gov.vn", "port": 5432, "database": "truong",
    "schema": "public",
}  # fmt: skip
MARK = {"column": "cap_nhat", "overlap": {"value": 2, "unit": "h"}}
EVERY = {"value": 7, "unit": "d"}


def written(folder: Path, server: dict[str, Any], mode: str = "append", source: Any = None, **said: Any) -> Path:
    contract = yaml.safe_load(SCHOOLS.read_text("utf-8"))
    properties = {"schedule": "30 2 * * *", "table": "truong"} | said
    server = copy.deepcopy(server)
    server["customProperties"] = [{"property": k, "value": v} for k, v in properties.items() if v is not None]
    contract["servers"] = [server]
    for each in contract["customProperties"]:
        if each["property"] == "deliveryMode":
            each["value"] = mode
        if each["property"] == "source":
            each["value"] = source or {"format": "csv"}
    path = folder / "education" / "schools.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(contract, allow_unicode=True), "utf-8")
    return path


def test_a_database_with_a_watermark_is_valid_odcs_and_read(tmp_path: Path) -> None:
    path = written(tmp_path, DATABASE, watermark=MARK, wholeEvery=EVERY)
    contract: Contract = load(path)
    server: Any = contract.server
    assert (server.type, server.port, server.overlap.total_seconds(), server.whole_every.days) == (
        "postgresql", 5432, 7200, 7,
    )  # fmt: skip
    assert list(faults(written_out(path))) == []


@pytest.mark.parametrize(
    ("mode", "said", "source", "says"),
    [
        ("snapshot", {"watermark": MARK, "wholeEvery": EVERY}, None, "'snapshot' what a file does not have has ended"),
        ("append", {"watermark": MARK}, None, "say how often all is pulled"),
        ("append", {"watermark": {"column": "cap_nhat"}, "wholeEvery": EVERY}, None, "a watermark needs `overlap`"),
        ("append", {"watermark": MARK | {"column": "xmin"}, "wholeEvery": EVERY}, None, "xmin needs none"),
        ("append", {"wholeEvery": EVERY}, None, "leave it out"),
        ("append", {"query": "SELECT 1"}, None, "a `table` or a `query`, and not both"),
        ("append", {"table": None}, None, "a `table` or a `query`, and not both"),
        ("append", {"schedule": "61 2 * * *"}, None, "five fields as cron"),
        ("append", {"schedule": None}, None, "schedule is missing"),
        ("append", {"password": "bi-mat"}, None, "unknown 'password'"),
        ("append", {}, {"format": "csv", "numbers": "vietnamese"}, "CSV in UTF-8 with plain numbers"),
        ("append", {}, {"format": "excel"}, "CSV in UTF-8 with plain numbers"),
    ],
)
def test_what_cannot_be_pulled_is_refused(
    tmp_path: Path, mode: str, said: dict[str, Any], source: Any, says: str
) -> None:
    with pytest.raises(ContractError) as error:
        load(written(tmp_path, DATABASE, mode, source, **said))
    assert any(says in finding for finding in error.value.findings), error.value.findings


def test_xmin_is_of_postgresql_and_a_type_is_one_that_is_known(tmp_path: Path) -> None:
    mysql = {name: value for name, value in DATABASE.items() if name != "schema"} | {"type": "mysql"}
    with pytest.raises(ContractError, match="xmin is of PostgreSQL"):
        load(written(tmp_path / "a", mysql, watermark={"column": "xmin"}, wholeEvery=EVERY))
    with pytest.raises(ContractError, match="of type postgresql, mysql"):
        load(written(tmp_path / "b", DATABASE | {"type": "oracle"}))


@pytest.mark.parametrize(
    "said",
    [
        "postgresql://doc:m%40t%2Fkh%3Au@db.example:5433/truong?sslmode=verify-full",
        '{"conn_type": "postgres", "host": "db.example", "port": 5433, "login": "doc", "password": "m@t/kh:u",'
        ' "schema": "truong", "extra": {"sslmode": "verify-full"}}',
        '{"host": "db.example", "port": "5433", "login": "doc", "password": "m@t/kh:u", "schema": "truong",'
        ' "extra": "{\\"sslmode\\": \\"verify-full\\"}"}',
    ],
    ids=["uri", "json", "json in json"],
)
def test_a_connection_is_read_as_airflow_reads_it(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SO_GIAO_DUC", said)
    read = from_environment("so_giao_duc")
    assert (read.host, read.port, read.login, read.password) == ("db.example", 5433, "doc", "m@t/kh:u")
    assert (read.schema, read.extra) == ("truong", {"sslmode": "verify-full"})
    assert "kh" not in repr(read)


@pytest.mark.parametrize("said", ["", "not an address", "{broken bi-mat", "postgresql://doc:bi-mat@db:port/"])
def test_a_connection_that_cannot_be_read_is_not_quoted(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SO_GIAO_DUC", said)
    with pytest.raises(SourceFault, match="AIRFLOW_CONN_SO_GIAO_DUC") as fault:
        from_environment("so_giao_duc")
    assert "bi-mat" not in str(fault.value)
