"""The key of a dataset whose rows have none: the whole row, and which one of its equals it is.

Two equal rows in one file are two records. A row that comes again, in whichever file, is the same record: of a row that
stands three times in one file and twice in another there are three. So the history is the same in whatever order files
arrive, and a file that comes twice changes nothing.
"""

from __future__ import annotations

import hashlib

import polars as pl

from etl.contract import Text
from etl.datatypes.output import Output

HASH, COPY = "row_hash", "row_copy"
_BYTES = 16  # of the hash: to take two rows that differ for one would need 10^19 of them
OUTPUTS = (
    Output(HASH, "text", True, Text("Mã băm của cả dòng.", "Hash of the whole row.")),
    Output(
        COPY,
        "bigint",
        True,
        Text("Thứ tự trong các dòng giống hệt nhau của một tệp.", "Which one of the equal rows of a file it is."),
    ),
)


def hashes(standard: pl.DataFrame) -> pl.Series:
    """The hash of each row, the same on every machine.

    Args:
        standard: all columns in their standard form.
    """
    # A length before each value, so that no two rows look the same.
    cells = [
        pl.concat_str(
            pl.col(name).cast(pl.String).str.len_bytes(), pl.lit(":"), pl.col(name).cast(pl.String)
        ).fill_null("-")
        for name in standard.columns
    ]
    rows = standard.select(pl.concat_str(cells, separator=",")).to_series()
    made = [hashlib.sha256(row.encode()).hexdigest()[: 2 * _BYTES] for row in rows]
    return pl.Series(HASH, made, dtype=pl.String)


class Copies:
    """Counts the equal rows of a file, a batch at a time."""

    def __init__(self) -> None:
        self._seen = pl.DataFrame(schema={HASH: pl.String, COPY: pl.Int64})

    def numbered(self, staged: pl.DataFrame) -> pl.DataFrame:
        """Rows with HASH in their order, and which one of its equals in the file each is, from 1."""
        before = staged.select(HASH).join(self._seen, on=HASH, how="left", maintain_order="left")[COPY].fill_null(0)
        within = staged.select(pl.col(HASH).cum_count().over(HASH).cast(pl.Int64)).to_series()
        counts = staged.group_by(HASH).agg(pl.len().cast(pl.Int64).alias(COPY))
        self._seen = pl.concat([self._seen, counts]).group_by(HASH).agg(pl.col(COPY).sum())
        return staged.with_columns((before + within).alias(COPY))
