"""Polluted CSV files through our reader and through others: `python -m tests.tools.pollution`, or `make pollution`.

Clean files of the simulated city are polluted, one thing at a time, after the catalogue of the public benchmark Pollock
(HPI, PVLDB 16(8), 2023). Our reader may read such a file right, name the rows that it cannot read, or hold the file
with a sentence; it must never lose, invent or change a row silently. The mean F1 scores of header, records and cells
are Pollock's; whoever holds a file has loaded nothing of it. Others are called as one calls them first: pandas and
polars are told the agreed delimiter and that all cells are text, and a file that makes a reader raise is held.
"""

from __future__ import annotations

import csv
import io
import re
import sys
import tempfile
import unicodedata
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from statistics import mean
from typing import Literal, get_args

import clevercsv
import pandas as pd
import polars as pl

from etl.contract import Contract, load_all
from etl.delivery.columns import RECEIVED, ROW, UNKNOWN
from etl.delivery.messages import Stop
from etl.extract import extract_bytes
from simulate import write_city
from simulate.encodings import encode

Rows = list[list[str]]
Verdict = Literal["right", "named", "held", "wrong"]
BOM = "\ufeff"
DATASETS = ["civil.births", "tax.taxpayers"]
ROWS = 84  # of a clean file, as in Pollock; a day has fewer births
PLACES = ["Trạm \"A, B; C\" số '1'", "Nhà; ngõ, 5", "Thôn 1\nXã 2", "A|B~C", 'Khu "C"']  # in the clean file already
KEY = {"civil.births": "thoi_diem", "tax.taxpayers": "ma_so_thue"}  # tells rows apart
FREE = {"civil.births": "noi_sinh", "tax.taxpayers": "ten_nguoi_nop_thue"}  # takes any text


@dataclass(frozen=True)
class Polluted:
    """A polluted file: its text, and the header and rows that a perfect reader finds in it."""

    name: str
    text: str
    truth: Rows


@dataclass(frozen=True)
class Clean:
    """A clean file: its header and rows, and how it is written."""

    rows: Rows
    delimiter: str

    @property
    def some(self) -> list[int]:
        """The lines that are polluted one by one: the first ones, of which some hold special cells, and the last."""
        return [*range(1, 7), len(self.rows) - 1]

    @property
    def other(self) -> str:
        """A delimiter that is not this file's."""
        return ";" if self.delimiter == "," else ","

    def line(
        self,
        cells: Sequence[str],
        delimiter: str | None = None,
        quote: str = '"',
        escape: str | None = None,
        end: str = "\r\n",
        every: bool = False,
    ) -> str:
        """A line with its end; cells are quoted where they need it, or every one of them."""
        delimiter = delimiter or self.delimiter

        def written(cell: str) -> str:
            if not every and not any(mark in cell for mark in (*delimiter, quote, escape or quote, "\n")):
                return cell
            inside = cell.replace(escape, escape * 2) if escape else cell
            return quote + inside.replace(quote, (escape or quote) + quote) + quote

        return delimiter.join(map(written, cells)) + end

    def lines(self, **dialect: object) -> list[str]:
        """All lines, the header first."""
        return [self.line(row, **dialect) for row in self.rows]  # type: ignore[arg-type]

    def file(self, name: str, *parts: Iterable[str], truth: Rows | None = None) -> Polluted:
        """A polluted file of these lines; a perfect reader finds in it what is in the clean one, or `truth`."""
        text = "".join(chain.from_iterable(parts))
        return Polluted(name, text, self.rows if truth is None else truth)

    def with_line(self, name: str, at: int, polluted: str, truth: Rows | None = None) -> Polluted:
        """The file with another line `at` (from 0, the header's)."""
        lines = self.lines()
        return self.file(name, lines[:at], polluted, lines[at + 1 :], truth=truth)


def ends_and_blanks(clean: Clean) -> Iterator[Polluted]:
    lines = clean.lines()
    header, data, width = lines[0], lines[1:], len(clean.rows[0])
    yield clean.file("source", lines)
    yield clean.file("file_no_payload", "", truth=[])
    yield clean.file("file_header_only", header, truth=clean.rows[:1])
    yield clean.file("file_one_data_row", lines[:2], truth=clean.rows[:2])
    yield clean.file("file_no_trailing_newline", "".join(lines).rstrip("\r\n"))
    yield clean.file("file_double_trailing_newline", lines, "\r\n")
    yield clean.file("file_blank_lines", "\r\n\r\n", header, "\r\n", [line + " \r\n" for line in data])
    yield clean.file("file_rows_of_delimiters", lines, [clean.delimiter * (width - 1) + "\r\n"] * 5)
    yield clean.file("file_rows_of_empty_quotes", lines, [clean.line([""] * width, every=True)] * 2)
    yield clean.file("file_two_boms", BOM, lines)
    yield clean.file("file_bom_within", lines[:3], BOM, lines[3:])
    yield clean.file("file_trailing_ctrl_z", lines, "\x1a")
    yield clean.file("file_trailing_nul", lines, "\0" * 8)
    for columns in (1, 3):
        tail = clean.delimiter * columns + "\r\n"
        yield clean.file(f"file_trailing_delimiters_{columns}", [line[:-2] + tail for line in lines])
        yield clean.file(f"file_trailing_delimiters_data_{columns}", header, [line[:-2] + tail for line in data])
        yield clean.file(f"file_trailing_delimiters_header_{columns}", header[:-2] + tail, data)
        for at in clean.some:
            polluted = [line[:-2] + tail for line in lines]
            less, filled = polluted[at].replace(clean.delimiter, "", 1), polluted[at][:-2] + "x\r\n"
            for name, text in {"less": less, "filled": filled}.items():
                yield clean.file(
                    f"row_trailing_delimiters_{columns}_{at}_{name}", polluted[:at], text, polluted[at + 1 :]
                )
    for name, end in {"0xA": "\n", "0xD": "\r"}.items():
        yield clean.file(f"file_record_delimiter_{name}", clean.lines(end=end))
        for at in clean.some:
            yield clean.with_line(f"row_record_delimiter_{at}_{name}", at, clean.line(clean.rows[at], end=end))


def headers(clean: Clean) -> Iterator[Polluted]:
    (header, *data), names = clean.lines(), clean.rows[0]
    blank = [""] * len(names)
    yield clean.file("file_no_header", data, truth=[[], *clean.rows[1:]])
    for count in (2, 3):
        parts = [[name[len(name) * n // count : len(name) * (n + 1) // count] for name in names] for n in range(count)]
        yield clean.file(f"file_header_multirow_{count}", map(clean.line, parts), data)
        yield clean.file(f"file_header_times_{count}", [header] * count, data)
        first = [clean.line(["Bên A", *blank[1:]])] * (count - 1)
        yield clean.file(f"file_header_group_{count}", first, header, data)
    yield clean.file("file_header_and_units", header, clean.line(["(chữ)"] * len(names)), data)
    yield clean.file("file_header_and_numbers", header, clean.line([f"({n})" for n in range(len(names))]), data)
    for at in clean.some:
        yield clean.file(f"file_header_again_{at}", header, data[:at], header, data[at:])
        yield clean.file(f"file_header_again_{at}_bom", header, data[:at], "\r\n", BOM, header, data[at:])
        yield clean.file(f"file_header_below_{at}", data[:at], header, data[at:])
    for column in (0, len(names) // 2, len(names) - 1):
        for kind, name in {
            "empty": "",
            "nonalnum": "HEAD/%R",
            "large": "HEADER" * 1_000,
            "nonunique": names[column - 1],
            "capitals": names[column].upper(),
        }.items():
            renamed = [*names[:column], name, *names[column + 1 :]]
            yield clean.file(
                f"column_header_{column}_{kind}", clean.line(renamed), data, truth=[renamed, *clean.rows[1:]]
            )
        start = clean.delimiter.join(names[:column]) + clean.delimiter * (column > 0)
        for mark in (clean.delimiter, '"', " ", "\ufeff"):
            broken = start + mark + header[len(start) :]
            yield clean.file(f"row_header_{column}_0x{ord(mark):X}", broken, data)
        if column:
            yield clean.file(f"row_less_sep_row0_col{column}", start[:-1] + header[len(start) :], data)
    extra = [[*row, "x"] for row in clean.rows]
    yield clean.file("column_extra_named", map(clean.line, extra), truth=extra)
    yield clean.file("column_extra_unnamed", header[:-2], clean.delimiter, "\r\n", map(clean.line, extra[1:]))
    yield clean.file("column_extra_without_header", header, map(clean.line, extra[1:]))


def preambles_and_footnotes(clean: Clean) -> Iterator[Polluted]:
    lines, rest = clean.lines(), clean.delimiter * (len(clean.rows[0]) - 1)
    for count in (1, 2, 3):
        for name, end in {"": "", "_delimited": rest}.items():
            for blank, between in {"": "", "_empty_row": end + "\r\n"}.items():
                above = [f"Sở Tư pháp, kỳ: 3; quý 1{end}\r\n"] * count
                yield clean.file(f"file_preamble_{count}{name}{blank}", above, between, lines)
                below = [f"Tổng cộng: 123; hết{end}\r\n"] * count
                if clean.delimiter in below[0].partition(rest)[0] and end:
                    below = [f'"Tổng cộng; hết"{end}\r\n'] * count
                yield clean.file(f"file_footnote_{count}{name}{blank}", lines, between, below)


def several_tables(clean: Clean) -> Iterator[Polluted]:
    (header, *data), width = clean.lines(), len(clean.rows[0])
    for name, columns in {"less": width - 3, "more": width + 3, "same": width}.items():
        table = [[f"ten_{n}" for n in range(columns)], *([f"{row}x{n}" for n in range(columns)] for row in range(4))]
        for blank in ("", "\r\n"):
            yield clean.file(f"file_multitable_{name}", header, data, blank, map(clean.line, table))
            yield clean.file(f"file_multitable_{name}_above", map(clean.line, table), blank, header, data)
    yield clean.file("file_multitable_same_header", header, data[:5], "\r\n", header, data[5:])


def delimiters(clean: Clean) -> Iterator[Polluted]:
    for mark in (clean.other, "|", "\t", " ", ":", "^", "~", ", ", "; ", "||", "\t\t", "\\t"):
        code = "_".join(f"0x{ord(c):X}" for c in mark)
        yield clean.file(f"file_field_delimiter_{code}", clean.lines(delimiter=mark))
        yield clean.file(f"file_field_delimiter_{code}_quoted", clean.lines(delimiter=mark, every=True))
        for at in clean.some:
            yield clean.with_line(f"row_field_delimiter_{at}_{code}", at, clean.line(clean.rows[at], delimiter=mark))


def quotes_and_escapes(clean: Clean) -> Iterator[Polluted]:
    for mark in (clean.delimiter, clean.other, "|"):
        for every in (False, True):
            name = f"{ord(mark):X}_{'every' if every else 'needed'}"
            yield clean.file(f"file_quotation_char_0x27_{name}", clean.lines(delimiter=mark, quote="'", every=every))
            yield clean.file(f"file_quotation_char_0x22_{name}", clean.lines(delimiter=mark, every=every))
            yield clean.file(f"file_escape_char_0x5C_{name}", clean.lines(delimiter=mark, escape="\\", every=every))
            bare = [
                re.sub(r'(?<=[^,;|\n])""(?=[^,;|\r])', '"', line) for line in clean.lines(delimiter=mark, every=every)
            ]
            yield clean.file(f"file_escape_char_0x0_{name}", bare)
    for at, row in ((n, clean.rows[n]) for n in clean.some):
        for every in (False, True):
            name = f"{at}_{'every' if every else 'needed'}"
            yield clean.with_line(f"row_quotation_char_{name}_0x27", at, clean.line(row, quote="'", every=every))
            yield clean.with_line(f"row_escape_char_{name}_0x5C", at, clean.line(row, escape="\\", every=every))


def fields(clean: Clean) -> Iterator[Polluted]:
    for at, row in ((n, clean.rows[n]) for n in clean.some):
        yield clean.with_line(f"row_n_fields_{at}_less", at, clean.line(row[:5]))
        yield clean.with_line(f"row_n_fields_{at}_more", at, clean.line([*row, *row[-3:]]))
        yield clean.with_line(f"row_n_fields_{at}_empty", at, "\r\n", [*clean.rows[:at], *clean.rows[at + 1 :]])


def separators(clean: Clean) -> Iterator[Polluted]:
    for at, row in ((n, clean.rows[n]) for n in clean.some):
        cells = [clean.line([cell], end="") for cell in row]
        for n in range(len(cells)):
            more = clean.delimiter.join([*cells[:n], "", *cells[n:]]) + "\r\n"
            yield clean.with_line(f"row_more_sep_row{at}_col{n}", at, more)
            less = [*cells[:n], "".join(cells[n : n + 2]), *cells[n + 2 :]]
            if len(less) < len(cells):
                yield clean.with_line(f"row_less_sep_row{at}_col{n + 1}", at, clean.delimiter.join(less) + "\r\n")


def extra_quotes(clean: Clean) -> Iterator[Polluted]:
    for at, row in ((n, clean.rows[n]) for n in clean.some):
        cells = [clean.line([cell], end="") for cell in row]
        for n, cell in enumerate(cells):
            middle = cell[: len(cell) // 2] + '"' + cell[len(cell) // 2 :]
            for name, polluted in {"": '"' + cell, "_within": middle, "_behind": cell + '"'}.items():
                line = clean.delimiter.join([*cells[:n], polluted, *cells[n + 1 :]]) + "\r\n"
                yield clean.with_line(f"row_extra_quote{at}_col{n}{name}", at, line)


def as_excel(clean: Clean) -> list[str]:
    """The lines without the empty cells that Excel leaves away at the end of all rows of each 16."""
    lines = []
    for at in range(0, len(clean.rows), 16):
        block = [[cell.replace("\n", " ") for cell in row] for row in clean.rows[at : at + 16]]
        width = max(n for row in block for n, cell in enumerate(row, 1) if cell)
        lines += [clean.line(row[:width]) for row in block]
    return lines


def whole_files(clean: Clean) -> Iterator[Polluted]:
    """What a program does to a whole file, and such a file in which something else is wrong, too."""
    (header, *data), width, end = clean.lines(), len(clean.rows[0]), clean.delimiter
    flat = [[cell.replace("\n", " ") for cell in row] for row in clean.rows]
    excel, footer = as_excel(clean), "Tổng cộng: 84\r\n"
    ended = [line[:-2] + end + "\r\n" for line in data]
    yield clean.file("file_excel", excel, truth=flat)
    yield clean.file("file_excel_footer", excel, footer, truth=flat)
    yield clean.file("file_delimiters_data_footer", header, ended, "\r\n", footer)
    yield clean.file("file_delimiters_data_preamble", "Danh sách\r\n\r\n", header, ended)
    for mark in ("'", "`"):
        code = f"0x{ord(mark):X}"
        every, needed = clean.lines(quote=mark, every=True)[1:], clean.lines(quote=mark)[1:]
        yield clean.file(f"file_bare_header_quotation_{code}", header, every)
        yield clean.file(f"file_bare_header_quotation_needed_{code}", header, needed)
        yield clean.file(
            f"file_bare_header_quotation_{code}_delimiters", header, [e[:-2] + end + "\r\n" for e in every]
        )
        yield clean.file(f"file_half_quotation_{code}", header, data[:40], every[40:])
        yield clean.file(f"file_last_quotation_{code}", header, data[:-3], every[-3:])
    for mark in (clean.other, "\t", "|"):
        code = f"0x{ord(mark):X}"
        yield clean.file(f"file_field_delimiter_below_header_{code}", header, clean.lines(delimiter=mark)[1:])
        yield clean.file(f"file_half_field_delimiter_{code}", header, data[:40], clean.lines(delimiter=mark)[41:])
    for column in (0, width // 2, width - 1):
        rows = [[*row[:column], "", *row[column:]] for row in clean.rows]
        yield clean.file(f"column_empty_{column}", map(clean.line, rows))
        yield clean.file(f"column_empty_{column}_data", header, map(clean.line, rows[1:]))
        filled = [[*rows[9][:column], "x", *rows[9][column + 1 :]], *rows[10:]]
        yield clean.file(f"column_empty_{column}_filled", map(clean.line, rows[:9]), map(clean.line, filled))
        if column:  # without its first column no row could be told from another
            without = [[*row[:column], *row[column + 1 :]] for row in clean.rows]
            yield clean.file(f"column_lost_{column}_data", header, map(clean.line, without[1:]))
        joined = [[*r[:column], "".join(r[column : column + 2]), *r[column + 2 :]] for r in clean.rows]
        yield clean.file(f"column_joined_{column}_data", header, map(clean.line, joined[1:]))
    for at in clean.some[:3]:
        for column in range(1, width):
            cells = [clean.line([cell], end="") for cell in clean.rows[at]]
            lost = end.join([*cells[: column - 1], "".join(cells[column - 1 : column + 1]), *cells[column + 1 :]])
            polluted = [*ended[: at - 1], lost + end + "\r\n", *ended[at:]]
            yield clean.file(f"file_delimiters_data_less_sep_row{at}_col{column}", header, polluted)
            row = min(at + 20, len(flat) - 1)
            cells = [clean.line([cell], end="") for cell in flat[row]]
            short = end.join([*cells[: column - 1], "".join(cells[column - 1 : column + 1]), *cells[column + 1 :]])
            polluted = [*excel[:row], short + "\r\n", *excel[row + 1 :]]
            yield clean.file(f"file_excel_less_sep_row{row}_col{column}", polluted, truth=flat)


GROUPS: dict[str, Callable[[Clean], Iterator[Polluted]]] = {
    "ends, blanks, marks": ends_and_blanks,
    "header": headers,
    "preamble, footnote": preambles_and_footnotes,
    "several tables": several_tables,
    "delimiter": delimiters,
    "quotes, escapes": quotes_and_escapes,
    "number of fields": fields,
    "separator too few, too many": separators,
    "extra quote": extra_quotes,
    "whole files, mixtures": whole_files,
}


def clean_file(day: Path, contract: Contract) -> Clean:
    """The first ROWS rows of a day's file, with delimiters, quotes and a line end in some of their cells."""
    (file,) = day.glob(f"{contract.id.replace('.', '/')}/*.csv")
    text = unicodedata.normalize("NFC", file.read_bytes().decode(contract.source.encoding))
    header, *data = csv.reader(io.StringIO(text, newline=""), delimiter=contract.source.delimiter)
    key, free = header.index(KEY[contract.id]), header.index(FREE[contract.id])
    apart = {row[key][:10] if contract.id == "tax.taxpayers" else row[key]: row for row in data}
    taken = list(apart.values())[:ROWS]
    for row, place in zip(taken[1:], PLACES, strict=False):
        row[free] = place
    return Clean([header, *taken], contract.source.delimiter)


@dataclass(frozen=True)
class Loaded:
    """What a reader made of a file.

    Attributes:
        rows: the header, and the rows that it took; none if it held the file.
        named: lines that it named as bad.
        said: something about the file as a whole.
    """

    rows: Rows
    named: Sequence[str] = ()
    said: bool = False


def ours(polluted: Polluted, contract: Contract) -> Loaded:
    """Our reader. A row is taken if nothing at all is said against it and nothing required is missing in it."""
    try:
        typed, found, _ = extract_bytes(encode(polluted.text, contract.source.encoding), contract)
    except Stop:
        return Loaded([])
    required = [c.name for c in contract.columns if c.required]
    lacking = typed.filter(pl.any_horizontal(pl.col(required).is_null()))[ROW]
    bad = {*found[ROW].drop_nulls(), *lacking}
    on_the_file = found.filter(found[ROW].is_null())
    absent = "".join(on_the_file.filter(pl.col("rule") == "missing_optional_column")["vi"])
    columns = [c for c in contract.columns if f"({c.source_name})" not in absent]
    received = [RECEIVED + c.name if RECEIVED + c.name in typed.columns else c.name for c in columns]
    unknown = [name for name in typed.columns if name.startswith(UNKNOWN)]
    header = [*(c.source_name for c in columns), *(name.removeprefix(UNKNOWN) for name in unknown)]
    taken = typed.filter(~pl.col(ROW).is_in(bad)).fill_null("")
    rows = taken.select(map(taken.get_column, received + unknown)).rows()
    lines = re.split("\r\n|\r|\n", polluted.text)
    named = [lines[number - 1] for number in sorted(bad)]
    return Loaded([header, *map(list, rows)], named, said=on_the_file.height > 0)


def by_pandas(text: str, delimiter: str) -> Rows:
    frame = pd.read_csv(io.StringIO(text, newline=""), sep=delimiter, dtype=str, keep_default_na=False).fillna("")
    return [list(map(str, frame.columns)), *frame.to_numpy().tolist()]


def by_polars(text: str, delimiter: str) -> Rows:
    frame = pl.read_csv(text.encode(), separator=delimiter, infer_schema=False).fill_null("")
    return [frame.columns, *map(list, frame.rows())]


def by_sniffer(text: str, delimiter: str) -> Rows:
    return list(csv.reader(io.StringIO(text, newline=""), csv.Sniffer().sniff(text)))


def by_clevercsv(text: str, delimiter: str) -> Rows:
    return list(clevercsv.reader(io.StringIO(text, newline=""), clevercsv.Sniffer().sniff(text)))


OTHERS: dict[str, Callable[[str, str], Rows]] = {
    "pandas.read_csv": by_pandas,
    "polars.read_csv": by_polars,
    "csv.Sniffer": by_sniffer,
    "clevercsv.Sniffer": by_clevercsv,
}


@dataclass(frozen=True)
class Score:
    """What became of one polluted file; F1 scores between 0 and 1."""

    verdict: Verdict
    header: float
    records: float
    cells: float


def score(polluted: Polluted, loaded: Loaded, key: str) -> Score:
    """Compare what was loaded with the truth.

    Args:
        polluted: the file.
        loaded: what a reader made of it.
        key: name of the column that tells a row from the others; a line that was named holds it somewhere.
    """
    header, *truth = _plain(polluted.truth) or [[]]
    names, *rows = _plain(loaded.rows) or [[]]
    cells = _f1(chain.from_iterable(truth), chain.from_iterable(rows))
    return Score(
        _verdict(header, truth, names, rows, loaded, key),
        _f1(header, names),
        _f1(map(tuple, truth), map(tuple, rows)),
        cells,
    )


def _verdict(header: list[str], truth: Rows, names: list[str], rows: Rows, loaded: Loaded, key: str) -> Verdict:
    if not loaded.rows:
        return "held"
    if not set(names) <= set(header) or (len(names) < len(header) and not loaded.said):
        return "wrong"
    at = [header.index(name) for name in names]
    wanted = Counter(tuple(row[n] for n in at) for row in truth)
    taken = Counter(map(tuple, rows))
    if taken - wanted:
        return "wrong"
    lost = [dict(zip(names, row, strict=True))[key] for row in wanted - taken]
    if all(any(cell in line.replace('"', "") for line in loaded.named) for cell in lost):
        return "named" if lost else "right"
    return "wrong"


def _f1(wanted: Iterable[object], made: Iterable[object]) -> float:
    expected, found = Counter(wanted), Counter(made)
    total = expected.total() + found.total()
    return 2 * (expected & found).total() / total if total else 1.0


def _plain(rows: Rows) -> Rows:
    return [list(map(_cell, row)) for row in rows]


@cache
def _cell(text: str) -> str:
    """A cell without what no reader need keep: invisible characters, blanks at the ends, the kind of its line ends."""
    return "".join(c for c in unicodedata.normalize("NFC", text) if c.isprintable() or c == "\n").strip()


def pollute(folder: Path) -> Iterator[tuple[Contract, str, Polluted]]:
    """Every pollution of every dataset, with its contract and the name of its group.

    Args:
        folder: where the simulated city may be written.
    """
    write_city(folder, people=5_000, days=1, seed=5)
    (day,) = (folder / "days").iterdir()
    for contract in map(load_all().__getitem__, DATASETS):
        clean = clean_file(day, contract)
        for group, make in GROUPS.items():
            for polluted in make(clean):
                if contract.source.encoding.startswith("utf-8") or BOM not in polluted.text:
                    yield contract, group, polluted


def main() -> int:
    """Print both tables; the number of files that our reader read wrong silently."""
    warnings.simplefilter("ignore")  # that a file is malformed is known
    verdicts: dict[str, Counter[Verdict]] = {}
    scores: dict[str, list[Score]] = {name: [] for name in ("citydw", *OTHERS)}
    with tempfile.TemporaryDirectory() as folder:
        for contract, group, polluted in pollute(Path(folder)):
            found = score(polluted, ours(polluted, contract), KEY[contract.id])
            verdicts.setdefault(group, Counter())[found.verdict] += 1
            scores["citydw"].append(found)
            if found.verdict == "wrong":
                print("silently wrong:", contract.id, polluted.name, file=sys.stderr)
            for name, load in OTHERS.items():
                try:
                    loaded = Loaded(load(polluted.text, contract.source.delimiter))
                except Exception:  # whatever a loader raises, it has loaded nothing
                    loaded = Loaded([])
                scores[name].append(score(polluted, loaded, KEY[contract.id]))
    print("| Pollution | Files | Read right | Lost rows all named | Held | Silently wrong |\n|---|--:|--:|--:|--:|--:|")
    for group, counts in (verdicts | {"all": sum(verdicts.values(), Counter())}).items():
        print(f"| {group} | {counts.total()} |", " | ".join(f"{counts[kind]}" for kind in get_args(Verdict)), "|")
    print("\n| Reader | Read right | Held or said | Silently wrong | F1 header | F1 records | F1 cells |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for name, made in scores.items():
        counts = Counter(s.verdict for s in made)
        means = [mean(getattr(s, part) for s in made) for part in ("header", "records", "cells")]
        shown = [counts["right"], counts["named"] + counts["held"], counts["wrong"], *(f"{m:.3f}" for m in means)]
        print(f"| {name} |", " | ".join(map(str, shown)), "|")
    return sum(s.verdict == "wrong" for s in scores["citydw"])


if __name__ == "__main__":
    sys.exit(main() > 0)
