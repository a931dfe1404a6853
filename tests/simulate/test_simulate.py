"""The made-up city: the same seed gives the same city, and it looks like the real one."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from etl.extract.text import decode
from simulate import write_city
from simulate.encodings import encode
from simulate.people import population

ALPHABET = "aàáảãạăằắẳẵặâầấẩẫậbcdđeèéẻẽẹêềếểễệghiìíỉĩịklmnoòóỏõọôồốổỗộơờớởỡợpqrstuùúủũụưừứửữựvxyỳýỷỹỵ 0123456789,;/-"


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix not in (".xlsx", ".zip")  # these carry the hour of their making
    }


def test_the_same_seed_gives_the_same_city(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        write_city(tmp_path / name, people=1500, days=2, seed=seed, is_whole=True)
    a, b, c = (digests(tmp_path / name) for name in "abc")
    assert len(a) > 20
    assert a == b
    assert a.keys() == c.keys() and a != c


@pytest.fixture(scope="module")
def people() -> pl.DataFrame:
    return population(np.random.default_rng(1), 50_000, date(2026, 3, 2))


def test_surnames_are_few_and_nguyen_is_the_most_frequent(people: pl.DataFrame) -> None:
    surnames = Counter(name.split()[0] for name in people["name"])
    assert 0.35 < surnames["Nguyễn"] / people.height < 0.41
    assert len(surnames) < 40


def test_a_personal_id_tells_century_sex_and_year(people: pl.DataFrame) -> None:
    assert people["pid"].is_unique().all()
    assert people["pid"].str.contains(r"^\d{12}$").all()
    born = people["birth"].dt.year()
    assert (people["pid"].str.slice(4, 2) == (born % 100).cast(pl.String).str.zfill(2)).all()
    digit = (born // 100 - 19) * 2 + (people["sex"] == "2").cast(pl.Int32)
    assert (people["pid"].str.slice(3, 1) == digit.cast(pl.String)).all()


def test_the_same_people_are_in_all_four_agencies_files(tmp_path: Path) -> None:
    write_city(tmp_path, people=3000, days=1, seed=2)
    tables = {path.stem: pl.read_parquet(path) for path in (tmp_path / "truth" / "tables").iterdir()}
    named = {
        "visits": tables["people.visits"].select(id="so_cccd", name="ho_ten"),
        "taxpayers": tables["business.taxpayers"].select(id="representative_id", name="representative_name"),
        "permits": tables["land.permits"].select(id="owner_id", name="owner_name"),
    }
    for one, other in (("visits", "taxpayers"), ("taxpayers", "permits")):
        both = named[one].drop_nulls().join(named[other].drop_nulls(), on="id")
        assert both.height > 0, (one, other)
        assert (both["name"] == both["name_right"]).all()


@pytest.mark.parametrize("encoding", ["tcvn3", "cp1258"])
def test_what_the_city_encodes_the_pipeline_decodes(encoding: str) -> None:
    text = ALPHABET if encoding == "tcvn3" else ALPHABET + ALPHABET.upper()
    assert decode(encode(text, encoding), encoding) == text
