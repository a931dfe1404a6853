"""Identifiers and codes come out in one form, keep their zeros, and are never guessed."""

from __future__ import annotations

import random
from datetime import date

import phonenumbers
import polars as pl
import pytest
from stdnum.vn import mst

from etl import datatypes
from etl.contract import load_all
from etl.datatypes import code
from etl.datatypes.tax_code import standard as tax_code

from .columns import column, standard


@pytest.mark.parametrize(
    ("semantic_type", "received", "expected"),
    [
        ("personal_id", "079 090.000-001", "079090000001"),
        ("personal_id", "023456789", "023456789"),
        ("personal_id", "b1234567", "B1234567"),
        ("personal_id", "79090000001", None),  # a spreadsheet ate the zero: not to be guessed
        ("personal_id", "079 063 477 742", "079063477742"),
        ("personal_id", "0790.6347.7742", "079063477742"),
        ("personal_id", "079\u00a0063\u00a0477742", "079063477742"),
        ("personal_id", "023-456-789", "023456789"),
        ("personal_id", "B 123 4567", "B1234567"),
        ("personal_id", "79063477742.0", None),  # it passed through a column of numbers, as the next ones did
        ("personal_id", "7906347774.20", None),
        ("personal_id", "079090.000001", None),
        ("personal_id", "7.90635E+10", None),
        ("personal_id", "02345678.9", None),
        ("personal_id", "101190000001", "101190000001"),  # the birth was registered abroad
        ("personal_id", "000190000001", None),  # of no province
        ("personal_id", "097190000001", None),
        ("personal_id", "079490000001", None),  # born in 2190
        ("personal_id", "079399000001", None),  # born in 2099
        ("personal_id", "٠٧٩٠٩٠٠٠٠٠٠١", None),  # digits of another script
        ("tax_code", "0100112437", "0100112437"),
        ("tax_code", "0312687878-001", "0312687878001"),
        ("tax_code", "0312687878-000", None),
        ("tax_code", "0312.687.878 - 001", "0312687878001"),
        ("tax_code", "0312687878.001", None),
        ("tax_code", "312687878001", None),  # a branch's code without its zero is no person
        ("tax_code", "301482205001", None),  # nor is who is born in 2182
        ("tax_code", "312187871001", "312187871001"),  # but who is born abroad is
        ("tax_code", "0100112437.0", None),
        ("tax_code", "100112437", None),
        ("bhxh", "123456789.0", None),
        ("tax_code", "0100112438", None),
        ("tax_code", "079090000001", "079090000001"),
        ("bhxh", "0123456789", "0123456789"),
        ("bhxh", "0000000000", None),
        ("bhyt", "dn 4 79 0123456789", "DN4790123456789"),
        ("bhyt", "TE1790123456789", "TE1790123456789"),
        ("bhyt", "DN6790123456789", None),
        ("icd10", "a090", "A09.0"),
        ("icd10", "J18", "J18"),
        ("icd10", "g01*", "G01*"),
        ("icd10", "A39.0†", "A39.0†"),
        ("icd10", "A9", None),
    ],
)
def test_an_identifier_has_one_form_or_none(semantic_type: str, received: str, expected: str | None) -> None:
    assert standard(semantic_type, [received, None]) == [expected, None]


def test_every_part_of_a_cell_must_be_understood() -> None:
    received = [" a090 ; ;J18;", "A090;what", ";", None, "B20"]
    assert standard("icd10", received, separator=";") == ["A09.0;J18", None, None, None, "B20"]
    assert standard("personal_id", ["079090000001; b1234567"], separator=";") == ["079090000001;B1234567"]


def test_the_check_digit_of_tax_codes_is_that_of_stdnum() -> None:
    chance = random.Random(2026)
    codes = [f"{chance.randrange(10**10):010}" + chance.choice(["", "", "001", "000"]) for _ in range(100_000)]
    codes += [f"01000000{i:02}" for i in range(100)] + [f"990000000{i}" for i in range(10)]
    assert tax_code(pl.Series(codes)).is_not_null().to_list() == [mst.is_valid(c) for c in codes]


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        ("0901 234 567", "+84901234567"),
        ("+84 (0)90.123.4567", "+84901234567"),
        ("84901234567", "+84901234567"),
        ("028-3829-5555", "+842838295555"),
        ("841234567", "+84841234567"),  # 084 123 4567 without its zero, not the country code
        ("+1 202 456 1111", "+12024561111"),
        ("01201234567", "+84701234567"),
        ("+84 123 456 7890", "+84834567890"),
        ("01671234567", "+84371234567"),
        ("0186 123 4567", "+84561234567"),
        ("0199 123 4567", "+84591234567"),
        ("0195 123 4567", None),
        ("0901234567/0907654321", None),
        ("không có", None),
        ("0909", None),
        ("18001091", "+8418001091"),
        ("18001091.0", None),
        ("901234567.0", None),
        ("9.01235E+08", None),
    ],
)
def test_a_phone_number_becomes_e164(received: str, expected: str | None) -> None:
    assert standard("phone", [received, None]) == [expected, None]


def test_phone_numbers_are_valid_where_libphonenumber_says_so() -> None:
    chance = random.Random(2026)
    numbers = [f"0{chance.randrange(2, 10)}{chance.randrange(10**8):08}" for _ in range(3000)]
    numbers += [f"02{chance.randrange(10**9):09}" for _ in range(2000)]
    parsed = [phonenumbers.parse(n, "VN") for n in numbers]
    e164 = phonenumbers.PhoneNumberFormat.E164
    expected = [phonenumbers.format_number(p, e164) if phonenumbers.is_valid_number(p) else None for p in parsed]
    assert standard("phone", list(numbers)) == expected


def test_a_code_is_looked_up_and_must_be_in_its_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code, "members", lambda _: ("01", "02"))
    described = {"code_list": "sample", "lookup": {"Một": "01"}}
    assert standard("code", ["01", " 02 ", "Một", None], **described) == ["01", "02", "01", None]
    assert standard("code", ["1", "một"], **described) == [None, None]
    assert standard("code", ["Một; 02", "01;3"], separator=";", **described) == ["01;02", None]
    with pytest.raises(ValueError, match="lookup gives 99"):
        standard("code", ["01"], code_list="sample", lookup={"x": "99"})


def test_a_standard_form_is_its_own_standard_form() -> None:
    chance = random.Random(1)
    digits = [str(chance.randrange(10 ** chance.randrange(7, 16))) for _ in range(20_000)]
    letters = [chance.choice(["DN4", "a", "B", "te1", "01", "+84", "02", "09", "190"]) + d for d in digits]
    diagnoses = [f"{chance.choice('aBc')}{chance.randrange(1000)}{chance.choice(['', '*', '†'])}" for _ in range(1000)]
    received = pl.DataFrame({"x": digits + letters + diagnoses})
    for semantic_type in ("personal_id", "tax_code", "bhxh", "bhyt", "icd10", "phone"):
        once = datatypes.standardise(received, column(semantic_type)).drop_nulls()
        assert once.height > 10, semantic_type
        assert datatypes.standardise(once, column(semantic_type)).equals(once), semantic_type


def test_the_examples_and_lookups_of_all_contracts_are_understood() -> None:
    for contract in load_all().values():
        for described in contract.columns:
            if described.type != "string":
                continue
            values = [described.example, *described.lookup]
            frame = pl.DataFrame({described.name: values})
            if described.period_column:
                frame = frame.with_columns(pl.lit(date(2025, 7, 1)).alias(described.period_column))
            assert datatypes.understood(frame, described).all(), f"{contract.id}: {described.name}"
