"""The readers on files that nobody here made: right, or refused in a sentence, and never a row lost or invented."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.contract import Column, Contract, Source, Text, load_all
from etl.delivery import batches
from etl.delivery.columns import ROW
from etl.delivery.messages import Stop
from etl.extract import csv as csv_reader
from etl.extract import extract_bytes, flat_geojson, flat_xml, geojson, ndjson, read_tables, xml
from etl.extract.table import Table
from etl.extract.text import decode
from etl.settings import DEFAULT_LIMITS
from tests import TESTS
from tests.city import CONTRACTS

MESSY = TESTS / "messy"
SPECTRUM = sorted((MESSY / "csv-spectrum" / "csvs").glob("*.csv"))
HORROR = sorted(path for path in (MESSY / "horror").iterdir())
ANY = CONTRACTS["civil.births"]


def read(path: Path, columns: list[str] = [], **source: str) -> Table:  # noqa: B006
    said = Source(**{"format": "csv"} | source)  # type: ignore[arg-type]
    contract = Contract(
        **{name: getattr(ANY, name) for name in Contract.__dataclass_fields__}
        | {"columns": tuple(column(name) for name in columns), "source": said}
    )
    with path.open("rb") as file:
        return whole(read_tables(file, contract))


def whole(tables: Iterable[Table]) -> Table:
    made = list(tables)
    return Table(pl.concat(t.rows for t in made), pl.concat(t.problems for t in made))


def column(name: str) -> Column:
    return Column(name, name, "string", name, Text("", ""), True, None, "open", "")


@pytest.mark.parametrize("path", SPECTRUM, ids=lambda path: path.stem)
def test_csv_spectrum(path: Path) -> None:
    expected = json.loads((path.parent.parent / "json" / f"{path.stem}.json").read_text("utf-8"))
    if path.stem == "location_coordinates":
        expected = [
            expected | {"Contact Phone Number": "2095257564"}
        ]  # the collection's JSON has another number than its CSV
    table = read(path)
    assert table.problems.is_empty()
    assert [{k: v.replace("\n", "") for k, v in row.items()} for row in table.rows.drop(ROW).to_dicts()] == [
        {k: v.replace("\r", "").replace("\n", "") for k, v in row.items()} for row in expected
    ]


def test_a_row_is_numbered_by_the_line_it_begins_in() -> None:
    table = read(MESSY / "csv-spectrum" / "csvs" / "newlines.csv")
    assert table.rows[ROW].to_list() == [2, 3, 5]


@pytest.mark.parametrize("path", HORROR, ids=lambda path: path.name)
@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
def test_a_strangers_file_is_refused_in_a_sentence(path: Path, contract: Contract) -> None:
    with pytest.raises(Stop) as stop:
        extract_bytes(path.read_bytes(), contract)
    assert stop.value.state in ("held", "rejected")
    assert stop.value.message.vi and stop.value.message.en


@pytest.mark.parametrize(
    ("name", "source", "columns", "rows", "first"),
    [
        ("simple.ssv", {"delimiter": ";"}, 3, 6, ["2011-01-01", "1", "Galway"]),
        ("simple.psv", {"delimiter": "|"}, 6, 28, ["1986", "44000", "35000", "36000", "27000", "45000"]),
        ("complex.csv", {}, 4, 3, ["2011-01-01", " 24 October 2011", " 0", ""]),
        ("skip_initials.csv", {}, 2, 2, ["hello", "    goodbye"]),
        ("utf-16le_encoded.csv", {"encoding": "utf-16"}, 19, 327, None),
    ],
)
def test_a_published_csv_in_its_own_dialect(
    name: str, source: dict[str, str], columns: int, rows: int, first: list[str] | None
) -> None:
    table = read(MESSY / "horror" / name, **source)
    assert (table.rows.width - 1, table.rows_in) == (columns, rows)
    if first:
        assert list(table.rows.drop(ROW).row(0)) == first


def test_a_published_excel() -> None:
    table = read(MESSY / "horror" / "simple.xlsx", ["date", "temperature", "place"], format="excel")
    assert table.rows.height == 6
    assert table.rows["place"].to_list() == ["Galway"] * 3 + ["Berkeley"] * 3
    assert table.rows["temperature"].to_list() == ["1", "-1", "0", "6", "8", "5"]


def test_an_empty_excel_is_an_empty_file() -> None:
    with pytest.raises(Stop) as stop:
        read(MESSY / "horror" / "libreoffice.xlsx", ["date"], format="excel")
    assert stop.value.rule == "empty_file"


@pytest.mark.parametrize(
    ("sheets", "rule"),
    [
        ([[["a", "b"], [1, 2]], [["a", "b"], [3, 4]]], "several_sheets"),
        ([[["a", "b", None], [1, 2, "?"]]], "unclear_column"),
        ([[["a", "b", "b"], [1, 2, 3]]], "unclear_column"),
    ],
    ids=["two sheets of data", "a column without a name", "a column twice"],
)
def test_nothing_in_an_excel_is_passed_over(tmp_path: Path, sheets: list[list[list[object]]], rule: str) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    for number, rows in enumerate(sheets):
        sheet = book.worksheets[0] if number == 0 else book.create_sheet()
        for row in rows:
            sheet.append(row)
    book.save(tmp_path / "a.xlsx")
    with pytest.raises(Stop) as stop:
        read(tmp_path / "a.xlsx", ["a", "b"], format="excel")
    assert stop.value.rule == rule


@pytest.mark.parametrize(
    ("text", "good", "bad"),
    [
        ('a,b,c\nx,"y,z\np,q",r\n1,2,3\n', [4], [2, 3]),
        ('a,b,c\n1,2,3\n"4,5,6\n7,8,9\n10,11,12\n', [2, 4, 5], [3]),
        ('a,b,c\n1,"2\n\n2",3\n4,5,6\n', [2, 5], []),
        ("a,b,c\n1,2,3,4\n1,2\n1,2,3\n", [4], [2, 3]),
    ],
    ids=["two stray quotes", "one stray quote", "a cell of three lines", "ragged rows"],
)
def test_a_stray_quote_costs_its_own_line_only(tmp_path: Path, text: str, good: list[int], bad: list[int]) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text, "utf-8")
    table = read(path)
    assert table.rows[ROW].to_list() == good
    assert sorted(table.problems[ROW].to_list()) == bad


def test_a_backslash_is_kept_though_quotes_were_escaped_by_one_before() -> None:
    above = "x,y\n" + '"A \\"B\\", C",1\n' * 100
    below = "C:\\Temp,2\n" + '"A \\"B\\"",3\n'
    first, second = csv_reader.read([above.encode(), below.encode()], Source(format="csv"), ANY)
    assert first.rows.row(0) == (2, 'A "B", C', "1")
    assert second.rows.filter(pl.col(ROW) > 101).rows() == [(103, 'A "B"', "3")]
    assert second.problems[ROW].to_list() == [102]


# A column whose cells all stand in ' is taken for a quoted one: tests/cases/csv has these.
CELL = st.text(st.sampled_from("ab \"',;|\n\tđ=\u00a0"), max_size=6).filter(lambda cell: cell.strip()[:1] != "'")


@settings(max_examples=1000)
@given(st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=6), st.sampled_from(",;|\t"))
def test_no_cell_moves_and_no_row_is_lost(rows: list[list[str]], delimiter: str) -> None:
    """What Python's csv module wrote comes back cell by cell, or as a line that is named: never as something else."""
    import csv
    import io

    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows([["x", "y", "z"], *rows])
    text = out.getvalue()
    source = Source(format="csv", delimiter=delimiter)
    table = whole(csv_reader.read([text.encode()], source, ANY))
    starts = {}
    line = 2
    for row in rows:
        written = io.StringIO(newline="")
        csv.writer(written, delimiter=delimiter, lineterminator="\n").writerow(row)
        starts[line] = [cell.replace("\r\n", "\n").replace("\r", "\n") for cell in row]
        line += written.getvalue().replace("\r\n", "\n").replace("\r", "\n").count("\n")
    for number, *cells in table.rows.iter_rows():
        assert cells == starts.get(number), "a row that was not sent"
    named = set(table.rows[ROW]) | set(table.problems[ROW])
    blank = {number for number, cells in starts.items() if not "".join(cells).strip()}
    assert starts.keys() - blank <= named, "a row that nobody hears of"


NAME = st.sampled_from(["a", "b", "c", "a.b", "a.c", "list", "list.a"])
MARK = st.integers(10**6, 10**7).map("v{}".format)  # each value of its own, so that it is seen where it went
VALUE = st.recursive(
    MARK | st.none() | st.booleans() | st.integers() | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAME, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=500)
@given(st.lists(st.lists(st.tuples(NAME, VALUE), max_size=5), min_size=1, max_size=3))
def test_no_value_of_a_json_record_vanishes(records: list[list[tuple[str, object]]]) -> None:
    """Every text of a record is in a cell of it or in a problem of it, whatever is named twice, listed or nested."""

    def texts(value: object) -> Iterator[str]:
        match value:
            case str():
                yield value
            case list():
                for item in value:
                    yield from texts(item)
            case dict():
                for item in value.values():
                    yield from texts(item)

    lines = ["{" + ", ".join(f"{json.dumps(n)}: {json.dumps(v)}" for n, v in fields) + "}" for fields in records]
    columns = (column("a.b"), replace(column("list"), separator=";"), replace(column("c"), type="integer"))
    contract = replace(ANY, columns=columns, source=Source("ndjson"))
    (table,) = ndjson.read(["\n".join(lines).encode()], contract.source, contract)
    assert table.rows_in == len(records)
    for number, fields in enumerate(records, start=1):
        told = table.rows.filter(pl.col(ROW) == number).rows() + table.doubts.filter(pl.col(ROW) == number).rows()
        shown = " ".join(str(cell) for row in told for cell in row)
        assert all(text in shown for _, value in fields for text in texts(value)), lines[number - 1]
        names = [name for name, _ in fields]
        if len(set(names)) < len(names):
            assert "field_twice" in shown


@settings(max_examples=300)
@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from("abc"), MARK, st.booleans(), st.sampled_from(["", "x", "y"])), max_size=4),
        min_size=1,
        max_size=3,
    )
)
def test_no_value_of_an_xml_record_vanishes(records: list[list[tuple[str, str, bool, str]]]) -> None:
    """The same of XML: elements that come again, that nest, that have attributes, and text between them."""

    def cell(name: str, text: str, nests: bool, attribute: str) -> str:
        about = f' {attribute}="{text}a"' if attribute else ""
        return f"<{name}{about}>{f'<d>{text}</d>' if nests else text}</{name}>{text if attribute == 'y' else ''}"

    text = "<r>" + "".join(f"<row>{''.join(cell(*c) for c in cells)}</row>" for cells in records) + "</r>"
    contract = replace(ANY, columns=(column("a"), column("b/@x")), source=Source("xml", record="row"))
    table = xml.read(text.encode(), contract.source, contract)
    assert table.rows_in == len(records)
    for number, cells in enumerate(records, start=1):
        told = table.rows.filter(pl.col(ROW) == number).rows() + table.doubts.filter(pl.col(ROW) == number).rows()
        shown = " ".join(str(value) for row in told for value in row)
        assert all(value in shown for _, value, _, _ in cells), text
        if len({name for name, *_ in cells}) < len(cells) or any(nests for name, _, nests, _ in cells if name == "a"):
            assert "critical" in shown


# What may stand in a record, a half of it as a program writes it; and what may be put into a file anywhere.
_TEXTS = [
    "",
    " ",
    "x",
    "é\r\n\ty",
    "&lt;&amp;lt;&gt;",
    "a>b",
    "/>",
    "&#65;",
    "]]>",
    "\x7f",
    "<!-- c -->",
    "<![CDATA[<a>]]>",
    "&x;",
]
_PARTS = [
    *("<a/>", "<a />", "</a>", "<a>", "<b>1</b>", "<row>", "</row>", "</r>", "<a><b/></a>", "<_row>1</_row>"),
    *("x", "\r", "\n", "\x01", "\ufffe", "\ufeff", "&", "<?pi?>", "<!DOCTYPE r>", ' xmlns="u"', ' b="1"'),
]


@settings(max_examples=300)
@given(
    st.sampled_from(["", "\ufeff", "\n"]),
    st.sampled_from(
        ["", "<?xml version='1.0'?>", '<?xml version="1.0" encoding="UTF-8"?>\r\n', "<?xml version='1.1'?>"]
    ),
    st.sampled_from(["", "\n", "\r\n  "]),
    st.lists(st.lists(st.sampled_from([*_TEXTS[:7] * 8, *_TEXTS]), min_size=3, max_size=3), min_size=1, max_size=5),
    st.lists(st.tuples(st.integers(0, 400), st.sampled_from(_PARTS), st.integers(0, 12)), max_size=2),
    st.integers(90, 400),
)
def test_xml_that_is_cut_as_text_is_what_a_parser_makes_of_it(
    mark: str, head: str, blank: str, records: list[list[str]], damages: list[tuple[int, str, int]], piece: int
) -> None:
    body = blank.join(
        f"<row>{blank}{blank.join(f'<{n}>{t}</{n}>' for n, t in zip('abc', cells, strict=True))}{blank}</row>"
        for cells in records
    )
    text = f"{mark}{head}<r>{blank}{body}{blank}</r>{blank}"
    for at, part, length in damages:
        text = text[:at] + part + text[at + length :]
    contract = replace(ANY, columns=(column("a"), column("b")), source=Source("xml", record="row", root="r"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flat_xml, "_PIECE", piece)
        read = came(xml.read, text.encode(), contract.source, contract)
    assert read == came(xml.parsed, text.encode(), contract.source, contract)


@pytest.mark.parametrize("blank", ["", "\n  ", "\r\n"])
def test_xml_that_a_program_writes_needs_no_parser(blank: str) -> None:
    records = [f"<row>{blank}<a>{n}</a>{blank}<b/>{blank}</row>" for n in range(3)]
    text = f'<?xml version="1.0" encoding="utf-8"?>{blank}<r>{blank}{blank.join(records)}{blank}</r>{blank}'
    cut = flat_xml.cut(text.encode(), "row", DEFAULT_LIMITS)
    assert cut is not None and cut.rows() == [(1, "0", None), (2, "1", None), (3, "2", None)]


@pytest.mark.parametrize(
    "of_second",
    [
        b"<a>\xff</a>",
        b"<a>x\xc3</a>",
        b"<a>\xed\xa0\x80</a>",
        b"<a>1\r2\r\n3</a>",
        b"<a>a letter \xc3\xa9 beyond ASCII, &amp; more than twelve bytes</a>",
        b"<aa></a>",
        b"<aa></aa>",
        b"<a>1</b>",
        b"<a/>",
        b"<a>1</a>2",
    ],
)
def test_bytes_of_one_xml_record_count_as_they_do_to_a_parser(of_second: bytes) -> None:
    text = b"<r>\r\n" + b"".join(b"<row>" + a + b"</row>\r\n" for a in (b"<a>1</a>", of_second, b"<a>3</a>")) + b"</r>"
    contract = replace(ANY, columns=(column("a"),), source=Source("xml", record="row", root="r"))
    assert came(xml.read, text, contract.source, contract) == came(xml.parsed, text, contract.source, contract)


_VALUES = [
    '"x"',
    "null",
    "1.50",
    "7",
    '"7"',
    "-0",
    "12345678901234567890",
    "1e3",
    "[]",
    "true",
    "NaN",
    '"\\u0041"',
    '": "',
    '"é"',
]
_SHAPES = [
    '{"type": "Point", "coordinates": [597000.5, 1197000]}',
    '{"type":"Polygon","coordinates":[[[597000,1197000],[597010,1197000],[597010,1197010.0001],[597000,1197000]]]}',
    '{"type": "Point", "coordinates": [106.7, 10.8]}',
    '{"type": "Point", "type": "Point", "coordinates": [597000, 1197000]}',
    '{"type": "Point", "coordinates": []}',
    '{"type": "GeometryCollection", "geometries": []}',
    '{"type": "Polygon"}',
    "null",
]
_PIECES = [
    *(
        '"a": "1", ',
        '"a": {"b": "1"}, ',
        '"id": 5, ',
        '"geometry": "x", ',
        '"_row": "1", ',
        '"crs": null, ',
        '"',
        ":",
        " : ",
    ),
    *(",", "[", "]", "{", "}", "\\", "\x01", "\ufeff", "\u0301", "0", "-", " "),
]


@settings(max_examples=300)
@given(
    st.sampled_from(
        ["", '"crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::9210"}}, ', '"name": "n", ']
    ),
    st.lists(
        st.tuples(*[st.sampled_from([*_VALUES[:4] * 6, *_VALUES])] * 2, st.sampled_from([*_SHAPES[:2] * 6, *_SHAPES])),
        min_size=1,
        max_size=4,
    ),
    st.lists(st.tuples(st.integers(0, 500), st.sampled_from(_PIECES), st.integers(0, 8)), max_size=2),
)
def test_geojson_read_by_column_is_what_a_parser_makes_of_it(
    about: str, features: list[tuple[str, str, str]], damages: list[tuple[int, str, int]]
) -> None:
    written = (
        f'{{"type": "Feature", "properties": {{"a": {a}, "n": {n}, "new": {n}}}, "geometry": {shape}}}'
        for a, n, shape in features
    )
    text = f'{{"type": "FeatureCollection", {about}"features": [{", ".join(written)}]}}'
    for at, part, length in damages:
        text = text[:at] + part + text[at + length :]
    boundary = replace(column("geometry"), semantic_type="geometry")
    columns = (column("a"), replace(column("n"), type="number"), boundary)
    contract = replace(ANY, columns=columns, source=Source("geojson", numbers="vietnamese"))
    read = came(geojson.read, text.encode(), contract.source, contract)
    assert read == came(lambda content: geojson.parsed(decode(content, "utf-8"), contract), text.encode())


def test_geojson_that_a_program_writes_is_read_by_column() -> None:
    features = [f'{{"type": "Feature", "properties": {{"a": "{n}"}}, "geometry": {_SHAPES[0]}}}' for n in range(3)]
    found = flat_geojson.columns(
        f'{{"type": "FeatureCollection", "features": [\n{",".join(features)}\n]}}', DEFAULT_LIMITS
    )
    assert found is not None and found.properties == {"a": ["0", "1", "2"]}


def came(read: Callable[..., Table], *of: object) -> object:
    """All that a reader makes of a file, or the sentence in which it refuses it."""
    try:
        table = read(*of)
    except Stop as stop:
        return stop.state, stop.message
    return table.rows.schema, *(frame.to_dicts() for frame in (table.rows, table.problems, table.doubts))


LINE = st.one_of(
    st.sampled_from(["", "{", "[]", "x"]),
    st.dictionaries(st.sampled_from(["a", "b", "c", "new", "newer"]), st.sampled_from(["1", "", None, True])).map(
        json.dumps
    ),
)


@given(st.lists(LINE, min_size=1, max_size=12), st.integers(1, 4), st.integers(1, 60))
def test_lines_of_json_are_the_same_however_they_are_cut_into_pieces(lines: list[str], rows: int, size: int) -> None:
    contract = replace(ANY, columns=(column("a"), column("b"), column("c")), source=Source("ndjson"))
    content = "\n".join(['{"a": "first"}', *lines]).encode()
    cut = [content[at : at + size] for at in range(0, len(content), size)]
    with pytest.MonkeyPatch.context() as patch:
        (at_once,) = ndjson.read([content], contract.source, contract)
        patch.setattr(batches, "ROWS", rows)
        pieces = list(ndjson.read(cut, contract.source, contract))
    named = [table.rows.match_to_schema({ROW: pl.Int64, **dict.fromkeys("abc", pl.String)}, missing_columns="insert",
                                        extra_columns="ignore") for table in (at_once, *pieces)]  # fmt: skip
    assert pl.concat(named[1:]).equals(named[0])
    of_rows = [pl.concat(t.problems.filter(pl.col(ROW).is_not_null()) for t in read) for read in ([at_once], pieces)]
    assert of_rows[0].sort(ROW).equals(of_rows[1].sort(ROW))
    assert pl.concat(t.doubts for t in pieces).sort(ROW, "column").equals(at_once.doubts.sort(ROW, "column"))
    if len(pieces) > 1:
        told = " ".join([*pieces[0].rows.columns, *pieces[-1].problems["en"]])
        assert all(name in told for name in at_once.rows.columns if name not in "abc")
        assert len({tuple(name for name in t.rows.columns if name not in "abc") for t in pieces}) == 1


def test_a_large_file_that_only_deletes_need_not_name_the_other_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    at = {"loai_thay_doi": "X", "thoi_diem": "2026-03-02T08:15:00", "loai_cu_tru": "TT"}
    lines = [json.dumps({**at, "so_dinh_danh": f"07918000032{n}"}) for n in range(6)]
    contract, content = load_all()["police.residents"], "\n".join(lines).encode()
    _, at_once, _ = extract_bytes(content, contract)
    monkeypatch.setattr(batches, "ROWS", 2)
    rows, problems, _ = extract_bytes(content, contract)
    assert rows.height == 6
    assert problems["rule"].to_list() == at_once["rule"].to_list() == []


def test_faults_of_cells_stay_with_their_rows_when_a_file_is_read_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "ROWS", 3)
    lines = [json.dumps({"a": str(n)}) if n % 4 else '{"a": true}' for n in range(1, 12)]
    lines[5] = "{"
    contract = replace(ANY, columns=(column("a"),), source=Source("ndjson"))
    tables = list(ndjson.read(["\n".join(lines).encode()], contract.source, contract))
    assert len(tables) > 2
    assert sum(table.rows_in for table in tables) == 11
    for table in tables:
        assert table.doubts[ROW].is_in(table.rows[ROW].implode()).all()
    assert sum(table.doubts.height for table in tables) == 2
