"""A file of changes too large to be held: what counts of it is the same however many rows are seen at a time."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from etl.contract.city import city
from etl.delivery.columns import CHANGE, ROW, SEQUENCE
from etl.load import history

KEY = ["code", "place"]
RECORD = st.tuples(
    st.sampled_from(["a", "b", "c"]), st.integers(1, 2), st.integers(0, 3), st.sampled_from(["T", "S", city().deletion])
)


@given(st.lists(RECORD, max_size=14), st.integers(1, 5))
def test_the_last_word_on_a_record_counts_wherever_in_the_file_it_stands(
    records: list[tuple[str, int, int, str]], size: int
) -> None:
    schema = {"code": pl.String, "place": pl.Int64, SEQUENCE: pl.Int64, CHANGE: pl.String}
    staged = pl.DataFrame(records, schema, orient="row").with_columns(
        pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias(ROW)
    )
    lots = list(staged.iter_slices(size)) or [staged]
    said = pl.concat(history.last_words(lots, (lot.select(KEY) for lot in lots), KEY))
    at_once = history.last_of_each(history.assertions(staged), KEY)
    assert said.sort(KEY).equals(at_once.select(said.columns).sort(KEY))
