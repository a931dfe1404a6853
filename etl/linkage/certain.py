"""Which records are of one person for certain: by numbers that are one person's for life, with name and birth."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import numpy as np
import polars as pl
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from etl.linkage import levels
from etl.linkage.declared import BIRTH, FORMER, NAME

_WRITTEN = [NAME, BIRTH, f"{BIRTH}_precision"]
_COMPARED = [*_WRITTEN, *levels.columns(NAME, "name"), *levels.columns(BIRTH, "birth")]
_AGREE = (
    f"({levels.agreement(NAME, 'name', levels.NAME_AGREES)}) AND "
    f"({levels.agreement(BIRTH, 'birth', levels.BIRTH_AGREES)})"
    f" OR ({BIRTH}_l IS NULL OR {BIRTH}_r IS NULL) AND ({levels.agreement(NAME, 'name', levels.NAME_IS_SAME)})"
)


def groups(records: pl.DataFrame, identifiers: Sequence[str]) -> pl.DataFrame:
    """Which records are of one person for certain.

    Args:
        records: the identifiers, FORMER, name, birth with its precision, and trust: 0 for the records that are
            believed most.
        identifiers: the best first; the first is a personal id.

    Returns:
        A row a record: group (a number), reason (the identifier by which it is in the group, null if it is alone),
        anchor (its personal id, if that is believed) and is_refused (it says an identifier of somebody else).
    """
    n = records.height
    rows = _with_identity(records, identifiers)
    group, reason = np.arange(n), np.full(n, len(identifiers))  # which identifier; the last of all is none
    is_refused, anchor = np.zeros(n, dtype=bool), pl.repeat(None, n, dtype=pl.String, eager=True)
    for at, identifier in enumerate(identifiers):
        is_id = at == 0
        claims = _claims(rows, identifier, [FORMER] if is_id else [])
        believed = _believed(claims, rows, is_id)
        refused = claims.join(believed, on=["row", "token"], how="anti")["row"].unique()
        is_refused[refused.to_numpy()] = True
        if is_id:
            own = believed.join(rows.select("row", token=identifier), on=["row", "token"], how="semi")
            anchor = anchor.scatter(own["row"], own["token"])
            joined = believed
        else:
            joined = _of_one_group(believed, group, reason < at)
        group = _components(joined, group)
        rows_joined = joined["row"].to_numpy()
        reason[rows_joined] = np.minimum(reason[rows_joined], at)
    said = pl.Series([*identifiers, None], dtype=pl.String).gather(reason)
    return pl.DataFrame({"group": group, "reason": said, "anchor": anchor, "is_refused": is_refused})


def _with_identity(records: pl.DataFrame, identifiers: Sequence[str]) -> pl.DataFrame:
    """Records with `identity`: those that are written alike have the same one, and are compared once."""
    names = ["trust", FORMER, *identifiers, *_WRITTEN]
    rows = records.select(*dict.fromkeys(names)).with_row_index("row").with_columns(pl.col("row").cast(pl.Int64))
    written = rows.select(_WRITTEN).unique().sort(_WRITTEN).with_row_index("identity")
    return rows.join(written, on=_WRITTEN, how="left", nulls_equal=True, maintain_order="left")


def _claims(rows: pl.DataFrame, identifier: str, others: Sequence[str]) -> pl.DataFrame:
    """Which record says which number: row, identity, token, trust."""
    said = [rows.select("row", "identity", "trust", token=name) for name in (identifier, *others)]
    return pl.concat(said).drop_nulls("token").unique(maintain_order=True)


def _believed(claims: pl.DataFrame, rows: pl.DataFrame, is_id: bool) -> pl.DataFrame:
    """The claims of those whose number it is: of those who say it, the most who agree, or the most trusted."""
    ways = claims.group_by("token", "identity").agg(records=pl.len(), trust=pl.col("trust").min())
    several = ways.filter(pl.len().over("token") > 1)
    alone = ways.filter(pl.len().over("token") == 1)
    if is_id:  # nobody else says it otherwise; its own digits must not contradict the year of birth
        year = rows.select("identity", year=pl.col(BIRTH).dt.year()).unique("identity")
        alone = alone.join(year, on="identity", how="left").filter((pl.col("records") > 1) | _digits_agree())
    owners = pl.concat([alone.select("token", "identity"), _owners(several, rows)])
    return claims.join(owners, on=["token", "identity"], how="semi", maintain_order="left")


def _digits_agree() -> pl.Expr:
    """Whether the 12 digits tell the year of birth; other numbers tell none."""
    token = pl.col("token")
    century = token.str.slice(3, 1).cast(pl.Int32, strict=False) // 2 * 100 + 1900
    told = century + token.str.slice(4, 2).cast(pl.Int32, strict=False)
    is_told = token.str.contains("^[0-9]{12}$")
    return (~is_told | (told == pl.col("year"))).fill_null(False)


def _owners(several: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Of each number that is said with several names or births, those that agree with each other and are the most."""
    written = rows.select("identity", *_WRITTEN).unique("identity").join(several, on="identity", how="semi")
    written = levels.prepared(levels.prepared(written, NAME, "name"), BIRTH, "birth")
    ways = several.join(written, on="identity", how="left").sort("token", "identity").with_row_index("way")
    compared = list(dict.fromkeys(_COMPARED))
    with duckdb.connect() as database:
        database.register("ways", ways.to_arrow())
        pairs = database.sql(
            "SELECT l.way AS one, r.way AS other FROM (SELECT way, token, "
            + ", ".join(f"{name} AS {name}_l" for name in compared)
            + " FROM ways) l JOIN (SELECT way, token, "
            + ", ".join(f"{name} AS {name}_r" for name in compared)
            + f" FROM ways) r ON l.token = r.token AND l.way < r.way WHERE ({_AGREE})"
        ).pl()
    camp = components(ways.height, pairs["one"].to_numpy(), pairs["other"].to_numpy())
    ways = ways.with_columns(pl.Series("camp", camp))
    camps = ways.group_by("token", "camp").agg(pl.col("records").sum(), pl.col("trust", "identity").min())
    camps = camps.sort("records", "trust", "identity", descending=[True, False, False])
    best = camps.unique("token", keep="first", maintain_order=True)
    return ways.join(best, on=["token", "camp"], how="semi").select("token", "identity")


def _of_one_group(believed: pl.DataFrame, group: np.ndarray, is_known: np.ndarray) -> pl.DataFrame:
    """Claims of numbers that do not point to two persons whom a better identifier tells apart."""
    row = believed["row"].to_numpy()
    claims = believed.with_columns(pl.Series("group", group[row]), pl.Series("is_known", is_known[row]))
    persons = pl.col("group").filter("is_known").n_unique().over("token")
    return claims.filter(persons <= 1).select(believed.columns)


def _components(claims: pl.DataFrame, group: np.ndarray) -> np.ndarray:
    """Groups joined where records of them say the same number."""
    n = len(group)
    token = claims["token"].rank("dense").cast(pl.Int64).to_numpy() - 1
    rows = claims["row"].to_numpy()
    tokens = int(token.max()) + 1 if len(token) else 0
    return components(n + tokens, np.concatenate([np.arange(n), rows]), np.concatenate([group, token + n]))[:n]


def components(n: int, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """What hangs together among `n` things of which some pairs do: for each the first of those that it hangs with."""
    edges = coo_array((np.ones(len(one), dtype=np.int8), (one, other)), shape=(n, n))
    found = connected_components(edges, directed=False)[1]
    first = np.unique(found, return_index=True)[1]
    made: np.ndarray = first[found]
    return made
