"""What people are told: the wording of each rule, and what stops a delivery."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import yaml

from etl.contract import Text
from etl.delivery.display import shown
from etl.delivery.state import State
from etl.settings import EXPECTATIONS, SHIPPED

WRONG_CONTRACT = "wrong_contract"  # the rule that holds a delivery until its contract or suite is mended
HOLD_MINIMUM = 20  # rows below which no share of them holds a delivery: three rows of eight are three rejections
# The rules that hold a delivery whose manifest does not fit it; a manifest that comes later may.
MANIFEST_RULES = (
    "unreadable_manifest", "declared_size", "declared_sha256", "declared_md5", "declared_rows", "declared_total",
    "undeclared_total",
)  # fmt: skip


class Stop(Exception):
    """A delivery that cannot go on: held (an engineer decides) or rejected (only a new file helps)."""

    def __init__(self, state: Literal["held", "rejected"], rule: str, **details: object) -> None:
        """Take the wording of `rule` from `expectations/wording.yaml` and fill in the details."""
        self.state = State(state)
        self.rule = rule
        self.message = wording(rule).fill(**details)
        super().__init__(f"{self.message.vi} / {self.message.en}")

    def __reduce__(self) -> tuple[Any, ...]:
        """How it passes from one process to another: with its sentence as it is."""
        return type(self).__new__, (type(self), str(self)), self.__dict__


@dataclass(frozen=True)
class Wording:
    """What a rule tells people: the sentence, whose it is to mend, and which dimension of quality it measures."""

    vi: str
    en: str
    dimension: str
    responsible: Literal["agency", "data_center"]

    def fill(self, **details: object) -> Text:
        """The sentence with its {placeholders} filled; on one line, whatever the details are.

        A detail that is a Text is said in the language of the sentence.
        """

        def safe(language: Literal["vi", "en"]) -> dict[str, str]:
            said = {name: getattr(v, language) if isinstance(v, Text) else v for name, v in details.items()}
            return {name: shown(str(value)) for name, value in said.items()}

        return Text(self.vi.format_map(safe("vi")), self.en.format_map(safe("en")))

    def bare(self, **details: str) -> Text:
        """The sentence with … for each detail, because details may quote the file, but for those that are given."""
        return Text(self.vi.format_map(_Dots(details)), self.en.format_map(_Dots(details)))


class _Dots(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "…"


@cache
def _wordings() -> dict[str, dict[str, str]]:
    """What comes with the project, and what the deployment words otherwise in a `wording.yaml` of its own."""
    made: dict[str, dict[str, str]] = {}
    for folder in dict.fromkeys((SHIPPED, EXPECTATIONS)):
        path = folder / "wording.yaml"
        for rule, said in (yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}).items():
            made[rule] = made.get(rule, {}) | said
    return made


def wording(rule: str) -> Wording:
    """The wording of a rule that the stations themselves apply."""
    return Wording(**_wordings()[rule])  # type: ignore[arg-type]


def bare(rule: str | None) -> Text | None:
    """What everybody may read of a rule that stopped a delivery: see `Wording.bare`; None if it has no wording here."""
    return wording(rule).bare() if rule in _wordings() else None


# Their sentences quote names of columns from the file; where it has no header, these are somebody's data.
_QUOTING = ("new_column", "renamed_column", "unclear_column")


def loggable(rule: str | None, message: Text) -> Text:
    """What may be shown to others than the sender, of a delivery that a rule stopped with this message."""
    return wording(rule).bare() if rule in _QUOTING else message
