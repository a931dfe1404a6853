"""What a deployment declares of linkage in `linkage.yaml`: where datasets tell who somebody is, and how to compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Strict, ValidationError, model_validator

from etl.contract import ContractError, Contracts, yaml_text
from etl.contract.messages import sentences
from etl.linkage import levels
from etl.linkage.levels import Kind, columns
from etl.settings import EXPECTATIONS
from etl.warehouse.tables import content_columns

NAME, BIRTH = "name", "birth"
FORMER = "former_id"  # an older number of the same kind as the first identifier
_TEXTS = ("sex", "ward", "address", "phone", "mother", "household")
FIELDS = ("personal_id", FORMER, "insurance_no", "card", NAME, BIRTH, *_TEXTS)
Field = Literal[
    "personal_id", "former_id", "insurance_no", "card", "name", "birth", "sex", "ward", "address", "phone", "mother",
    "household",
]  # fmt: skip


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Source(_Said):
    """The persons of one role in the records of a dataset.

    Attributes:
        dataset: agency.dataset.
        role: which person of several that a record names; empty if it names one.
        columns: the warehouse's column of each field that the dataset has; a name at least.
        is_register: whether a record is there because the person is, as in the register of residents.
        is_once: whether a person has one record as a rule, so that two of them are hardly of one person.
    """

    dataset: str
    role: str = ""
    columns: dict[Field, str]
    is_register: bool = False
    is_once: bool = False

    @model_validator(mode="after")
    def _names_somebody(self) -> Source:
        if NAME not in self.columns:
            raise ValueError("must say in `columns` which column holds the name")
        return self


def _shares(said: float) -> float:
    if not 0.5 <= said < 1:
        raise ValueError(f"is {said}, and must be a probability from 0.5 on and below 1")
    return said


Probability = Annotated[float, AfterValidator(_shares)]


class Linkage(_Said):
    """All that is declared.

    Attributes:
        sources: in the order in which they are believed, the best first.
        identifiers: numbers that are one person's for life, the best first.
        comparisons: fields, each with its kind of value (see `etl.linkage.levels`).
        blocks: fields or forms of fields; two records that agree in all of one block are compared.
        link: least probability of a link that nobody looks at.
        review: least probability of what a person must decide.
    """

    sources: Annotated[tuple[Source, ...], Strict(False)]
    identifiers: Annotated[tuple[Literal["personal_id", "insurance_no", "card"], ...], Strict(False)]
    comparisons: dict[Field, Kind]
    blocks: Annotated[tuple[Annotated[tuple[str, ...], Strict(False)], ...], Strict(False)]
    link: Probability
    review: Probability

    @model_validator(mode="after")
    def _fits(self) -> Linkage:
        if "address" in self.comparisons.values() and levels.WARD not in self.comparisons:
            raise ValueError("comparisons: what is of kind address needs the ward; compare it too, or write near")
        known = [form for field, kind in self.comparisons.items() for form in (field, *columns(field, kind))]
        for form in (form for block in self.blocks for form in block):
            if form not in known:
                raise ValueError(f"blocks: {form!r} is none of {', '.join(known)}")
        if self.comparisons.get("name") != "name" or self.comparisons.get("birth") != "birth":
            raise ValueError("comparisons: name must be of kind name, and birth of kind birth")
        return self


def read(contracts: Contracts, path: Path = EXPECTATIONS / "linkage.yaml") -> Linkage:
    """What is declared.

    Args:
        contracts: of the deployment; a source whose contract is not among them is left out.
        path: of the file.

    Raises:
        ContractError: if it cannot be used; the text says where and why.
    """
    try:
        linkage = Linkage.model_validate(yaml_text.parse(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise ContractError(path, "there is no such file; it says which columns tell who a person is") from None
    except ValidationError as error:
        raise ContractError(path, *sentences(error, Linkage)) from None
    for source in linkage.sources:
        if source.dataset in contracts:
            known = content_columns(contracts[source.dataset])
            for column in source.columns.values():
                if column not in known:
                    raise ContractError(path, f"{source.dataset} has no column {column!r}, only {', '.join(known)}")
    return linkage.model_copy(update={"sources": tuple(s for s in linkage.sources if s.dataset in contracts)})
