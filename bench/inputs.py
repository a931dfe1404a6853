"""What is measured on: contracts like those of health visits and tax declarations, and files of any size for them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

from etl.contract import written_out
from etl.settings import EXPECTATIONS
from simulate import health, tax
from simulate.delivery import Form, write
from simulate.people import population

FIRST_DAY = date(2026, 3, 2)
CHUNK = 500_000  # rows that are made at a time
BAD = 0.01  # share of rows that are rejected, unless a case wants another
VISIT_COLUMNS = (
    "ma_lk", "ho_ten", "so_cccd", "ngay_sinh", "gioi_tinh", "maxa_cu_tru", "dien_thoai", "ma_the_bhyt", "ma_benh_chinh",
    "ngay_vao", "ngay_ra", "t_tongchi_bv", "t_tongchi_bh", "t_bncct", "t_bhtt", "ma_cskcb",
)  # fmt: skip
MODES = ("snapshot", "changes", "append")


def contracts(folder: Path) -> Path:
    """Write contracts and suites `<mode>.visits` and `<mode>.declarations`, made of the real ones: all in CSV."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copy(EXPECTATIONS / "great_expectations.yml", folder)
    shutil.copytree(EXPECTATIONS / "plugins", folder / "plugins")
    for mode in MODES:
        _contract(folder, mode, "health/visits", VISIT_COLUMNS)
        _contract(folder, mode, "tax/declarations", None)
    return folder


def _contract(folder: Path, mode: str, source: str, columns: tuple[str, ...] | None) -> None:
    name = source.split("/")[1]
    document = written_out(EXPECTATIONS / f"{source}.yaml")
    (table,) = document["schema"]
    by_name = {p["name"]: p for p in table["properties"]}
    kept = list(columns or by_name)
    properties = [by_name[c] for c in kept]
    if mode == "changes":
        change = dict(by_name[kept[0]]) | {"name": "change", "physicalName": "thay_doi", "examples": ["T"]}
        change = {k: v for k, v in change.items() if not k.startswith("primaryKey")}
        change["customProperties"] = [
            {"property": "datatype", "value": "code"},
            {"property": "codeList", "value": "change_type"},
            {"property": "role", "value": "change"},
        ]
        properties.append(change)
    table["properties"], table["physicalName"] = properties, f"people.{mode}_{name}"
    document["id"] = f"{mode}.{name}"
    for custom in document["customProperties"]:
        if custom["property"] == "deliveryMode":
            custom["value"] = mode
        if custom["property"] == "source":
            numbers = {"numbers": "vietnamese"} if name == "declarations" else {}
            custom["value"] = {"format": "csv", "encoding": "utf-8", "delimiter": ";"} | numbers
        if custom["property"] == "maxRejected":
            custom["value"] = 0.5
        if custom["property"] == "baselines":  # deliveries are compared all the same, however their sizes differ
            measured = [baseline for baseline in custom["value"] if baseline.get("of") in (None, *kept)]
            custom["value"] = [baseline | {"severity": "warning"} for baseline in measured]
    if not any(custom["property"] == "maxRejected" for custom in document["customProperties"]):
        document["customProperties"].append({"property": "maxRejected", "value": 0.5})
    suite = json.loads((EXPECTATIONS / f"{source}.json").read_text("utf-8"))
    suite["name"] = document["id"]
    suite["expectations"] = [e for e in suite["expectations"] if _about(e) <= set(kept)]
    for expectation in suite["expectations"]:
        if "mostly" in expectation["kwargs"]:
            expectation["kwargs"]["mostly"] = 0.5
    place = folder / mode
    place.mkdir(exist_ok=True)
    (place / f"{name}.yaml").write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False), "utf-8")
    (place / f"{name}.json").write_text(json.dumps(suite, ensure_ascii=False, indent=2), "utf-8")


def served(folder: Path, agency: str, server: dict[str, Any]) -> str:
    """Write a contract like `snapshot.visits` of a dataset that is pulled from a server; gives its id.

    Args:
        folder: that holds it.
        agency: under which it is written.
        server: what the contract says of it.
    """
    here, there = folder / "snapshot", folder / agency
    there.mkdir(exist_ok=True)
    document = yaml.safe_load((here / "visits.yaml").read_text("utf-8"))
    suite = json.loads((here / "visits.json").read_text("utf-8"))
    document["id"] = suite["name"] = f"{agency}.visits"
    document["schema"][0]["physicalName"] = f"people.{agency}_visits"
    document["servers"] = [server]
    (there / "visits.yaml").write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False), "utf-8")
    (there / "visits.json").write_text(json.dumps(suite, ensure_ascii=False, indent=2), "utf-8")
    return f"{agency}.visits"


def _about(expectation: dict[str, dict[str, object]]) -> set[object]:
    kwargs = expectation["kwargs"]
    listed = kwargs.get("column_list")
    found = {kwargs.get(name) for name in ("column", "column_A", "column_B")} - {None}
    return found | set(listed if isinstance(listed, list) else [])


def rows(name: str, count: int, first: int = 0, seed: int = 1) -> Iterator[pl.DataFrame]:
    """Clean standard rows, CHUNK at a time, each with a key of its own.

    Args:
        name: visits or declarations.
        count: how many.
        first: number of the first record; the same number is the same key.
        seed: the same seed and number give the same content.
    """
    people = population(np.random.default_rng(0), 50_000, FIRST_DAY)
    payers = tax.taxpayers(np.random.default_rng(0), people, 20_000)
    for start in range(first, first + count, CHUNK):
        size = min(CHUNK, first + count - start)
        rng = np.random.default_rng((seed, start))
        key = pl.Series(np.arange(start, start + size)).cast(pl.String).str.zfill(9)
        if name == "visits":
            made = health.visits(rng, people, size, FIRST_DAY, health.FACILITIES[0])
            yield made.with_columns(ma_lk=pl.lit("79024") + key)
        else:
            made = tax.declarations(rng, payers, size, FIRST_DAY)
            yield made.with_columns(declaration_no=pl.lit("TK") + key)


def write_file(
    path: Path, name: str, chunks: Iterator[pl.DataFrame], bad: float = BAD, change: str | None = None, seed: int = 1
) -> None:
    """Write rows as an agency would, in CSV, with defects.

    Args:
        path: the file.
        name: visits or declarations.
        chunks: standard rows.
        bad: share of rows with a defect.
        change: the code in column `thay_doi`, if there is one.
        seed: source of chance.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for number, standard in enumerate(chunks):
            rng = np.random.default_rng((seed, number))
            form = _form(name, rng, bad)
            if change:
                form = replace(form, headers={**form.headers, "change": "thay_doi"}, render=_with_change(form, change))
            content = write(form, standard, rng, at_least_one=False).content
            file.write(content if number == 0 else content.partition(b"\r\n")[2])


def _with_change(form: Form, change: str) -> Callable[[pl.DataFrame], pl.DataFrame]:
    def render(standard: pl.DataFrame) -> pl.DataFrame:
        return form.render(standard).with_columns(pl.lit(change).alias("change"))

    return render


def _form(name: str, rng: np.random.Generator, bad: float) -> Form:
    form = health.form(rng) if name == "visits" else tax.declarations_form(rng)
    headers = {c: form.headers[c] for c in (VISIT_COLUMNS if name == "visits" else form.headers)}
    defects = [d for d in form.defects if d.effect == "rejected" and (d.column in headers or d.column is None)]
    each = bad / len(defects)
    return replace(
        form,
        format="csv",
        delimiter=";",
        headers=headers,
        conflict=None,
        defects=tuple(replace(d, rate=each) for d in defects),
    )


def day(number: int) -> str:
    """The period of the n-th delivery, as it stands in its file's name."""
    return (FIRST_DAY + timedelta(days=number)).isoformat()
