"""A workbook's sheet whose cells are told by columns says what it says when each is parsed, and is refused alike.

A comment before its rows leaves a sheet to the parser: so each is read both ways.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.contract import load
from etl.delivery.messages import Stop
from etl.extract import plain_cells, read_tables, workbook
from etl.extract.sheet import Sheet
from etl.settings import DEFAULT_LIMITS, Limits
from tests import TESTS

HOUSEHOLDS = load(TESTS / "cases" / "expectations" / "excel" / "households.yaml")
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_TYPE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_RELATIONS = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    f'<Relationship Id="rId1" Type="{_TYPE}/{{kind}}" Target="{{target}}"/></Relationships>'
)
FORMATS = ("General", "dd/mm/yyyy", "0000000", "0.0%", "mmm-yy", "dd/mm/yyyy hh:mm")
_STYLES = (
    f'<styleSheet xmlns="{_MAIN}"><numFmts>'
    + "".join(f'<numFmt numFmtId="{164 + at}" formatCode="{code}"/>' for at, code in enumerate(FORMATS))
    + "</numFmts><cellXfs>"
    + "".join(f'<xf numFmtId="{164 + at}"/>' for at in range(len(FORMATS)))
    + "</cellXfs></styleSheet>"
)
_TEXTS = f'<sst xmlns="{_MAIN}"><si><t>Nam</t></si><si><r><t>Lê </t></r><r><t>Hoa</t></r></si><si><t/></si></sst>'


def book(rows: str, *, about: str = "", behind: str = "", before: str = "", texts: str = _TEXTS) -> bytes:
    """A workbook of one sheet.

    Args:
        rows: XML of the sheet's rows.
        about: XML of the workbook, before its sheets.
        behind: XML behind the rows.
        before: XML before them.
        texts: XML of the shared texts.
    """
    parts = {
        "_rels/.rels": _RELATIONS.format(kind="officeDocument", target="xl/workbook.xml"),
        "xl/_rels/workbook.xml.rels": _RELATIONS.format(kind="worksheet", target="worksheets/sheet1.xml"),
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_TYPE}">{about}'
        '<sheets><sheet name="A" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/styles.xml": _STYLES,
        "xl/sharedStrings.xml": texts,
        "xl/worksheets/sheet1.xml": '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\r\n'
        f'<worksheet xmlns="{_MAIN}" xmlns:x="urn:x">{before}<sheetData>{rows}</sheetData>{behind}</worksheet>',
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content.encode("utf-8", "surrogatepass"))
    return out.getvalue()


def told(content: bytes, limits: Limits) -> Sheet | tuple[str, str]:
    """What is to be known of its sheet, or how it is refused."""
    try:
        (sheet,) = workbook.look_through(content, limits)
    except Stop as stop:
        return stop.rule, stop.message.en
    return sheet


def both(rows: str, limits: Limits = DEFAULT_LIMITS, **parts: str) -> Sheet | tuple[str, str]:
    """What is told of a sheet of these rows, whether or not all its cells are parsed."""
    plain = told(book(rows, **parts), limits)
    parsed = told(book(rows, **(parts | {"before": f"<!-- each is parsed -->{parts.get('before', '')}"})), limits)
    if isinstance(plain, Sheet) and isinstance(parsed, Sheet):
        assert by_format(plain) == by_format(parsed)
        assert plain.valueless == parsed.valueless and plain.odd_days == parsed.odd_days
        assert (plain.hidden_rows, plain.hidden_columns) == (parsed.hidden_rows, parsed.hidden_columns)
    else:
        assert plain == parsed
    return plain


def by_format(sheet: Sheet) -> dict[str, list[int]]:
    return {code: sorted(cells) for code, cells in sheet.numbers.items()}


NUMBERS = ("0", "1", "46083", "46083.25", "1950", "59", "60.5", "-3", "1E-7", "12345678901234567890")
TEXTS = ("Nam", "Tên &#7902;", "a&amp;b", " ", "0", "\n", "Nguyễn &quot;A&quot;", "😀", "a]b")
ODD_NUMBERS = ("nan", "1_0", " 5 ", "&#49;", "x", "1,5", "1e999")
ODD_TEXTS = (
    "a>b",
    "&#x1EDE;",
    "&bad;",
    "&#0;",
    "\x01",
    "]]>",
    "\ufffe",
    "<b/>",
    "<!-- a -->",
    "<![CDATA[a]]>",
    "&#55296;",
)
FORMULAS = ("", "<f>A1*2</f>", '<f t="shared" ref="B1:B9" si="0">A1&amp;B1</f>', '<f t="shared" si="0"/>', "<f/>")
ODD_CELLS = (
    '<c r="a1"><v>1</v></c>',
    '<c r="A0"><v>1</v></c>',
    "<c><v>1</v></c>",
    '<c s="1" r="B4"><v>46083</v></c>',
    '<c r="C4" r="C5"><v>1</v></c>',
    '<c r="C3" s="x"><v>1</v></c>',
    '<c r="C3" t="s"><v>99</v></c>',
    '<c r="C3" t="s"><v>-1</v></c>',
    '<c r="ZZ900" s="1"/>',
    '<c r="Z90" t="str"><v></v></c>',
    '<c r="C3" s="1"><v>1</v><v>46083</v></c>',
    '<c r="C3" s="1" cm="1"><f>NOW()</f><v>46083</v></c>',
    '<c r="C3" t="inlineStr"><is><r><t>a</t></r><rPh sb="0" eb="1"><t>b</t></rPh></is></c>',
    '<c r="C3"><c r="D3" s="1"><v>46083</v></c></c>',
    '<x:c r="C3" s="1"><v>46083</v></x:c>',
    '<!-- <c r="Z90" s="1"><v>1</v></c> -->',
    '<![CDATA[<c r="Z90" s="1"><v>1</v></c>]]>',
    '<c r="C3"><v>1</v>',
    "</row>",
    "</row><!-- ",
    "</sheetData><sheetData>",
    '</row><row hidden="1">',
    '</row><row r="9" a=">" hidden="1">',
    "<is><t>",
    "a",
)


@st.composite
def cells(draw: st.DrawFn) -> str:
    """XML of one cell; most are as programs write them."""
    if draw(st.integers(0, 30)) == 0:
        return draw(st.sampled_from(ODD_CELLS))
    is_odd = draw(st.integers(0, 30)) == 0
    kind = draw(st.sampled_from(["", ' t="n"', ' t="s"', ' t="str"', ' t="b"', ' t="e"', ' t="inlineStr"']))
    place = f"{draw(st.sampled_from('ABCDEFG'))}{draw(st.integers(1, 20))}"
    style = draw(st.sampled_from(["", *(f' s="{at}"' for at in range(len(FORMATS) + 1))]))
    text = draw(st.sampled_from(ODD_TEXTS if is_odd else TEXTS))
    inside = {
        ' t="s"': draw(st.sampled_from(["<v>0</v>", "<v>1</v>", "<v>2</v>"])),
        ' t="e"': "<v>#N/A</v>",
        ' t="b"': "<v>1</v>",
        ' t="str"': f"{draw(st.sampled_from(FORMULAS))}<v>{text}</v>",
        ' t="inlineStr"': f'<is><t xml:space="preserve">{text}</t></is>',
    }.get(kind)
    if inside is None:
        number = draw(st.sampled_from(ODD_NUMBERS if is_odd else NUMBERS))
        value = draw(st.sampled_from(["", "<v/>", "<v></v>", *[f"<v>{number}</v>"] * 5]))
        inside = draw(st.sampled_from(FORMULAS)) + value
    return draw(st.sampled_from([f'<c r="{place}"{style}/>', *[f'<c r="{place}"{style}{kind}>{inside}</c>'] * 9]))


@st.composite
def rows(draw: st.DrawFn) -> str:
    """XML of rows."""
    made = ""
    for number in draw(st.lists(st.integers(1, 20), max_size=12)):
        about = draw(st.sampled_from(["", ' spans="1:7" ht="15"', ' hidden="1"', ' x:dyDescent="0.25" hidden="0"']))
        blank = draw(st.sampled_from(["", "", "\n  "]))
        held = blank.join(draw(st.lists(cells(), max_size=6)))
        made += f'<row r="{number}"{about}>{held}</row>{blank}' if held else f'<row r="{number}"{about}/>'
    return made


@settings(max_examples=100, deadline=None)
@given(
    rows=rows(),
    about=st.sampled_from(["", '<workbookPr date1904="1"/>', '<calcPr fullCalcOnLoad="1"/>']),
    behind=st.sampled_from(['<mergeCells><mergeCell ref="A1:B2"/></mergeCells>', "", "<!-- a -->", "</worksheet>"]),
    limits=st.sampled_from(
        [DEFAULT_LIMITS, DEFAULT_LIMITS, replace(DEFAULT_LIMITS, columns=6), replace(DEFAULT_LIMITS, empty_cells=40)]
    ),
    piece=st.sampled_from([400, 900, 1 << 20]),
)
def test_a_sheet_says_the_same_and_is_refused_alike_when_each_of_its_cells_is_parsed(
    rows: str, about: str, behind: str, limits: Limits, piece: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workbook, "_CHUNK", piece)
        both(rows, limits, about=about, behind=behind)


@pytest.mark.parametrize("odd", ODD_CELLS)
def test_what_is_odd_amid_plain_cells_is_taken_as_the_parser_takes_it(odd: str) -> None:
    plain = '<row r="{0}"><c r="A{0}" s="1"><v>46083</v></c></row>'
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workbook, "_CHUNK", 300)
        both(f'{plain.format(1)}<row r="3">{odd}</row>{"".join(map(plain.format, range(4, 30)))}')


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(
            '<row r="2" spans="1:4" ht="15" x14ac:dyDescent="0.25"><c r="A2" s="1"><v>46083</v></c><c r="B2" t="s">'
            '<v>1</v></c><c r="C2" s="2"/><c r="D2"><f t="shared" ref="D2:D9" si="0">A2+1</f><v>46084</v></c></row>',
            id="Excel",
        ),
        pytest.param(
            '<row r="2"><c r="A2" s="1" t="n"><v>46083</v></c><c r="B2" t="inlineStr"><is><t>T&#234;n</t></is></c>'
            '<c r="C2"><f>A2+1</f><v/></c></row>',
            id="openpyxl",
        ),
        pytest.param(
            '<row r="2" customFormat="false" ht="12.8"><c r="A2" s="1" t="n"><v>46083</v></c><c r="B2" s="0" t="s">'
            '<v>0</v></c><c r="C2" s="0" t="e"><f aca="false">1/0</f><v>#DIV/0!</v></c></row>',
            id="LibreOffice",
        ),
        pytest.param(
            '\n<row r="2">\n<c r="A2" s="1"><v>46083.0</v></c><c r="B2" t="inlineStr"><is><t xml:space="preserve"> a'
            "</t></is></c></row>\n",
            id="Apache POI",
        ),
    ],
)
def test_what_programs_write_needs_no_parser(row: str) -> None:
    found = plain_cells.cut(row.encode())
    assert found is not None
    assert found.numbers.select("row", "column", "style").row(0) == (1, 0, "1")
    sheet = both(row)
    assert isinstance(sheet, Sheet) and by_format(sheet)["dd/mm/yyyy"] == [1 << 14]


ONE = '<row r="1"><c r="A1"><v>1</v></c></row>'


@pytest.mark.parametrize(
    ("rows", "behind", "rule"),
    [
        (f'{ONE}<row r="2"><c r="B2"><v>1</v></c></row', "", "unreadable_excel"),
        (ONE, '</worksheet><row r="2"><c r="B2"><v>1</v></c></row>', "unreadable_excel"),
        (f'<row r="1" r="1">{ONE[12:]}', "", "unreadable_excel"),
        (f'{ONE}<row r="2"><c r="B2" t="s"><v>3</v></c></row>', "", "unreadable_excel"),
        (f'{ONE}<row r="2"><c r="XFD2"><v>1</v></c></row>', "", "too_many_columns"),
        (f'<row r="1"><c r="CV1048576" t="str"><v>a</v></c></row>{ONE}', "", "mostly_empty"),
        (f'{ONE}<row r="2"><c r="B2"><v>1</v></c></row>' * 3 + "<!DOCTYPE a>", "", "unreadable_excel"),
        (f'{ONE}<row r="2"><c r="B2"><v>one</v></c></row>', "", "unreadable_excel"),
        (f'{ONE}<row r="2"><c r="B2" t="str"><v>a\ufffe</v></c></row>', "", "unreadable_excel"),
    ],
)
def test_plain_cells_do_not_hide_what_a_workbook_is_refused_for(rows: str, behind: str, rule: str) -> None:
    refused = both(rows, behind=behind)
    assert isinstance(refused, tuple) and refused[0] == rule


def test_a_long_text_counts_in_each_plain_cell_that_names_it() -> None:
    texts = _TEXTS.replace("Nam", "a" * 10_000)
    few = '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>0</v></c></row>'
    many = "".join(f'<row r="{row}"><c r="A{row}" t="s"><v>0</v></c></row>' for row in range(1, 300))
    limits = replace(DEFAULT_LIMITS, unpacked_bytes=1 << 20)
    assert isinstance(both(few, limits, texts=texts), Sheet)
    refused = both(many, limits, texts=texts)
    assert isinstance(refused, tuple) and refused[0] == "unpacks_to_too_much"


def test_a_formula_without_a_result_is_told_though_its_cell_is_plain() -> None:
    rows = (
        '<row r="1"><c r="A1"><f>1+1</f><v>0</v></c><c r="B1"><f>1+1</f><v/></c><c r="C1" t="e"><v>#REF!</v></c></row>'
    )
    kept, stale = both(rows), both(rows, about='<calcPr fullCalcOnLoad="1"/>')
    assert isinstance(kept, Sheet) and isinstance(stale, Sheet)
    assert kept.valueless == {1: {0: "formula_not_computed"}, 2: {0: "formula_failed"}}
    assert stale.valueless == kept.valueless | {0: {0: "formula_not_computed"}}


def test_a_plain_row_that_is_hidden_is_told() -> None:
    sheet = both(ONE + '<row r="2" hidden="1"><c r="A2" t="str"><v>a</v></c></row>')
    assert isinstance(sheet, Sheet) and sheet.hidden_rows == [1]


def in_pieces(rows: str, **parts: str) -> Sheet | tuple[str, str]:
    """As `both`, of a sheet whose rows do not all come at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workbook, "_CHUNK", 400)
        return both(rows, **parts)


PLAIN = [f'<row r="{row}"><c r="A{row}" s="1"><v>46083</v></c></row>' for row in range(10, 40)]


@pytest.mark.parametrize("pad", range(0, 100, 10))  # moves where a piece ends
def test_a_row_without_a_number_follows_the_last_plain_cell(pad: int) -> None:
    above = f'<row r="1"><c r="A1" t="str"><v>{"a" * pad}b</v></c></row>'
    lower = '<row r="2"><c r="A20" s="1"><v>46083</v></c></row>' * 10
    sheet = in_pieces(f'{above}{lower}<row hidden="1"><c><v>1</v></c></row>{"".join(PLAIN)}')
    assert isinstance(sheet, Sheet) and sheet.hidden_rows == [20]


def test_plain_cells_in_a_comment_or_in_another_cell_are_none_of_the_sheet() -> None:
    commented = in_pieces(f"{ONE}<!-- <row r='2'></row>{''.join(PLAIN)} -->{ONE}")
    assert isinstance(commented, Sheet) and not commented.numbers
    in_pieces("".join(PLAIN), before='<c r="C1" t="e">', behind="</c>")


def test_full_cells_of_every_kind_make_no_sheet_empty() -> None:
    rows = (
        '<row r="1"><c r="A1"><v>1</v></c><c r="B1" t="s"><v>1</v></c><c r="C1" t="str"><v>a</v></c>'
        '<c r="D1" t="inlineStr"><is><t>a</t></is></c><c r="E1" t="b"><f>1=1</f><v>1</v></c></row>'
    )
    full = replace(DEFAULT_LIMITS, empty_cells=0)
    assert isinstance(both(rows, full), Sheet)
    refused = both(rows.replace('<v>1</v></c><c r="B1', '<v></v></c><c r="B1'), full)
    assert isinstance(refused, tuple) and refused[0] == "mostly_empty"


def test_a_plain_number_that_may_be_a_year_is_told() -> None:
    sheet = both('<row r="1"><c r="A1" s="1"><v>1950</v></c><c r="B1" s="1"><v>46083</v></c></row>')
    assert isinstance(sheet, Sheet) and sheet.odd_days == {0: {0: 1950.0}}


SHARED = (
    f'<sst xmlns="{_MAIN}"><si><t>Nam</t></si><si><r><t>Lê </t></r><r><t xml:space="preserve"> Hoa</t></r>'
    '<rPh sb="0" eb="1"><t>x</t></rPh></si><si><t/></si><si><t xml:space="preserve"> a_x000D_b </t></si></sst>'
)
FORMS = (  # of a cell, from behind its place on
    *(
        f' t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'
        for text in (*TEXTS, " a", "_x0041_", "a&#10;b")
    ),
    *(f' s="1" t="str"><f>A1&amp;"a"</f><v>{text}</v></c>' for text in ("Nam", "a&amp;amp;b", "1", "")),
    *(f' s="{at}" t="s"><v>{at}</v></c>' for at in range(4)),
    *(
        f' s="{at % 7}"><v>{number}</v></c>'
        for at, number in enumerate((*NUMBERS, "-0", "2958466", "61", "0.1", "1e21"))
    ),
    *(f' s="{at}" t="n"><f>A1</f><v>46083.6</v></c>' for at in range(6)),
    *(f' t="b"><v>{value}</v></c>' for value in ("0", "1", "")),
    *(f' t="d"><v>{value}</v></c>' for value in ("2026-03-02", "2026-03-02T10:11:12")),
    ' t="e"><v>#N/A</v></c>',
    ' s="1"><f>NOW()</f><v/></c>',
    ' s="1"/>',
    "/>",
)
PLACES = [f"{letter}{row}" for row in range(2, 8) for letter in "ABCDEFGH"]
HEADER = "".join(
    f'<c r="{letter}1" t="inlineStr"><is><t>{column.source_name}</t></is></c>'
    for letter, column in zip("ABCDEFGH", HOUSEHOLDS.columns, strict=True)
)


def read(content: bytes) -> list[object]:
    """What is read of a workbook of households: the cells, and what is said of them; or how it is refused."""
    try:
        (table,) = read_tables(io.BytesIO(content), HOUSEHOLDS)
    except Stop as stop:
        return [stop.rule, stop.message.en]
    return [each.rows() for each in (table.rows, table.problems, table.doubts, table.stored_dates)]


def read_both(cells: list[tuple[str, str]], **parts: str) -> list[object]:
    """What is read of cells below a header, whether or not calamine is given all of them."""
    made: dict[int, str] = {1: HEADER}
    for place, form in cells:
        row = int(place[1:])
        made[row] = made.get(row, "") + f'<c r="{place}"{form}'
    rows = "".join(f'<row r="{row}">{held}</row>' for row, held in made.items())
    plain = read(book(rows, texts=SHARED, **parts))
    assert plain == read(book(rows, texts=SHARED, before="<!-- each is parsed -->", **parts))
    return plain


@settings(max_examples=40, deadline=None)
@given(
    cells=st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from(FORMS)), min_size=1, max_size=40).map(
        lambda cells: sorted(dict(cells).items(), key=lambda cell: PLACES.index(cell[0]))
    ),
    about=st.sampled_from(["", '<workbookPr date1904="1"/>', '<calcPr fullCalcOnLoad="1"/>']),
    behind=st.sampled_from(
        ["", *(f'<mergeCells><mergeCell ref="{ref}"/></mergeCells>' for ref in ("D2:D4", "B6:B9", "A3:C3"))]
    ),
    piece=st.sampled_from([400, 1 << 20]),
)
def test_cells_are_the_same_when_calamine_is_given_all_of_them(
    cells: list[tuple[str, str]], about: str, behind: str, piece: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workbook, "_CHUNK", piece)
        read_both(cells, about=about, behind=behind)


TEXT = ' t="inlineStr"><is><t>{}</t></is></c>'


@pytest.mark.parametrize(
    ("cells", "names"),
    [
        pytest.param([("A2", TEXT.format("1")), ("A2", TEXT.format("2"))], ["2"], id="a cell twice"),
        pytest.param([("A4", TEXT.format("1")), ("A3", TEXT.format("2"))], None, id="rows out of order"),
        pytest.param([("A2", TEXT.format("T&#234;n &amp;#234;"))], ["Tên &#234;"], id="an entity that was escaped"),
        pytest.param([("A2", ' t="s"><v>1</v></c>')], ["Lê Hoa"], id="rich text"),
        pytest.param([("A2", TEXT.format("_x0041_1"))], ["A1"], id="an escape of Excel"),
        pytest.param([("A2", TEXT.format("1")), ("B9", ' t="str"><v></v></c>')], ["1"], id="nothing in the last cell"),
    ],
)
def test_what_may_be_read_in_two_ways_is_read_as_calamine_does(
    cells: list[tuple[str, str]], names: list[str] | None
) -> None:
    rows = read_both(cells)[0]
    assert names is None or [row[1] for row in rows] == names  # type: ignore[attr-defined]
