"""Names and texts have one form, however they were typed."""

from __future__ import annotations

import itertools
import unicodedata

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from viet_text_tools import normalize_diacritics

from etl import semantic

from .columns import column, standard

LETTERS = "aàảãáạăằẳẵắặâầẩẫấậbcdđeèẻẽéẹêềểễếệghiìỉĩíịklmnoòỏõóọôồổỗốộơờởỡớợpqrstuùủũúụưừửữứựvxyỳỷỹýỵÐðfjwzëïñüß"


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
def test_names_do_not_depend_on_the_form_of_unicode_or_case_and_are_stable(names: list[str]) -> None:
    once = standard("person_name", list(names))
    assert standard("person_name", [unicodedata.normalize("NFD", n) for n in names]) == once
    assert standard("person_name", once) == once
    vietnamese = [n.replace("ß", "").replace("Ð", "").replace("ð", "") for n in names]
    assert standard("person_name", [n.upper() for n in vietnamese]) == standard("person_name", vietnamese)


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
    expected = [normalize_diacritics(w).capitalize() for w in words]
    assert standard("person_name", list(words)) == expected


def test_text_keeps_its_words_and_loses_only_what_cannot_be_seen() -> None:
    received = [" a \t\n b\u00a0 c ", unicodedata.normalize("NFD", "Thủ Đức"), "x\x00y\u200bz", "e\u200b\u0301", None]
    assert standard("text", received) == ["a b c", "Thủ Đức", "xyz", "é", None]


@given(st.lists(st.text(min_size=1, max_size=20), min_size=1))
def test_text_is_stable(values: list[str]) -> None:
    frame = pl.DataFrame({"x": values})
    for semantic_type in ("text", "person_name", "address"):
        once = semantic.standardise(frame, column(semantic_type))
        assert semantic.standardise(once.select("x"), column(semantic_type)).equals(once)
