"""Bytes become the same text however a file is cut into blocks while it is read."""

from __future__ import annotations

import codecs
import re

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.delivery.messages import Stop
from etl.extract.lines import numbered
from etl.extract.text import decoded

LETTERS = 'aăđ,;"\r\n\r\n '  # in each of the encodings below; line ends of every kind
ENCODINGS = ("utf-8", "utf-16", "cp1258", "tcvn3")


@st.composite
def blocks(draw: st.DrawFn) -> tuple[str, str, list[bytes]]:
    """An encoding, a text, and its bytes in blocks."""
    encoding = draw(st.sampled_from(ENCODINGS))
    text = draw(st.text(LETTERS, max_size=40))
    # TCVN3 has a byte of its own for each of these letters.
    written = text.replace("ă", "¨").replace("đ", "®") if encoding == "tcvn3" else text
    content = written.encode("latin-1" if encoding == "tcvn3" else encoding)
    if encoding == "utf-8":
        content = draw(st.integers(0, 2)) * codecs.BOM_UTF8 + content
    cuts = sorted(draw(st.lists(st.integers(0, len(content)), max_size=6)))
    parts = [content[a:b] for a, b in zip([0, *cuts], [*cuts, len(content)], strict=True)]
    return encoding, text, [part for part in parts if part]


@given(blocks())
def test_where_a_file_is_cut_makes_no_difference(cut: tuple[str, str, list[bytes]]) -> None:
    encoding, text, parts = cut
    pieces = [piece.item() for piece in decoded(parts, encoding, any_line_end=True)]
    assert re.sub("\r\n", "\n", "".join(pieces)) == re.sub("\r\n|\r", "\n", text)
    assert all(piece.endswith("\n") for piece in pieces[:-1] if piece)
    lines = [line for piece in numbered(map(pl.Series, [[piece] for piece in pieces])) for line in piece.lines["line"]]
    assert lines == (re.split("\r\n|\r|\n", text.removesuffix("\n").removesuffix("\r")) if text else [])


@given(st.binary(max_size=30), st.lists(st.integers(0, 30), max_size=3))
def test_what_is_no_utf_8_is_held_with_its_place_however_it_is_cut(content: bytes, at: list[int]) -> None:
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = 1 + content.count(b"\n", 0, error.start)
        place = f"line {line}"
    else:
        return
    cuts = sorted({min(cut, len(content)) for cut in at})
    parts = [content[a:b] for a, b in zip([0, *cuts], [*cuts, len(content)], strict=True)]
    with pytest.raises(Stop) as told:
        list(decoded([part for part in parts if part], "utf-8"))
    if b"\0" not in content and not content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):  # or it is for that
        assert place in told.value.message.en
