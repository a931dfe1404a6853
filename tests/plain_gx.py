"""Great Expectations as it comes, in a process of its own: what `etl.judge` answers must be what this prints.

python plain_gx.py FOLDER    # holds pairs of N.parquet and N.json: rows, and a list of expectations
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import great_expectations as gx
import pandas as pd

COUNTS = ("element_count", "unexpected_count", "missing_count", "unexpected_percent", "missing_percent")


def name(expectation: Any) -> str:
    """What tells one expectation of a list from another."""
    return f"{expectation.type} {expectation.kwargs.get('column')}"


def main(folder: str) -> None:
    """Judge each frame as a whole, and write the answers, by expectation, to `answers.json`."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    batches = context.data_sources.add_pandas("p").add_dataframe_asset("a").add_batch_definition_whole_dataframe("b")
    answers: dict[str, dict[str, dict[str, Any]]] = {}
    for path in Path(folder).glob("*.parquet"):
        batch = batches.get_batch(batch_parameters={"dataframe": pd.read_parquet(path, dtype_backend="pyarrow")})
        suite = gx.ExpectationSuite(name="s", expectations=json.loads(path.with_suffix(".json").read_text("utf-8")))
        results = batch.validate(suite, result_format="COMPLETE").results
        answers[path.stem] = {
            name(r.expectation_config): {"success": r.success, "failing": r.result.get("unexpected_index_list") or []}
            | {count: r.result.get(count) for count in COUNTS}
            for r in results
        }
    (Path(folder) / "answers.json").write_text(json.dumps(answers), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
