"""Whom a pipeline's files are about: every identifier and name in them, and whether a text has one of these."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from etl.contract import load_all
from etl.delivery.columns import RECEIVED

_OF_A_PERSON = ("personal_id", "tax_code", "bhyt", "bhxh", "phone", "person_name")
_SHORTEST = 8
_WORDS_OF_A_NAME = (3, 4, 5)


@dataclass(frozen=True)
class Identifiers:
    """Identifiers as they were sent and as they stand in the warehouse; names word by word."""

    plain: frozenset[str]
    spaced: frozenset[str]  # with blanks or signs in them, as agencies write
    names: frozenset[tuple[str, ...]]

    @classmethod
    def of(cls, data: Path) -> Identifiers:
        """All that the typed and the standard rows below a data root hold; not what a contract gives as an example."""
        values: set[str] = set()
        contracts = load_all().values()
        for contract in contracts:
            columns = [c for c in contract.columns if c.semantic_type in _OF_A_PERSON]
            names = [name for c in columns for name in (c.name, f"{RECEIVED}{c.name}")]
            for zone in ("raw", "staging"):
                for file in (data / zone / contract.agency / contract.dataset).rglob("rows.parquet"):
                    rows = pl.read_parquet(file)
                    for name in set(names) & set(rows.columns):
                        values |= set(rows[name].drop_nulls().cast(pl.String))
        examples = {str(column.example) for contract in contracts for column in contract.columns}
        values = {unicodedata.normalize("NFC", value) for value in values} - examples
        persons = {tuple(_words(value)) for value in values if not any(c.isdigit() for c in value)}
        persons -= {tuple(_words(example)) for example in examples}
        codes = {value for value in values if any(c.isdigit() for c in value) and len(value) >= _SHORTEST}
        plain = {code for code in codes if code.isalnum()}
        return cls(
            frozenset(plain),
            frozenset(codes - plain),
            frozenset(name for name in persons if len(name) in _WORDS_OF_A_NAME),
        )

    def __len__(self) -> int:
        return len(self.plain) + len(self.spaced) + len(self.names)

    def within(self, texts: Mapping[str, str]) -> dict[str, set[str]]:
        """Those that stand in texts, by the name of the text; texts without any are left out."""
        said = pl.Series([unicodedata.normalize("NFC", text) for text in texts.values()])
        spaced = said.str.extract_many([*self.spaced], overlapping=True)
        found = {name: self._within(text, codes) for name, text, codes in zip(texts, said, spaced, strict=True)}
        return {name: those for name, those in found.items() if those}

    def _within(self, text: str, spaced: Iterable[str]) -> set[str]:
        found = self.plain & set(re.findall(rf"[0-9A-Za-z]{{{_SHORTEST},}}", text)) | set(spaced)
        words = list(_words(text))
        for count in _WORDS_OF_A_NAME:
            runs: Iterable[tuple[str, ...]] = zip(*(words[at:] for at in range(count)), strict=False)
            found |= {" ".join(run) for run in self.names.intersection(runs)}
        return found


def _words(text: str) -> Iterable[str]:
    return re.findall(r"[^\W\d_]+", text.casefold())
