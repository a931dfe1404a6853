"""One file: standard rows written in the sender's form, defects planted in it, and a note of which row has which."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
import openpyxl
import polars as pl

from simulate.encodings import encode
from simulate.truth import CHANGE

SEQUENCE = "_sequence"  # of a change within its file
HEADER_ROW = 5  # of the Excel form: titles stand above it


@dataclass(frozen=True)
class Defect:
    """A kind of mistake that agencies make.

    Attributes:
        kind: its name in the truth.
        column: contract column that it spoils; None for the line as a whole.
        rate: share of rows that have it.
        spoil: what the cell becomes; None for defects of the line.
        effect: rejected, flagged (the row loads without the value) or warned (the row loads with it).
        means: how the cell is read where it is only warned of.
    """

    kind: str
    column: str | None
    rate: float
    spoil: Callable[[str | None], str | None] | None = None
    effect: str = "rejected"
    means: Callable[[str], Any] = str


@dataclass(frozen=True)
class Form:
    """How an agency writes a dataset.

    Attributes:
        format: csv, zip, xlsx, xml, ndjson or geojson.
        headers: contract column -> name in the source, in source order.
        render: standard rows to text cells under contract names.
        defects: what goes wrong in it.
        conflict: a column that differs between two rows of one key, where that is a defect.
        encoding: of text formats.
        delimiter: of CSV.
        member: of ZIP: the file in it.
        root: of XML: the element around all records.
        record: of XML: the element that is one.
        titles: of Excel: what stands above the table.
        merged: of Excel: a column in which equal cells below each other are one.
        numbers: of JSON and Excel: columns whose cells are numbers.
        totals: columns whose sum is declared beside the file.
    """

    format: str
    headers: dict[str, str]
    render: Callable[[pl.DataFrame], pl.DataFrame]
    defects: tuple[Defect, ...]
    conflict: tuple[str, str] | None = None
    encoding: str = "utf-8"
    delimiter: str = ","
    member: str = "dulieu.csv"
    root: str = ""
    record: str = ""
    titles: tuple[str, ...] = ()
    merged: str | None = None
    numbers: frozenset[str] = frozenset()
    totals: tuple[str, ...] = ()


@dataclass(frozen=True)
class Written:
    """A file's bytes and what is true of it; `totals`: the sums that its sender declares, by the name in the file."""

    content: bytes
    accepted: pl.DataFrame
    defects: list[dict[str, Any]]
    rows_in: int
    rejected: int
    duplicates: int
    totals: dict[str, int]


DUPLICATE_RATE = 0.003
CONFLICT_RATE = 0.001


def write(form: Form, standard: pl.DataFrame, rng: np.random.Generator, at_least_one: bool) -> Written:
    """Write one file.

    Args:
        form: how the agency writes.
        standard: the rows as they must stand in the warehouse, with CHANGE and SEQUENCE for changes.
        rng: source of chance.
        at_least_one: plant every kind of defect once at least.
    """
    cells = form.render(standard).select(list(form.headers))
    n = cells.height
    free = list(rng.permutation(n))
    marks: list[tuple[int, Defect]] = []
    for defect in form.defects:
        for _ in range(max(int(rng.binomial(n, defect.rate)), int(at_least_one))):
            at = _take(free, cells, defect)
            if at is not None:
                marks.append((at, defect))
    cells = _spoil(cells, [(at, d) for at, d in marks if d.spoil])

    copies: list[tuple[int, str]] = []
    for kind, rate in (("duplicate", DUPLICATE_RATE), ("key_conflict", CONFLICT_RATE if form.conflict else 0.0)):
        wanted = max(
            int(rng.binomial(n, rate)), int(at_least_one and (kind == "duplicate" or form.conflict is not None))
        )
        copies += [(int(free.pop()), kind) for _ in range(min(wanted, len(free)))]
    appended = cells[[at for at, _ in copies]]
    if form.conflict:
        column, other = form.conflict
        differs = pl.Series([kind == "key_conflict" for _, kind in copies], dtype=pl.Boolean)
        appended = appended.with_columns(pl.when(differs).then(pl.lit(other)).otherwise(pl.col(column)).alias(column))
    whole = pl.concat([cells, appended])

    defects = [_note(at, d.column, d.kind, d.effect, form) for at, d in marks]
    for number, (at, kind) in enumerate(copies, start=n):
        if kind == "duplicate":
            defects.append(_note(number, None, kind, "duplicate", form))
        else:
            defects += [_note(at, None, kind, "rejected", form), _note(number, None, kind, "rejected", form)]

    gone = {at for at, d in marks if d.effect == "rejected"} | {at for at, kind in copies if kind == "key_conflict"}
    for column in {d.column for _, d in marks if d.effect == "flagged" and d.column}:
        blank = pl.int_range(pl.len()).is_in([at for at, d in marks if d.effect == "flagged" and d.column == column])
        standard = standard.with_columns(pl.when(~blank).then(pl.col(column)))
    for at, d in marks:
        if d.effect == "warned" and d.column:
            value = pl.lit(d.means(cells[d.column][at]), standard.schema[d.column])
            standard = standard.with_columns(
                pl.when(pl.int_range(pl.len()) == at).then(value).otherwise(d.column).alias(d.column)
            )
    accepted = standard.filter(~pl.int_range(pl.len()).is_in(list(gone)))
    if SEQUENCE in accepted.columns:
        accepted = accepted.sort(SEQUENCE, maintain_order=True).drop(SEQUENCE)
    content = _FORMATS[form.format](form, whole, {at: d.kind for at, d in marks if d.spoil is None})
    effects = Counter(d["effect"] for d in defects)
    totals = {form.headers[name]: _total(whole[name]) for name in form.totals}
    return Written(content, accepted, defects, whole.height, effects["rejected"], effects["duplicate"], totals)


def _total(cells: pl.Series) -> int:
    """The sum of the cells that are whole numbers, as 1.234.567 or plain."""
    return int(cells.str.replace_all(".", "", literal=True).cast(pl.Int64, strict=False).sum())


def _take(free: list[int], cells: pl.DataFrame, defect: Defect) -> int | None:
    """A row without a defect that has something to spoil, and not what is put in its place."""
    for place in range(len(free) - 1, -1, -1):
        cell = cells[defect.column][int(free[place])] if defect.column else ""
        if cell is not None and (defect.spoil is None or defect.spoil(cell) != cell):
            return int(free.pop(place))
    return None


def _spoil(cells: pl.DataFrame, marks: list[tuple[int, Defect]]) -> pl.DataFrame:
    for column in {d.column for _, d in marks if d.column}:
        values = cells[column].to_list()
        for at, defect in marks:
            if defect.column == column and defect.spoil:
                values[at] = defect.spoil(values[at])
        cells = cells.with_columns(pl.Series(column, values, dtype=pl.String))
    return cells


def _note(at: int, column: str | None, kind: str, effect: str, form: Form) -> dict[str, Any]:
    first = {"csv": 2, "zip": 2, "xlsx": HEADER_ROW + 1}.get(form.format, 1)
    return {"row": at + first, "column": column, "kind": kind, "effect": effect}


_AT_A_TIME = 100_000  # rows; a first load has millions


def _slices(cells: pl.DataFrame, broken: dict[int, str]) -> Iterator[tuple[pl.DataFrame, dict[int, str]]]:
    """Some rows after the other, and what is broken of them by its place among them."""
    for start in range(0, max(cells.height, 1), _AT_A_TIME):
        yield (
            cells[start : start + _AT_A_TIME],
            {at - start: kind for at, kind in broken.items() if start <= at < start + _AT_A_TIME},
        )


def _csv(form: Form, cells: pl.DataFrame, broken: dict[int, str]) -> bytes:
    header = form.delimiter.join(form.headers.values())
    content = io.BytesIO()
    content.write(b"\xef\xbb\xbf" if form.encoding == "utf-8-sig" else b"")
    content.write(_csv_lines(form, [header]))
    for rows, broken_here in _slices(cells, broken):
        lines = rows.write_csv(include_header=False, separator=form.delimiter).split("\n")[:-1]
        for at, kind in broken_here.items():
            if kind == "too_many_cells":
                lines[at] += form.delimiter + "x"
            elif kind == "too_few_cells":
                lines[at] = lines[at].rpartition(form.delimiter)[0].rpartition(form.delimiter)[0]
            else:
                lines[at] = lines[at].replace(form.delimiter, form.delimiter + '"', 1)
        content.write(_csv_lines(form, lines))
    return content.getvalue()


def _csv_lines(form: Form, lines: list[str]) -> bytes:
    return encode("".join(line + "\r\n" for line in lines), form.encoding.removesuffix("-sig"))


def _zip(form: Form, cells: pl.DataFrame, broken: dict[int, str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            zipfile.ZipInfo(form.member, (2026, 1, 1, 0, 0, 0)), _csv(form, cells, broken), zipfile.ZIP_DEFLATED
        )
    return packed.getvalue()


def _xlsx(form: Form, cells: pl.DataFrame, broken: dict[int, str]) -> bytes:
    """As an office sends it: titles in merged cells, a row counter, dates as dates, equal cells merged downwards."""
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    last = len(form.headers) + 1
    for row, title in enumerate(form.titles, start=1):
        sheet.cell(row, 1, title)
        sheet.merge_cells(start_row=row, start_column=1, end_row=row, end_column=last)
    for column, header in enumerate(("STT", *form.headers.values()), start=1):
        sheet.cell(HEADER_ROW, column, header)
    for number, record in enumerate(cells.iter_rows(named=True), start=1):
        sheet.cell(HEADER_ROW + number, 1, number)
        for column, (name, value) in enumerate(record.items(), start=2):
            sheet.cell(HEADER_ROW + number, column, _excel_value(value, number, name in form.numbers))
    if form.merged is not None:
        _merge_equal(sheet, cells[form.merged].to_list(), list(form.headers).index(form.merged) + 2)
    packed = io.BytesIO()
    book.save(packed)
    return packed.getvalue()


def _merge_equal(sheet: Any, values: list[str | None], column: int) -> None:
    start = 0
    for row in range(1, len(values) + 1):
        if row == len(values) or values[row] != values[start]:
            if row - start > 1 and values[start] is not None:
                sheet.merge_cells(
                    start_row=HEADER_ROW + 1 + start, end_row=HEADER_ROW + row, start_column=column, end_column=column
                )
            start = row


def _excel_value(text: str | None, number: int, is_number: bool) -> datetime | float | str | None:
    """Every other date a true one; a year alone is a number."""
    if text is None:
        return None
    if is_number:
        value = _number(text)
        return text if value is None else value
    if text.isdigit() and len(text) == 4:
        return int(text)
    for pattern in ("%d/%m/%Y %H:%M:%S", "%d/%m/%Y"):
        try:
            return datetime.strptime(text, pattern) if number % 2 and len(text) in (10, 19) else text
        except ValueError:
            continue
    return text


def _xml(form: Form, cells: pl.DataFrame, broken: dict[int, str]) -> bytes:
    def element(name: str, header: str) -> pl.Expr:
        text = pl.col(name).fill_null("").str.replace_many({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
        return pl.format("<" + header + ">{}</" + header + ">", text)

    records = cells.select(pl.concat_str([element(*pair) for pair in form.headers.items()])).to_series()
    body = "\n".join(f"<{form.record}>{record}</{form.record}>" for record in records)
    return f'<?xml version="1.0" encoding="utf-8"?>\n<{form.root}>\n{body}\n</{form.root}>\n'.encode()


def _ndjson(form: Form, cells: pl.DataFrame, broken: dict[int, str]) -> bytes:
    nested: dict[str, Any] = {}
    for at, path in enumerate(form.headers.values()):
        *parents, leaf = path.split(".")
        home = nested
        for parent in parents:
            home = home.setdefault(parent, {})
        home[leaf] = at
    # One record with the places of its columns; the words between them are the same in every line.
    words = re.split(r"(?<=: )(\d+)", json.dumps(nested, ensure_ascii=False))
    content = io.BytesIO()
    for rows, broken_here in _slices(cells, broken):
        values = [_json_text(rows[name], name in form.numbers) for name in form.headers]
        pieces = [pl.lit(word) if at % 2 == 0 else pl.lit(values[int(word)]) for at, word in enumerate(words)]
        lines = pl.select(pl.concat_str(pieces)).to_series().to_list() if rows.height else []
        for at, kind in broken_here.items():
            if kind == "broken_json":
                lines[at] = lines[at][: len(lines[at]) // 2]
        content.write(("\n".join(lines) + "\n").encode())
    return content.getvalue()


def _json_text(texts: pl.Series, is_number: bool) -> pl.Series:
    """Values as JSON writes them."""
    if is_number:
        return pl.Series([_ENCODE(_json_value(text, True)) for text in texts], dtype=pl.String)
    escaped = texts.str.replace_many({"\\": "\\\\", '"': '\\"'})
    return pl.select(pl.concat_str(pl.lit('"'), escaped, pl.lit('"')).fill_null("null")).to_series()


def _geojson(form: Form, cells: pl.DataFrame, broken: dict[int, str]) -> bytes:
    places = pl.select(_geojson_geometry(cells["geometry"])).to_series()
    headers = {name: header for name, header in form.headers.items() if name != "geometry"}
    features = []
    for record, geometry in zip(cells.select(*headers).iter_rows(), places, strict=True):
        values = zip(headers.items(), record, strict=True)
        properties = _ENCODE({header: _json_value(text, name in form.numbers) for (name, header), text in values})
        features.append(f'{{"type": "Feature", "properties": {properties}, "geometry": {geometry}}}')
    crs = '{"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::9210"}}'
    return (f'{{"type": "FeatureCollection", "crs": {crs}, "features": [\n' + ",\n".join(features) + "\n]}\n").encode()


def _geojson_geometry(wkt: pl.Series) -> pl.Expr:
    """POINT (x y), LINESTRING (x y, x y) and POLYGON ((x y, x y)) as GeoJSON writes them; null where there is none."""
    kinds = {
        "POINT": ("Point", "[", "]"),
        "LINESTRING": ("LineString", "[[", "]]"),
        "POLYGON": ("Polygon", "[[[", "]]]"),
    }
    shapes = pl.lit(wkt)
    points = shapes.str.extract(r"\(([^()]+)\)").str.replace_all(", ", "],[", literal=True)
    points = points.str.replace_all(" ", ",", literal=True)
    written = pl.coalesce(
        pl.when(shapes.str.starts_with(name)).then(
            pl.lit(f'{{"type": "{kind}", "coordinates": {opens}') + points + pl.lit(f"{closes}}}")
        )
        for name, (kind, opens, closes) in kinds.items()
    )
    return written.fill_null("null")


_ENCODE = json.JSONEncoder(ensure_ascii=False).encode


def _json_value(text: str | None, is_number: bool) -> float | str | None:
    value = _number(text) if is_number and text is not None else None
    return text if value is None else value


def _number(text: str) -> float | None:
    """A cell's number; None where it holds none."""
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        return None


_FORMATS = {"csv": _csv, "zip": _zip, "xlsx": _xlsx, "xml": _xml, "ndjson": _ndjson, "geojson": _geojson}


def changes(rows: pl.DataFrame, kind: str, day: date, rng: np.random.Generator) -> pl.DataFrame:
    """Rows of a file of changes: what happens to them and when on that day (distinct seconds)."""
    seconds = rng.choice(9 * 3600, rows.height, replace=False).astype("timedelta64[s]")
    start = np.datetime64(day) + np.timedelta64(8, "h")
    return rows.with_columns(
        pl.lit(kind).alias(CHANGE), pl.Series(SEQUENCE, (start + seconds).astype("datetime64[us]"))
    )
