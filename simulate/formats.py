"""File formats: cells under their headers as the bytes of a CSV, ZIP, Excel, XML, NDJSON or GeoJSON file."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

import openpyxl
import polars as pl

from simulate.encodings import encode

if TYPE_CHECKING:
    from simulate.delivery import Form

HEADER_ROW = 5  # of the Excel form: titles stand above it
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


# Of each format: the bytes of a form's cells, of which some rows are broken in the way that is said.
WRITERS: dict[str, Callable[[Form, pl.DataFrame, dict[int, str]], bytes]] = {
    "csv": _csv,
    "zip": _zip,
    "xlsx": _xlsx,
    "xml": _xml,
    "ndjson": _ndjson,
    "geojson": _geojson,
}
