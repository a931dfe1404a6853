"""Data contracts: what an agency sends, read from `expectations/<agency>/<dataset>.yaml`.

A contract is a valid Open Data Contract Standard (ODCS) v3.1 document, so other tools read it as it is. What is the
same in many contracts is said once, in `elements.yaml`, `agencies.yaml` and `codes/`; `written_out` puts it in. What a
contract may say is in `etl.contract.document`, and nothing else is accepted: a misspelt property is an error.
"""

from __future__ import annotations

from etl.contract.baseline import FEWEST, SHARES, Baseline, Measure
from etl.contract.fields import Choice, DeliveryMode, LogicalType, SemanticType, Severity, Text
from etl.contract.formats import ENDINGS, MEMBER, OF_VALUE, SHEET, Format
from etl.contract.messages import ContractError
from etl.contract.model import GEOMETRY_TYPES, REASON_CHARS, Column, Contract, Hold, Source
from etl.contract.reading import Contracts, load, load_all, read_all, written_out
from etl.contract.servers import Server

__all__ = [
    "ENDINGS",
    "FEWEST",
    "GEOMETRY_TYPES",
    "MEMBER",
    "OF_VALUE",
    "REASON_CHARS",
    "SHARES",
    "SHEET",
    "Baseline",
    "Choice",
    "Column",
    "Contract",
    "ContractError",
    "Contracts",
    "DeliveryMode",
    "Format",
    "Hold",
    "LogicalType",
    "Measure",
    "SemanticType",
    "Server",
    "Severity",
    "Source",
    "Text",
    "load",
    "load_all",
    "read_all",
    "written_out",
]
