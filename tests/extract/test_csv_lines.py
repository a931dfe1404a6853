"""Lines of CSV are cut in two ways, a fast one and one that looks at each: both must make the same of them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from etl.delivery.columns import ROW
from etl.extract import csv_lines, dialect
from etl.extract.csv_cells import cut_lines
from etl.extract.lines import Piece
from etl.extract.text import decoded

_CELLS = st.text(st.sampled_from(["a", "ễ", "1", " ", "\x1a", "\u00a0", "\x1c", "\x85", "\u2028", "\x0b"]), max_size=3)
_QUOTED = st.sampled_from(
    ['"', '""', '"a"', '"a;b"', '"a""b"', 'a"b"', ' "a', "'", "'a;b'", "a'", "`a", "\\", '"a\\"', "\ufeff", '" "']
)


@st.composite
def _texts(draw: st.DrawFn) -> tuple[str, dialect.Dialect]:
    """Some lines as a program or a person writes them, a few of which hold quotation marks; and their dialect."""
    width = draw(st.integers(1, 3))
    mark = draw(st.sampled_from([";", "\t", " ", "||"]))
    found = dialect.Dialect(
        mark,
        draw(st.sampled_from(['"', '"', "'"])),
        header_at=0,
        header=[draw(st.sampled_from([f"x{n}", ""])) for n in range(width)],
        escape=draw(st.sampled_from([None, None, "\\"])),
    )
    cells = st.lists(_CELLS, min_size=width, max_size=width)
    odd = st.lists(_CELLS | _QUOTED, min_size=max(width - draw(st.integers(0, 1)), 1), max_size=width + 1)
    lines = [mark.join(draw(cells)) for _ in range(draw(st.sampled_from([1, 60])))]
    for at in draw(st.lists(st.integers(0, len(lines) - 1), max_size=len(lines) // 10)):
        lines[at] = draw(st.sampled_from(["", mark * width])) if draw(st.booleans()) else mark.join(draw(odd))
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    text = end.join(lines) + draw(st.sampled_from(["", end, end + end]))
    return (text.replace(end, "\n", 1) if draw(st.booleans()) else text), found


@settings(max_examples=300)
@given(_texts(), st.sampled_from([1, 77]))
def test_both_ways_to_cut_lines_make_the_same_of_them(of: tuple[str, dialect.Dialect], first: int) -> None:
    text, found = of
    *_, cell = decoded([text.encode()], "utf-8", any_line_end=True)
    piece = Piece(cell, first, is_last=False)
    cut = csv_lines.cut(piece, found)
    if cut is None:
        return
    looked_at = cut_lines(piece.lines, found, is_last=True)
    assert_frame_equal(cut.table.rows, looked_at.table.rows)
    assert_frame_equal(cut.table.problems, looked_at.table.problems)
    assert (cut.widths, cut.quotes) == (looked_at.widths, looked_at.quotes)
    assert looked_at.rest.is_empty()


def test_lines_are_cut_fast_though_a_name_has_quotes_and_a_quote_stays_open() -> None:
    lines = [f"{number};Nguyễn Văn An\r\n" for number in range(1, 200)]
    lines[20], lines[60], lines[90] = '21;Công ty "Sao"\r\n', '61;"Lê;Lợi"\r\n', '91;"Trần\r\n'
    lines[100] = "101;a;b\r\n"
    (cell,) = decoded(["".join(lines).encode()], "utf-8", any_line_end=True)
    cut = csv_lines.cut(Piece(cell, 1001, is_last=True), dialect.Dialect(";", '"', 0, ["số", "tên"]))
    assert cut is not None
    names = dict(cut.table.rows.select(ROW, "tên").iter_rows())
    assert (names[1021], names[1061]) == ('Công ty "Sao"', "Lê;Lợi")
    assert cut.broken == {1091, 1101} == {*range(1001, 1200)} - {*names}
    assert dict(cut.table.problems.select("rule", "value").iter_rows()) == {
        "unclosed_quote": '91;"Trần', "ragged_row": "101;a;b",
    }  # fmt: skip


def test_a_line_longer_than_what_is_parsed_at_a_time_is_left_to_the_other_way() -> None:
    lines = [f"{number};a\n" for number in range(1, 300_000)]
    lines[150_000] = f"150001;{'x' * 3_000_000}\n"
    (cell,) = decoded(["".join(lines).encode()], "utf-8", any_line_end=True)
    assert csv_lines.cut(Piece(cell, 1, is_last=True), dialect.Dialect(";", '"', 0, ["số", "tên"])) is None
