"""What `citydw draft` writes: what content decides, and a word where it does not."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import unicodedata
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import openpyxl
import polars as pl
import pytest

from etl.contract import Column, ContractError
from etl.delivery.messages import Stop
from etl.draft import Drafted, Undrafted, draft, encoding
from etl.draft.document import left_to_do
from etl.pipeline import lint
from etl.settings import DEFAULT_LIMITS, EXPECTATIONS, PROJECT
from etl.warehouse import embedded
from simulate import write_city
from tests import commands
from tests.city import CONTRACTS

Make = Callable[..., Drafted]
PAGE = PROJECT / "docs/how-to/draft-a-contract.md"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "expectations"
    made.mkdir()
    for shared in ("elements.yaml", "agencies.yaml"):
        shutil.copy(EXPECTATIONS / shared, made)
    return made


@pytest.fixture
def drafted(folder: Path, tmp_path: Path) -> Make:
    """Draft a contract from the content of one or more files."""

    def make(*contents: str | bytes, encoding: str = "utf-8", ending: str = "csv") -> Drafted:
        files = []
        for number, content in enumerate(contents, start=1):
            files.append(tmp_path / f"sample_2026-03-{number:02d}.{ending}")
            files[-1].write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return draft(files, "office.things", DEFAULT_LIMITS, folder=folder, is_forced=True)

    return make


def lines(header: str, *rows: object) -> str:
    return "\n".join([header, *map(str, rows)]) + "\n"


def column(made: Drafted, name: str) -> Column:
    return made.contract.column(name)


def todo(made: Drafted, word: str) -> str:
    return "\n".join(said for said in left_to_do(made.contract.path) if word in said)


def test_names_that_excel_holds_as_numbers_and_days_are_drafted_as_they_are_shown(drafted: Make) -> None:
    book = openpyxl.Workbook()
    book.active.append(["ward", 2024, datetime(2025, 3, 1)])
    book.active["C1"].number_format = "mm/yyyy"
    for number in range(9):
        book.active.append([f"W{number}", number, number * 2])
    out = io.BytesIO()
    book.save(out)
    made = drafted(out.getvalue(), ending="xlsx")
    assert [column.source_name for column in made.contract.columns] == ["ward", "2024", "03/2025"]


# ---------------------------------------------------------------- the eight datasets


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("city")
    write_city(out, people=3_000, days=5, seed=1, start=date(2026, 3, 2))
    return out / "days"


@dataclass(frozen=True)
class Known:
    """What a hand-written contract knows that the samples do not show.

    Attributes:
        key: the key's columns, where they are others.
        columns: columns that are of another type or meaning there.
    """

    key: tuple[str, ...] | None = None
    columns: tuple[str, ...] = ()


BY_HAND = {
    # A record's number is unique in its book; each ward has had one book in the days of the samples. A date of birth
    # may be a year alone, which no sample of these days shows.
    "civil.births": Known(("so", "noi_dang_ky"), ("ngay_sinh",)),
    "civil.deaths": Known(("Số",)),
    "civil.marriages": Known(("so",), ("ngay_sinh_chong", "ngay_sinh_vo")),
    # Kept as text by the ministry's own sheet, or empty in all samples, or of several values that no sample has.
    "health.visits": Known(
        columns=(
            "MATINH_CU_TRU",
            "GT_THE_TU",
            "GT_THE_DEN",
            "NGAY_MIEN_CCT",
            "KET_QUA_DTRI",
            "NAM_NAM_LIEN_TUC",
            "MA_TTDV",
            "MA_THE_BHYT",
        )
    ),
    "land.parcels": Known(("ma_xa", "so_thua")),  # numbers of parcels did not come twice on the sheets of a ward
    "land.permits": Known(),
    "tax.declarations": Known(columns=("tieu_muc",)),  # four digits that name a line of the budget
    "tax.taxpayers": Known(),
}


def rule_of_content(by_hand: Column, made: Column) -> bool:
    """Whether a meaning differs only by a list of codes that the data center knows, which is a rule of content."""
    return by_hand.semantic_type == "code" and made.semantic_type == "text"


@pytest.mark.parametrize("dataset", sorted(CONTRACTS))
def test_a_draft_of_each_dataset_is_the_contract_but_for_wording_classes_and_rules(
    dataset: str, city: Path, folder: Path
) -> None:
    by_hand, known = CONTRACTS[dataset], BY_HAND[dataset]
    files = sorted(city.glob(f"*/{by_hand.agency}/{by_hand.dataset}/*"))
    made = draft(files, dataset, DEFAULT_LIMITS, folder=folder).contract
    lint.check(made)

    assert made.source == by_hand.source
    assert made.mode == by_hand.mode
    assert [c.source_name for c in made.columns] == [c.source_name for c in by_hand.columns]
    assert tuple(c.source_name for c in made.key) == (known.key or tuple(c.source_name for c in by_hand.key))
    for right, column in zip(by_hand.columns, made.columns, strict=True):
        if right.source_name in known.columns:
            assert (column.type, column.semantic_type, column.separator) != (
                right.type,
                right.semantic_type,
                right.separator,
            ), f"{right.source_name} is drafted as by hand; take it out of BY_HAND"
            continue
        assert column.type == right.type, right.source_name
        assert column.role == right.role, right.source_name
        if column.type in ("date", "timestamp"):
            assert column.dates == right.dates, right.source_name
        if not rule_of_content(right, column):
            assert column.semantic_type == right.semantic_type, right.source_name
            assert column.code_list == right.code_list, right.source_name
            assert column.separator == right.separator, right.source_name
        assert decimals(column) == decimals(right), right.source_name


def decimals(column: Column) -> str | None:
    return column.numeric_type.rpartition(",")[2] if column.numeric_type else None


def test_no_persons_data_stand_in_a_draft(city: Path, folder: Path) -> None:
    files = sorted(city.glob("*/civil/births/*"))
    path = draft(files, "civil.births", DEFAULT_LIMITS, folder=folder).contract.path
    written = path.read_text(encoding="utf-8") + path.with_suffix(".json").read_text(encoding="utf-8")
    rows = [line.split(",") for file in files for line in file.read_text(encoding="utf-8-sig").splitlines()[1:]]
    for place in (7, 14, 15, 16):  # names and personal ids
        for value in {row[place] for row in rows if len(row) > place and row[place].strip()}:
            assert value not in written


# ---------------------------------------------------------------- what content decides, and what not


def test_a_day_above_12_proves_the_order_of_dates(drafted: Make) -> None:
    made = drafted(lines("no,filed,closed", *(f"A{n},{n:02d}/02/2026,{n % 12 + 1:02d}/03/2026" for n in range(1, 29))))
    assert column(made, "filed").format == "dd/MM/yyyy"
    assert column(made, "closed").format == "dd/MM/yyyy"  # one program wrote both
    assert not todo(made, "ambiguous")
    made = drafted(lines("no,filed,closed", *(f"A{n},02/{n:02d}/2026,03/{n % 12 + 1:02d}/2026" for n in range(1, 29))))
    assert column(made, "filed").format == column(made, "closed").format == "MM/dd/yyyy"


def test_dates_without_such_a_day_are_marked(drafted: Make) -> None:
    made = drafted(lines("no,filed", *(f"A{n},0{n % 9 + 1}/0{n % 7 + 1}/2026" for n in range(40))))
    assert "column filed" in todo(made, "ambiguous: dd/MM/yyyy or MM/dd/yyyy")


def test_numbers_of_two_readings_stay_text_until_somebody_says_which(drafted: Make) -> None:
    made = drafted(lines("no,amount", *(f"A{n},{n + 10}.000" for n in range(40))))
    assert column(made, "amount").type == "string"
    assert "column amount" in todo(made, "ambiguous")


def test_one_number_proves_the_notation_of_the_file(drafted: Make) -> None:
    made = drafted(lines("no;amount;rate", *(f"A{n};{n + 10}.000;{n},5" for n in range(40))))
    assert made.contract.source.numbers == "vietnamese"
    assert column(made, "amount").type == "integer"
    assert column(made, "rate").numeric_type == "numeric(18,1)"


def test_currencies_brackets_blanks_between_thousands_and_per_cent_are_read(drafted: Make) -> None:
    rows = (f"A{n};${n + 1},{n + 100}.50;{n + 1} {n + 100},25;{n}.5%" for n in range(60))
    made = drafted(lines("no;fee;cost;share", *rows, "A60;($35.50);1 100,25;0.5%"))
    said = {c.name: (c.type, c.numbers.thousands, c.numbers.decimal) for c in made.contract.columns[1:]}
    assert said == {"fee": ("number", ",", "."), "cost": ("number", " ", ","), "share": ("number", None, ".")}
    assert (column(made, "fee").numbers.currency, column(made, "fee").numbers.brackets) == (("$",), True)
    assert "percent" in todo(made, "column share")


def test_places_are_places_though_some_rows_have_none(drafted: Make) -> None:
    places = ("POINT (601000 1192000)", "POINT (602000 1193000)", "")
    made = drafted(lines("no,place", *(f"A{n},{places[n % 3]}" for n in range(60))))
    assert column(made, "place").semantic_type == "geometry"


def test_digits_with_zeros_in_front_and_identifiers_stay_text(drafted: Make) -> None:
    rows = (f"{n},00{n},{70000 + n},{n % 90}" for n in range(10, 90))
    made = drafted(lines("customer_id,branch,post_code,visits", *rows))
    assert [c.type for c in made.contract.columns] == ["string", "string", "string", "integer"]


@pytest.mark.parametrize("word", ["NULL", "N/A", "-", "\\N"])
def test_words_for_nothing_are_taken_for_nothing_and_said(drafted: Make, word: str) -> None:
    made = drafted(lines("no,amount", *(f"A{n},{n if n % 4 else word}" for n in range(40))))
    assert column(made, "amount").type == "integer"
    assert column(made, "amount").null_values == (word,)
    assert f"{word} (10 cells)" in todo(made, "column amount")


def test_a_number_that_no_measurement_gives_is_taken_for_nothing_and_said(drafted: Make) -> None:
    made = drafted(lines("no,value", *(f"A{n},{n / 8 if n % 5 else -200}" for n in range(40))))
    assert column(made, "value").null_values == ("-200",)
    assert "-200 (8 cells)" in todo(made, "column value")
    colder = drafted(lines("no,value", *(f"A{n},{n - 220}" for n in range(40))))
    assert column(colder, "value").null_values == ()


def test_words_for_yes_and_no_times_and_years_of_two_digits(drafted: Make) -> None:
    rows = (f"A{n},{'yn'[n % 2]},{n % 24}:05,{n + 1:02d}.03.{n % 2 + 98}" for n in range(30))
    made = drafted(lines("no,is_open,at,born", *rows))
    assert [c.type for c in made.contract.columns[1:]] == ["boolean", "time", "date"]
    assert column(made, "born").pivot and "pivot" in todo(made, "column born")


def test_a_few_codes_are_warned_of_when_others_come(drafted: Make) -> None:
    made = drafted(lines("no,kind", *(f"A{n},{['new', 'old', 'other'][n % 3]}" for n in range(40))))
    suite = made.suite.read_text(encoding="utf-8")
    assert '"expect_column_values_to_be_in_set"' in suite and '"critical"' not in suite


def test_a_key_of_several_columns_is_found_and_a_row_sent_twice_is_no_matter(drafted: Make) -> None:
    rows = [f"{district},{number},{random.Random(number).random():.3f}" for district in "NSEW" for number in range(60)]
    made = drafted(lines("district,plot_no,area", *rows, rows[0]))
    assert [c.name for c in made.contract.key] == ["district", "plot_no"]


def test_it_is_said_that_there_is_no_key(drafted: Make, folder: Path) -> None:
    rows = ["a,1", "a,1", "b,2", "b,3", "b,3"] * 20
    made = drafted(lines("word,count", *rows))
    assert not made.contract.key and made.contract.has_whole_row_key
    assert "do others name a record?" in todo(made, "key")


def test_files_of_changes_snapshots_and_events(drafted: Make) -> None:
    register = [f"A{n},{n}" for n in range(60)]
    assert drafted(lines("no,size", *register), lines("no,size", *register[2:], "A99,1")).contract.mode == "snapshot"
    events = [lines("no,size", *(f"{letter}{n},{n}" for n in range(60))) for letter in "AB"]
    assert drafted(*events).contract.mode == "append"


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("tcvn3", None),
        ("cp1258", "Nguyễn Thị Hòa"),
        ("cp1250", "Žďár nad Sázavou, Přerov, Jičín, Třebíč, Děčín, Ústí"),
        ("utf-8-sig", "Nguyễn Thị Hòa"),
        ("utf-16", "Nguyễn Thị Hòa"),
        ("cp932", "市立第三小学校 ソウル通り"),  # its second bytes may be ASCII, as those of big5 may
        ("euc_jp", "市立第三小学校 ソウル通り"),
        ("cp949", "서울제삼초등학교"),
        ("gb18030", "市第三小学校园"),
        ("big5", "臺北市第三國民小學"),
        ("cp874", "โรงเรียนบ้านหนอง"),
        ("cp1255", "בית ספר עירוני"),
        ("cp1253", "Δημοτικό σχολείο"),
        ("cp1251", "Городская школа"),
        ("cp1256", "شارع الملك فيصل، حي النزهة"),
    ],
)
def test_the_encoding_is_found_and_the_bytes_that_decide_are_named(
    drafted: Make, city: Path, encoding: str, text: str | None
) -> None:
    if text is None:
        content = next(city.glob("*/civil/marriages/*")).read_bytes()
    else:
        content = encoded(lines("no;name", *(f"A{n};{text} {n}" for n in range(30))), encoding)
    made = drafted(content)
    assert made.contract.source.encoding.startswith(encoding)
    assert "in line" in "\n".join(made.draft.notes) or encoding.startswith("utf")


def test_a_picture_in_a_cell_does_not_keep_the_encoding_from_being_found() -> None:
    picture = b"iVBORw0KGgo" * 100_000  # in Base64: a million letters without a blank
    found = encoding.find([b"ma;ten;anh\n", b"1;" + "Phường Bến Nghé".encode() + b";" + picture + b"\n"])
    assert found.name == "utf-8"


def encoded(text: str, encoding: str) -> bytes:
    if encoding != "cp1258":
        return text.encode(encoding)
    marks = "\u0300\u0301\u0303\u0309\u0323"  # in Windows-1258 these stand behind their letter
    made = []
    for letter in text:
        parts = unicodedata.normalize("NFD", letter)
        tone = "".join(part for part in parts if part in marks)
        made.append(unicodedata.normalize("NFC", "".join(part for part in parts if part not in marks)) + tone)
    return "".join(made).encode("cp1258")


def test_names_of_columns_are_plain_and_differ(drafted: Make) -> None:
    made = drafted(lines("Số giấy tờ,order,valid_from,Số-giấy-tờ,2019,%", *(f"A{n},x,y,z,{n},b" for n in range(9))))
    assert [c.name for c in made.contract.columns] == [
        "so_giay_to", "order_sent", "valid_from_sent", "so_giay_to_2", "c_2019", "column_6",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "encoding", "named"),
    [
        ("École Évreux\u00a0préau", "cp1252", ("cp1252", "cp1250")),  # both read it alike
        ("Mühlenstraße Gärtnerallee", "cp1252", ("cp1252", "cp1250")),
        ("Ærøgade Århus København", "cp1252", ("cp1252", "cp1254")),
        ("Łódź Poznań Wrocław święto gęś", "cp1250", ("cp1250",)),
        ("Ærø 50 € – “x”", "cp1252", ("cp850", "cp1252")),  # what Windows writes so are letters of DOS
    ],
)
def test_an_encoding_that_reads_the_file_as_well_is_named(
    drafted: Make, text: str, encoding: str, named: tuple[str, ...]
) -> None:
    made = drafted(lines("no;name", *(f"A{n};{text} {n}" for n in range(30))).encode(encoding))
    assert made.contract.source.encoding == named[0]
    said = todo(made, "encoding:")
    assert all(name in said for name in named[1:]) and bool(said) == (len(named) > 1)


@pytest.mark.parametrize("codes", [("1", "10", "3E5", "1E2"), ("1.1", "1.2", "1.10")])
def test_codes_and_versions_that_would_be_one_number_stay_text(drafted: Make, codes: tuple[str, ...]) -> None:
    made = drafted(lines("no,plan", *(f"A{n},{codes[n % len(codes)]}" for n in range(60))))
    assert column(made, "plan").type == "string"
    assert codes[-1] in todo(made, "column plan") or codes[-2] in todo(made, "column plan")


def test_floats_are_drafted_as_floats_where_each_stays_as_it_is_written(drafted: Make) -> None:
    rows = (f"A{n},{n / 7!r},{n * 1.5e-9 + 1e-9!r},0.1234567890123456{n:04d}" for n in range(1, 60))
    made = drafted(lines("no,ratio,dose,exact", *rows))
    assert column(made, "ratio").numeric_type == column(made, "dose").numeric_type == "double precision"
    assert column(made, "exact").type == "string" and "double precision" in todo(made, "column exact")


def test_a_parquet_files_floats_are_floats(drafted: Make) -> None:
    stream = io.BytesIO()
    values = [-999.0 if n % 5 == 0 else float("nan") if n % 7 == 0 else n / 8 for n in range(40)]
    pl.DataFrame({"no": [f"A{n}" for n in range(40)], "value": values}).write_parquet(stream)
    made = drafted(stream.getvalue(), ending="parquet")
    assert column(made, "value").numeric_type == "double precision"
    assert set(column(made, "value").null_values) == {"-999", "NaN"}  # as the reader writes them


def test_prices_and_texts_of_two_readings_stay_text_though_another_column_proves_the_notation(drafted: Make) -> None:
    records = [{"no": f"A{n}", "at": 52.5 + n / 8, "amount": f"{n},234", "fee": f"${n},738"} for n in range(1, 60)]
    made = drafted(json.dumps(records), ending="json")
    assert column(made, "at").type == "number"
    for name in ("amount", "fee"):
        assert column(made, name).type == "string"
        assert "ambiguous" in todo(made, f"column {name}")


# ---------------------------------------------------------------- what a person then does


def test_what_is_there_is_not_written_over(drafted: Make, folder: Path, tmp_path: Path) -> None:
    made = drafted(lines("no,size", *(f"A{n},{n}" for n in range(30))))
    made.contract.path.write_text("# mine\n")
    file = tmp_path / "sample_2026-03-01.csv"
    with pytest.raises(Undrafted, match="--force"):
        draft([file], "office.things", DEFAULT_LIMITS, folder=folder)
    assert made.contract.path.read_text() == "# mine\n"


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of the project, whose folder of contracts may be written to."""
    made = tmp_path_factory.mktemp("clone")
    for name in ("etl", "expectations", "sql"):
        shutil.copytree(PROJECT / name, made / name, ignore=shutil.ignore_patterns("__pycache__"))
    return made


def run(clone: Path, command: str) -> subprocess.CompletedProcess[str]:
    citydw = f'"{sys.executable}" -c "from etl.cli import main; main()"'
    home = {"PYTHONPATH": str(clone), "CITYDW_HOME": str(clone / "var"), "COLUMNS": "200"}
    line = command.replace("citydw ", f"{citydw} ") if ">" in command else command
    return commands.typed(line, os.environ | home, clone)


def test_the_command_checks_the_samples_and_lint_lists_what_is_left(clone: Path) -> None:
    file = clone / "sample_2026-03-01.csv"
    file.write_text(lines("no,amount", *(f"A{n},{n}" for n in range(99)), "A200,many"), encoding="utf-8")
    said = run(clone, "citydw draft sample_2026-03-01.csv --dataset tax.drafted")
    assert said.returncode == 0, said.stderr
    assert "100 rows, 99 right, 1 rejected" in said.stdout
    left = left_to_do(clone / "expectations/tax/drafted.yaml")
    assert left and all(line in said.stdout for line in left)
    listed = run(clone, "citydw lint tax.drafted")
    assert listed.returncode == 0 and all(line in listed.stdout for line in left)
    again = run(clone, "citydw draft sample_2026-03-01.csv --dataset tax.drafted")
    assert again.returncode == 2 and "--force" in again.stderr


def test_it_is_left_to_do_that_a_sample_is_held(clone: Path) -> None:
    records = [{"no": f"A{n}", "floors": [{"area": n}, {"area": n + 1}]} for n in range(60)]
    (clone / "held_2026-03-01.json").write_text(json.dumps(records), encoding="utf-8")
    said = run(clone, "citydw draft held_2026-03-01.json --dataset tax.held")
    assert said.returncode == 0, said.stderr
    left = [line for line in left_to_do(clone / "expectations/tax/held.yaml") if "the sample is not loaded" in line]
    assert len(left) == 1 and "floors" in left[0]
    assert left[0] in said.stdout.partition("Left to do")[2]


def test_the_page_shows_what_its_commands_print(clone: Path) -> None:
    """From an unknown file to rows in the warehouse; `python -m tests.draft.test_draft` writes it anew."""
    page = PAGE.read_text(encoding="utf-8")
    assert played(page, clone) == page


def played(page: str, clone: Path) -> str:
    """A page with what its commands print now; an edit stands as a command, too."""
    shutil.copytree(PROJECT / "tests/excerpts", clone / "samples", dirs_exist_ok=True)

    def block(found: re.Match[str]) -> str:
        shown = []
        for command in re.findall(r"^\$ (.*)$", found[0], re.MULTILINE):
            done = run(clone, command)
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
            shown += [f"$ {command}", *(line.rstrip() for line in done.stdout.splitlines() if line.strip())]
        return "\n".join(shown) + "\n"

    try:
        return re.sub(r"(?<=```console\n)(.*?)(?=```\n)", block, page, flags=re.DOTALL)
    finally:
        embedded.stop(clone / "var" / "postgres")


# ---------------------------------------------------------------- files that are none


def zipped(content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", content)
    return stream.getvalue()


NO_TABLES: dict[str, Callable[[], bytes]] = {  # made when they are asked for: some are large
    "nothing": lambda: b"",
    "blank lines": lambda: b"\n\n\n",
    "a header alone": lambda: b"no,size\n",
    "a word": lambda: b"one word\n",
    "a PDF": lambda: b"%PDF-1.7 not a table",
    "braces": lambda: b"{" * 100_000,
    "brackets": lambda: b"[" * 100_000,
    "an object without records": lambda: b'{"a": {"b": 1}}',
    "elements that never end": lambda: b"<a>" * 10_000,
    "an entity": lambda: b"<!DOCTYPE a [<!ENTITY b 'c'>]><a><b>&b;</b></a>",
    "a cut ZIP": lambda: b"PK\x03\x04 cut short",
    "a cut old workbook": lambda: b"\xd0\xcf\x11\xe0 cut short",
    "a cut GeoPackage": lambda: b"SQLite format 3\0 cut short",
    "a cut Parquet": lambda: b"PAR1 cut short",
    "a cut gzip": lambda: b"\x1f\x8b cut short",
    "a ZIP bomb": lambda: zipped(b"0" * 300_000_000),
    "a gzip bomb": lambda: gzip.compress(b"a,b\n" * 80_000_000, 1),
    "a name twice": lambda: b"a,a\n1,2\n3,4\n",
    "bytes": lambda: bytes(range(256)) * 50,
}


@pytest.mark.parametrize("kind", NO_TABLES)
def test_what_is_no_table_ends_in_a_sentence(drafted: Make, kind: str) -> None:
    with pytest.raises((Undrafted, Stop, ContractError)) as raised:
        drafted(NO_TABLES[kind]())
    assert len(str(raised.value)) > 20


def test_files_that_are_not_alike_are_told_apart(drafted: Make) -> None:
    with pytest.raises(Undrafted, match="laid out otherwise"):
        drafted(lines("a,b", "x,1", "y,2"), lines("a;b", "x;1", "y;2"))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for name in ("etl", "expectations", "sql"):
            shutil.copytree(PROJECT / name, Path(folder) / name, ignore=shutil.ignore_patterns("__pycache__"))
        PAGE.write_text(played(PAGE.read_text(encoding="utf-8"), Path(folder)), encoding="utf-8")
