"""Code lists with periods, and the bridges between them."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from etl.contract import ContractError
from etl.contract.bridges import bridges
from etl.contract.bridges import read as read_bridges
from etl.contract.codes import Code, code_list, read, remarks
from etl.datatypes import code

from .columns import standard

LAST_OF_2024, FIRST_OF_2025 = date(2024, 12, 31), date(2025, 1, 1)
LIST = "code,name_vi,name_en,valid_from,valid_to\n"


def test_a_code_is_checked_against_the_list_of_the_rows_own_day() -> None:
    """B2 was a class until 2024 and B is one since; B1 was a car before, and is a three-wheeled motorcycle now."""
    days = [LAST_OF_2024, FIRST_OF_2025]
    for sent, understood in {"B2": ["B2", None], "B": [None, "B"], "B1": ["B1", "B1"], "Z": [None, None]}.items():
        assert standard("code", [sent, sent], days, code_list="licence_class") == understood, sent


def test_in_a_row_without_a_day_a_code_must_have_one_meaning() -> None:
    assert standard("code", ["B", "B2", "B1"], [None] * 3, code_list="licence_class") == ["B", "B2", None]


def test_what_is_looked_up_and_each_of_several_must_be_in_force_too() -> None:
    described = {"code_list": "licence_class", "lookup": {"hạng B2": "B2"}, "separator": ";"}
    sent = ["hạng B2;C", "hạng B2;C"]
    assert standard("code", sent, [LAST_OF_2024, FIRST_OF_2025], **described) == ["B2;C", None]


def test_without_a_period_column_a_code_of_any_period_is_taken() -> None:
    assert standard("code", ["BHK", "ODT"], code_list="land_use") == ["BHK", "ODT"]
    assert code.members("licence_class").count("B1") == 1


def test_a_list_says_when_each_code_means_what(tmp_path: Path) -> None:
    path = tmp_path / "sample.csv"
    path.write_text(
        "# theo trí nhớ / from memory\n" + LIST + "1,Một,One,,2025-01-01\n1,Khác,Other,2025-01-01,\n", "utf-8"
    )
    assert read(path) == (Code("1", "Một", "One", None, FIRST_OF_2025), Code("1", "Khác", "Other", FIRST_OF_2025))
    assert remarks("licence_class")[0].startswith("Từ 01/01/2025")
    assert [len(code_list(name)) for name in ("sex", "vsic")] == [3, 752]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("1,Một,One,,2025-01-01\n1,Khác,Other,2024-12-31,\n", "stands 2 times for one day"),
        ("1,Một,One,,\n1,Khác,Other,2025-01-01,\n", "stands 2 times for one day"),
        ("1,Một,One,2025-01-01,2025-01-01\n", "line 3 .* lies behind valid_from"),
        ("1,Một,One,01/01/2025,\n", "line 3 .* written as 2025-07-01"),
        ("1,Một,One\n", "line 3"),
    ],
)
def test_a_period_that_cannot_be_is_refused_with_its_line(tmp_path: Path, rows: str, said: str) -> None:
    path = tmp_path / "sample.csv"
    path.write_text("# remark\n" + LIST + rows, "utf-8")
    with pytest.raises(ContractError, match=said):
        read(path)


def test_a_bridge_says_how_many_codes_an_older_one_became(tmp_path: Path) -> None:
    found = {(b.old_list, b.old_code): (b.new_code, b.targets) for b in bridges()}
    assert found["budget_chapter", "757"] == ("857", 1)
    assert found["licence_class", "B2"] == ("B", 1)
    assert found["vsic", "62020"] == ("62200", 1) and found["vsic", "45200"][1] == 2
    header = "old_list,old_code,new_list,new_code\n"
    path = tmp_path / "a.csv"
    path.write_text(header + "sex,1,sex,2\nsex,1,sex,3\n", "utf-8")
    assert [bridge.targets for bridge in read_bridges(path)] == [2, 2]
    path.write_text(header + "sex,1,sex,7\n", "utf-8")
    with pytest.raises(ContractError, match=r"sex\.csv has no code '7'"):
        read_bridges(path)
