"""Text in a foreign encoding is found, row by row, and right text of any language is not accused."""

from __future__ import annotations

import itertools
import random
import unicodedata
from dataclasses import replace

import polars as pl
import pytest
from viparse.normalize.encodings import get_charmap

from etl.contract import load_all
from etl.datatypes.ward import units
from etl.delivery.columns import ROW
from etl.delivery.messages import Stop
from etl.extract import misread
from etl.extract.encodings import decode_by, from_windows_1252
from simulate.encodings import encode
from tests import TESTS

BIRTHS = load_all()["civil.births"]
FOREIGN = [line.split() for line in (TESTS / "foreign_words.txt").read_text("utf-8").splitlines()]
FAMILY = ("Nguyễn", "Trần", "Lê", "Phạm", "Huỳnh", "Vũ", "Đặng", "Bùi", "Hồ", "Ngô", "Lý", "Đinh")
GIVEN = ("Dũng", "Hương", "Hạnh", "Hòa", "Huệ", "Lộc", "Phúc", "Thảo", "Thủy", "Tú", "Tuyết", "Yến", "Đạt", "Ánh", "Mỹ")
NAMES = [f"{family} {middle} {given}" for family in FAMILY for middle in ("Thị", "Văn", "Minh") for given in GIVEN]
WARDS = sorted(set(units()["name"]))
TABLES = ("tcvn3", "vni", "viscii", "vps", "cp1258", "utf-8")


def judged(texts: list[str], encoding: str = "utf-8") -> tuple[pl.DataFrame, pl.DataFrame]:
    rows = pl.DataFrame({ROW: range(1, len(texts) + 1), "ho_ten": texts})
    contract = replace(BIRTHS, source=replace(BIRTHS.source, encoding=encoding))
    return misread.judge(rows, contract)


def damaged(texts: list[str], real: str, read_as: str = "windows-1252") -> tuple[list[str], list[str]]:
    """Texts written in one encoding and read as another, and what they were; those that come out the same left out."""
    pairs = []
    for text in texts:
        if real in ("vni", "viscii", "vps"):
            table = {letter: sequence for sequence, letter in reversed(get_charmap(real).pairs)}
            content = "".join(table.get(letter, letter) for letter in text).encode("latin-1", "ignore")
        else:
            content = encode(text, real)
        read = from_windows_1252(content.decode("latin-1"))
        if read_as != "windows-1252":
            read = decode_by(content, read_as) or text  # what it does not decode at all holds the file
        if read != text and not read.isascii():
            pairs.append((read, text))
    return [read for read, _ in pairs], [text for _, text in pairs]


@pytest.mark.parametrize("real", TABLES)
@pytest.mark.parametrize("texts", [NAMES, WARDS], ids=["names", "wards"])
def test_a_damaged_row_in_a_good_file_is_found(texts: list[str], real: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(misread, "_PROVEN_BY", len(texts) + 1)  # each row by itself, as if it were the only one
    wrong, _ = damaged(texts, real)
    assert len(wrong) > 300
    problems, _ = judged(wrong)
    assert problems.height >= (0.99 if real == "utf-8" else 0.86) * len(wrong)
    assert set(problems["rule"]) <= {"misread_text", "control_character"}


@pytest.mark.parametrize("real", TABLES)
def test_a_damaged_file_is_held_with_the_name_of_its_encoding(real: str) -> None:
    name = {"tcvn3": "TCVN3 (ABC)", "cp1258": "Windows-1258"}.get(real, real.upper())
    problems, counts = judged(damaged(NAMES, real)[0])
    with pytest.raises(Stop) as told:
        misread.check(counts, BIRTHS)
    assert told.value.rule == "wrong_encoding"
    assert f"({name})" in told.value.message.en
    assert problems.height


@pytest.mark.parametrize("real", ["tcvn3", "utf-8", "cp1258"])
def test_what_it_would_read_stands_beside_what_was_sent(real: str) -> None:
    wrong, right = damaged(NAMES, real)
    problems, _ = judged(wrong)
    readings = dict(zip(problems[ROW], problems["value"].str.split(" → ").list.last(), strict=True))
    same = [readings[row].lower() == right[row - 1].lower() for row in readings]  # ABC's fonts lack some capitals
    assert sum(same) >= 0.99 * len(same)


@pytest.mark.parametrize("agreed", ["cp1258", "tcvn3"])
def test_utf_8_lines_under_another_agreed_encoding_are_found(agreed: str) -> None:
    wrong, _ = damaged(NAMES, "utf-8", agreed)
    assert len(wrong) > 100
    problems, _ = judged(wrong, agreed)
    assert problems.height == len(wrong)


def test_right_words_of_other_languages_are_not_accused() -> None:
    words = list(itertools.chain(*FOREIGN))
    assert len(words) > 700
    chance = random.Random(19)
    texts = [*words, *map(str.upper, words)]
    texts += [f"{chance.choice(words)} {chance.choice(words)}" for _ in range(20_000)]
    texts += [f"{a} {b}" for line in FOREIGN for a, b in itertools.product(line, line)]
    problems, counts = judged(texts)
    assert problems["value"].to_list() == []
    misread.check(counts, BIRTHS)


def test_right_vietnamese_is_not_accused() -> None:
    texts = [
        *NAMES,
        *WARDS,
        "12/QĐ-UBND",
        "Krông Pắc, Đắk Lắk",
        "Y Bhăm Êban",
        "H’Hen Niê",
        "Thuở xưa, khuỷu tay",
        "Ðoàn Ðình",
    ]
    texts += [text.upper() for text in texts] + [text.lower() for text in texts]
    for form in ("NFC", "NFD"):
        problems, _ = judged([unicodedata.normalize(form, text) for text in texts])
        assert problems["value"].to_list() == []


@pytest.mark.parametrize(
    "text",
    [
        "“AMANHÔ… CAFÉ®", "POSPÍŠIL", "TOMÁŠ", "5 µm", "£m 5", "Mª José", "Nª Sª", "1º", "ghi chú¹", "« mot »",
        "10 € – 20 €", "Paral·lel", "Donau\u00addampf", "кΩ", "XÃ BÌNH", "Anna Läng", "Otto Dän", "massage Thaï",
    ],
)  # fmt: skip
def test_signs_and_chance_prove_nothing(text: str) -> None:
    assert judged([text])[0].is_empty()


def test_entities_of_web_pages_are_named() -> None:
    problems, _ = judged(["Nguy&#7877;n V&#259;n An", "Ren&eacute;e", "A &amp; B", "AT&T; x", "R&D"])
    assert problems[ROW].to_list() == [1, 2]
    assert problems["value"][0].endswith("→ Nguyễn Văn An")
