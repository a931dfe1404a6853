"""The same persons as eight agencies write them: names, births, wards and ids, with the faults that each writes in.

Made for linkage at any size: what a register knows of its people, and beside it seven agencies' rows, of which the
truth says whose each is and what is wrong in it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from datetime import date

import numpy as np
import polars as pl

from simulate.chance import generator
from simulate.people import STREETS, population, wards

# Agency's dataset: share of the people of whom it has a row, and what it writes beside name, birth, sex and ward.
_AGENCIES: dict[str, tuple[float, tuple[str, ...]]] = {
    "insurance.health_membership": (0.9, ("insurance_no", "card")),
    "insurance.benefits": (0.1, ("insurance_no",)),
    "social.assistance": (0.05, ()),
    "education.pupils": (0.2, ()),
    "health.records": (0.3, ("card",)),
    "health.visits": (0.4, ("card", "address", "phone")),
    "civil.deaths": (0.01, ()),
}
_UNREGISTERED = 0.03
_MOVED = 0.25  # of the rows; the ward is another one
_WITHOUT_PHONE = 0.3
_NAMES: dict[str, float] = {
    "marks lost": 0.12, "no middle name": 0.05, "telex": 0.01, "order": 0.01, "initials": 0.01, "y and i": 0.01,
    "one letter": 0.01,
}  # fmt: skip
_BIRTHS: dict[str, float] = {"year only": 0.06, "day slips": 0.04, "day and month": 0.005}
_SEX = 0.001
_TELEX = {  # grave, acute, hook above, tilde, dot below; circumflex (the letter again), breve, horn
    "\u0300": "f", "\u0301": "s", "\u0309": "r", "\u0303": "x", "\u0323": "j",
    "\u0302": "^", "\u0306": "w", "\u031b": "w",
}  # fmt: skip


def seen(seed: int, n: int, today: date, missing_id: float, wrong_id: float, share: float = 1.0) -> pl.DataFrame:
    """What eight agencies write of `n` persons.

    Args:
        seed: of chance.
        n: persons.
        today: in whose year they are as old as they are.
        missing_id: share of the agencies' rows without any number of a person; the register has all.
        wrong_id: share with somebody else's or nobody's id.
        share: of the agencies' rows that are made.

    Returns:
        dataset, key, personal_id, insurance_no, card, name, birth, birth_precision, sex, ward, address, phone, and the
        truth: person, faults (with commas between; empty if there is none).
    """
    rng = generator(seed, "identity")
    people = (
        population(rng, n, today)
        .with_row_index("person")
        .with_columns(
            pl.col("person").cast(pl.Int64),
            insurance_no="79" + pl.col("person").cast(pl.String).str.zfill(8),
            card=pl.col("card").str.slice(-10),
        )
    )
    # The population of the other datasets has ids that repeat beyond a million; here each is somebody's own.
    serial = pl.col("person").cast(pl.String).str.zfill(9)
    people = people.with_columns(
        pid=pl.lit("0") + serial.str.slice(0, 2) + pl.col("pid").str.slice(3, 3) + serial.str.slice(3)
    )
    register = people.filter(pl.Series(rng.random(n) >= _UNREGISTERED)).with_columns(faults=pl.lit(""))
    register = register.with_columns(pl.lit(None, pl.String).alias(name) for name in ("insurance_no", "card", "phone"))
    made = [_row(register, "police.residents")]
    for dataset, (has, beside) in _AGENCIES.items():
        rng = generator(seed, dataset)
        rows = people.filter(pl.Series(rng.random(n) < has * share))
        rows = _with_faults(rng, rows)
        lacking = [c for c in ("insurance_no", "card", "address", "phone") if c not in beside]
        rows = rows.with_columns(pl.lit(None, pl.String).alias(name) for name in lacking)
        rows = _ids(rng, rows, people["pid"], missing_id, wrong_id)
        made.append(_row(rows, dataset))
    return pl.concat(made)


def _row(rows: pl.DataFrame, dataset: str) -> pl.DataFrame:
    key = pl.int_range(pl.len()).cast(pl.String) if dataset != "police.residents" else pl.col("pid")
    return rows.select(
        dataset=pl.lit(dataset), key=key, personal_id="pid", insurance_no="insurance_no", card="card", name="name",
        birth="birth", birth_precision="birth_precision", sex="sex", ward="ward", address="address", phone="phone",
        person="person", faults="faults",
    )  # fmt: skip


def _with_faults(rng: np.random.Generator, rows: pl.DataFrame) -> pl.DataFrame:
    n = rows.height
    name, of_name = _spoiled_names(rng, rows["name"])
    which = rng.choice(len(_BIRTHS) + 1, n, p=[*_BIRTHS.values(), 1 - sum(_BIRTHS.values())])
    kind = pl.Series([*_BIRTHS, None]).gather(which)
    day, month, year = (pl.col("birth").dt.day(), pl.col("birth").dt.month(), pl.col("birth").dt.year())
    slip = pl.Series(rng.choice(np.array([-3, -2, -1, 1, 2, 3]), n))
    is_day = pl.col("birth_precision") == "D"
    can_turn = (day <= 12) & (day != month)
    kind_of = pl.col("of_birth")
    new, _ = wards()
    moved = pl.Series(rng.random(n) < _MOVED)
    ward = new["code"].gather(rng.integers(0, new.height, n))
    wrong_sex = pl.Series(rng.random(n) < _SEX)
    street = (
        pl.Series(rng.integers(1, 900, n)).cast(pl.String)
        + " "
        + pl.Series(STREETS).gather(rng.integers(0, len(STREETS), n))
    )
    rows = rows.with_columns(
        name, of_birth=kind, slip=slip, moved=moved, new_ward=ward, wrong_sex=wrong_sex, street=street
    )
    rows = rows.with_columns(of_birth=pl.when(is_day & ((kind_of != "day and month") | can_turn)).then(kind_of))
    turned = pl.date(year, pl.when(can_turn).then(day).otherwise(month), pl.when(can_turn).then(month).otherwise(day))
    other_sex = pl.when(pl.col("sex") == "1").then(pl.lit("2")).otherwise(pl.lit("1"))
    rows = rows.with_columns(
        birth=pl.when(kind_of == "year only").then(pl.date(year, 1, 1))
        .when(kind_of == "day slips").then(pl.col("birth") + pl.duration(days="slip"))
        .when(kind_of == "day and month").then(turned)
        .otherwise("birth"),
        birth_precision=pl.when(kind_of == "year only").then(pl.lit("Y")).otherwise("birth_precision"),
        ward=pl.when("moved").then("new_ward").otherwise("ward"),
        address=pl.when("moved").then("street").otherwise("address"),
        sex=pl.when("wrong_sex").then(other_sex).otherwise("sex"),
        phone=pl.when(pl.Series(rng.random(n) >= _WITHOUT_PHONE)).then("phone"),
        was_moved=pl.when("moved").then(pl.lit("moved")),
        was_sex=pl.when("wrong_sex").then(pl.lit("sex")),
    )  # fmt: skip
    return rows.with_columns(
        faults=pl.concat_str(of_name, "of_birth", "was_moved", "was_sex", separator=",", ignore_nulls=True)
    )


def _spoiled_names(rng: np.random.Generator, names: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Names as they are written, and what is wrong in each."""
    which = rng.choice(len(_NAMES) + 1, len(names), p=[*_NAMES.values(), 1 - sum(_NAMES.values())])
    kinds = [*_NAMES, ""]
    letters = rng.integers(0, 1 << 30, len(names))
    made, said = [], []
    for name, at, letter in zip(names.to_list(), which.tolist(), letters.tolist(), strict=True):
        spoil = _SPOIL.get(kinds[at])
        wrong = spoil(name, letter) if spoil else name
        made.append(wrong)
        said.append(kinds[at] if wrong != name else None)
    return pl.Series("name", made), pl.Series("of_name", said, dtype=pl.String)


def _bare(text: str) -> str:
    marks = unicodedata.normalize("NFD", text.replace("Đ", "D").replace("đ", "d"))
    return "".join(letter for letter in marks if not unicodedata.combining(letter))


def _telex(name: str, _: int) -> str:
    return " ".join(map(_typed, name.split()))


def _typed(word: str) -> str:
    tone, made = "", ""
    for letter in unicodedata.normalize("NFD", word.replace("Đ", "Dd").replace("đ", "dd")):
        key = _TELEX.get(letter)
        if key is None:
            made += letter
        elif key == "^":
            made += made[-1].lower()
        elif key == "w":
            made += "w"
        else:
            tone = key
    return made + tone


def _one_letter(name: str, chance: int) -> str:
    at = chance % len(name)
    if not name[at].isalpha():
        return name
    return name[:at] + chr(ord("a") + chance // 97 % 26) + name[at + 1 :]


def _y_and_i(name: str, _: int) -> str:
    turned = name.translate(str.maketrans("yýỳỷỹỵ", "iíìỉĩị"))
    return turned if turned != name else name


def _no_middle(name: str, _: int) -> str:
    first, *_rest, last = name.split()
    return f"{first} {last}"


def _initials(name: str, _: int) -> str:
    *rest, last = name.split()
    return " ".join([*(word[0] for word in rest), last])


_SPOIL: dict[str, Callable[[str, int], str]] = {
    "marks lost": lambda name, _: _bare(name),
    "no middle name": _no_middle,
    "telex": _telex,
    "order": lambda name, _: " ".join(reversed(name.split())),
    "initials": _initials,
    "y and i": _y_and_i,
    "one letter": _one_letter,
}


def _ids(
    rng: np.random.Generator, rows: pl.DataFrame, all_ids: pl.Series, missing: float, wrong: float
) -> pl.DataFrame:
    """Some rows lose every number, some say somebody else's id or one with a digit that is wrong."""
    n = rows.height
    chance = rng.random(n)
    others = all_ids.gather(rng.integers(0, len(all_ids), n))
    slipped = pl.Series(rng.integers(0, 10, n)).cast(pl.String)
    is_other = pl.Series(rng.random(n) < 0.5)
    rows = rows.with_columns(chance=pl.Series(chance), others=others, slipped=slipped, is_other=is_other)
    is_missing = pl.col("chance") < missing
    is_wrong = ~is_missing & (pl.col("chance") < missing + wrong)
    a_digit = pl.col("pid").str.slice(0, 8) + pl.col("slipped") + pl.col("pid").str.slice(9)
    wrong_id = pl.when("is_other").then("others").otherwise(a_digit)
    pid = pl.when(is_missing).then(None).when(is_wrong).then(wrong_id).otherwise("pid")
    told = pl.when(is_missing).then(pl.lit("no id")).when(is_wrong & (pid != pl.col("pid"))).then(pl.lit("wrong id"))
    return rows.with_columns(
        pid=pid,
        insurance_no=pl.when(~is_missing & ~is_wrong).then("insurance_no"),
        card=pl.when(~is_missing & ~is_wrong).then("card"),
        faults=pl.concat_str("faults", told, separator=",", ignore_nulls=True).str.strip_chars(","),
    )
