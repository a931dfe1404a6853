"""A contract beside the standard's own JSON schema: whatever is taken here must be valid for other tools too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any


def faults(document: object) -> Iterator[str]:
    """What the Open Data Contract Standard does not allow in a contract; takes some hundredths of a second.

    Args:
        document: what the contract's file holds, or `etl.contract.written_out` made of it.
    """
    for error in _validator().iter_errors(document):
        place = ".".join(str(step) for step in error.absolute_path) or "the contract"
        yield f"{place}: not valid ODCS: {error.message}"


@cache
def _validator() -> Any:
    from jsonschema.validators import validator_for  # a tenth of a second

    schema = json.loads(files("open_data_contract_standard").joinpath("schema.json").read_text("utf-8"))
    return validator_for(schema)(schema)
