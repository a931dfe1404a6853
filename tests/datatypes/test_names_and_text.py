"""Names and texts have one form, however they were typed."""

from __future__ import annotations

import itertools
import unicodedata

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from viet_text_tools import normalize_diacritics

from etl import datatypes
from etl.datatypes.syllable import is_syllable

from .columns import column, standard

LETTERS = "aàảãáạăằẳẵắặâầẩẫấậbcdđeèẻẽéẹêềểễếệghiìỉĩíịklmnoòỏõóọôồổỗốộơờởỡớợpqrstuùủũúụưừửữứựvxyỳỷỹýỵÐðfjwzëïñüß"
SYLLABLES = (
    "nguyễn",
    "ðặng",
    "đỗ",
    "thị",
    "văn",
    "hoà",
    "thuý",
    "quýnh",
    "khuê",
    "oanh",
    "ước",
    "muà",
    "y",
    "ê",
    "xoè",
)


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        ("NGUYỄN THỊ  HOÀ", "Nguyễn Thị Hòa"),
        ("ðinh ÐỨC thuý", "Đinh Đức Thúy"),
        ("lý qúy muà", "Lý Quý Mùa"),  # marks on the wrong letter in any style
        ("hoàng oanh", "Hoàng Oanh"),
        ("o’brien anne–marie", "O'Brien Anne-Marie"),
        ("H'HEN NIÊ", "H'Hen Niê"),
        ("chloé zoé", "Chloé Zoé"),  # no Vietnamese words: their marks stay
        ("Noé", "Noé"),
        ("José Hoà", "José Hoà"),
        ("Ludwig van der Berg", "Ludwig van der Berg"),  # whose capitals are not known stays as sent
        ("VAN DER BERG", "Van Der Berg"),
        ("Sean McDonald", "Sean McDonald"),
        ("guðrún sigurðsdóttir", "Guðrún Sigurðsdóttir"),
        ("Nguyễn\u00a0An", "Nguyễn An"),
        ("Nguyễn\u2003Thị\u2028An", "Nguyễn Thị An"),
        ("Nguyễn\u200b An\u00ad", "Nguyễn An"),
        ("Nguyễn\u3164An", "Nguyễn An"),  # a filler that looks like a blank
        ("Ｎｇｕｙｅｎ　Ａｎ", "Nguyen An"),
        ("Łukasz Żółć", "Łukasz Żółć"),
        ("王小明", "王小明"),
        ("Михаил Ёлкин", "Михаил Ёлкин"),
        ("محمد علي", "محمد علي"),
        ("Hµ Lan", None),
        ("john smith jr.", "John Smith Jr."),
        ("Nguyễn Văn 2", None),
        ("Nguyễn (An)", None),
        ("Nguyễn Vаn An", None),  # a Cyrillic letter
        ("-", None),
    ],
)
def test_a_person_has_one_name(received: str, expected: str | None) -> None:
    assert standard("person_name", [received, None]) == [expected, None]


@given(st.lists(st.text(LETTERS + LETTERS.upper() + " '-.", max_size=12), min_size=1, max_size=20))
def test_names_do_not_depend_on_the_form_of_unicode_and_are_stable(names: list[str]) -> None:
    once = standard("person_name", list(names))
    assert standard("person_name", [unicodedata.normalize("NFD", n) for n in names]) == once
    assert standard("person_name", once) == once


@given(st.lists(st.lists(st.sampled_from(SYLLABLES), min_size=1, max_size=4), min_size=1, max_size=9))
def test_a_vietnamese_name_does_not_depend_on_case(names: list[list[str]]) -> None:
    sent = [" ".join(name) for name in names]
    expected = standard("person_name", list(sent))
    for cased in (str.upper, str.title, str.swapcase):
        assert standard("person_name", [cased(name) for name in sent]) == expected


def test_tone_marks_stand_where_the_library_puts_them() -> None:
    onsets = ["", "b", "h", "th", "q", "g", "ngh", "tr"]
    vowels = ["oa", "oe", "uy", "ua", "ia", "ai", "ao", "iêu", "uyê", "oai", "uơ", "ươ", "uâ", "iê", "oă"]
    codas = ["", "n", "ng", "c"]
    words = [
        unicodedata.normalize("NFC", onset + vowel[:place] + tone + vowel[place:] + coda)
        for onset, vowel, coda in itertools.product(onsets, vowels, codas)
        for tone in "\u0300\u0301\u0303\u0309\u0323"
        for place in range(1, len(vowel) + 1)
    ]
    words = [w for w in words if is_syllable(w)]
    assert len(words) > 500
    expected = [normalize_diacritics(w).capitalize() for w in words]
    assert standard("person_name", list(words)) == expected


def test_free_text_is_as_sent_but_for_its_ends() -> None:
    received = [
        " a \t\r\n b\u00a0 c \n",
        unicodedata.normalize("NFD", "Thủ Đức"),
        "một\rhai\r\n\r\nba",
        "\ufeffx\u200by\u3164",
        "👩\u200d⚕️",
        "\u3164 \u2800\u200b",
        None,
    ]
    expected = ["a \t\n b\u00a0 c", "Thủ Đức", "một\nhai\n\nba", "x\u200by", "👩\u200d⚕️", None, None]
    assert standard("text", received) == expected


def test_a_key_has_single_blanks_ordinary_widths_and_nothing_invisible() -> None:
    received = [
        " a \t\n b\u00a0 c ",
        "x\u200by\u2060z",
        "e\u200b\u0301",
        "ＡＢ－１２",
        "ｶﾞ",
        "a\u2800b",
        "\u3164",
        "a\vb\fc",
    ]
    expected = ["a b c", "xyz", "é", "AB-12", "ガ", "a b", None, "a b c"]
    assert standard("text", received, key_position=1) == expected


def test_control_characters_are_never_dropped() -> None:
    received = ["a\x11b", "10 \x80", "\x1a"]
    for more in ({}, {"key_position": 1}):
        assert standard("text", list(received), **more) == received


@given(st.lists(st.text(min_size=1, max_size=20), min_size=1))
def test_text_is_stable(values: list[str]) -> None:
    frame = pl.DataFrame({"x": values})
    for semantic_type in ("text", "person_name", "address"):
        once = datatypes.standardise(frame, column(semantic_type))
        assert datatypes.standardise(once.select("x"), column(semantic_type)).equals(once)


@pytest.mark.parametrize("place", [0, 4_095, 4_096, 9_999])
@pytest.mark.parametrize(
    ("semantic_type", "right", "odd"),
    [
        ("text", "ab12", "Bê\u0301n"),
        ("text", "Bến Nghé", "Bến Nghé "),
        ("icd10", "A09.0", "a090"),
        ("personal_id", "079199000001", "079 199 000 001"),
        ("bhyt", "DN4790349124953", "dn4790349124953"),
    ],
)
def test_one_odd_value_among_thousands_gets_its_form(semantic_type: str, right: str, odd: str, place: int) -> None:
    values = [right] * 10_000
    values[place] = odd
    (made,) = datatypes.standardise_each(pl.DataFrame({"x": values}), [column(semantic_type)])
    (form,) = standard(semantic_type, [odd])
    assert form is not None and form != odd
    assert made["x"].to_list() == [*values[:place], form, *values[place + 1 :]]
