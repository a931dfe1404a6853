"""What a column means: an element of the city, a datatype, a list of codes; and how far it may be shown.

A meaning is taken by content, of which the column's datatype must understand nearly all. Where another content would
look the same, as any nine digits do, the column's name has to say so, too.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from etl import datatypes
from etl.contract import Column
from etl.contract.city import is_used
from etl.contract.codes import code_lists
from etl.contract.fields import Classification, SemanticType
from etl.draft.cells import matching, total
from etl.draft.naming import folded

ENOUGH = 0.95  # share of a column's cells that its meaning or type must understand
_SEVERAL = 3  # different values from which they prove something
_LOOKED_AT = 20_000  # different values, the most frequent ones, by which a meaning is told
_NAMED = {  # words of a column's folded name, Vietnamese or English, that go with a meaning
    "personal_id": r"dinh_danh|cccd|cmnd|giay_to|personal_?id|national_?id|identity|passport|ho_chieu|su_dung",
    "bhxh": r"bhxh|bao_hiem_xa_hoi|social",
    "icd10": r"icd|benh|chan_doan|nguyen_nhan|diagnos",
    "phone": r"dien_thoai|sdt|so_dt|phone|tel|mobile|fax|hotline",
    "person_name": r"ho_ten|ho_va_ten|(?:full|first|last|given|family)_?name|surname",
    "address": r"dia_chi|que_quan|noi_(?:o|cu|thuong)|tru_so|address|street",
    "money": r"tien|gia(?:_tri)?$|von|doanh_thu|chi_phi|thue|(?:^t|_t)_|amount|price|cost|fee|salary|capital|revenue",
}
_HEALTH = r"benh|chan_doan|diagnos|disease|health|suc_khoe|medical|symptom|dan_toc|ethnic|ton_giao|religio|race"
_OF_PERSONS: tuple[SemanticType, ...] = ("person_name", "personal_id", "bhxh", "bhyt", "phone", "address", "tax_code")
_TEXTS: tuple[SemanticType, ...] = (*_OF_PERSONS, "partial_date", "icd10", "code", "ward")
# Those that say so by content alone, the one that takes the least first.
_BY_CONTENT: tuple[SemanticType, ...] = ("bhyt", "icd10", "ward", "personal_id", "tax_code", "phone")
_SURNAME = (
    r"^(?i:nguyễn|trần|lê|phạm|hoàng|huỳnh|phan|vũ|võ|đặng|bùi|đỗ|hồ|ngô|dương|lý|đào|đoàn|trịnh|trương|đinh|lâm|mai)\s"
)
_SHAPE = r"^(?i:POINT|LINESTRING|POLYGON|MULTIPOINT|MULTILINESTRING|MULTIPOLYGON)\s*\("
_OF_DIGITS = r"^[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}$|^(?:[0-9]{1,2}/)?[0-9]{4}$|^[0-9]{8}(?:[0-9]{4})?$"
_FIRST = 200  # different values by which it is told whether to look at all
_DIGITS = 2  # by which numbers must be longer than other codes
_SEPARATORS = (";", "|")  # of several values in a cell
_HALF = 0.5
_SOME = 0.1


@dataclass(frozen=True)
class Meaning:
    """What a column means.

    Attributes:
        datatype: None: nothing more than its type says.
        element: an entry of `elements.yaml` that says it.
        code_list: of a code.
        separator: between several values in a cell.
        classification: how far it may be shown; None: as if it were sensitive, for nobody knows.
        role: in a file of changes.
        is_flagged: what is not understood is loaded as nothing.
        share: of the cells that are understood.
    """

    datatype: SemanticType | None = None
    element: str | None = None
    code_list: str | None = None
    separator: str | None = None
    classification: Classification | None = None
    role: str | None = None
    is_flagged: bool = False
    share: float = 1.0


def of_text(column: Column, values: pl.DataFrame, elements: Mapping[str, Mapping[str, Any]]) -> Meaning:
    """What a column of text means.

    Args:
        column: as far as it is known.
        values: `value` and `count`, without empty cells, the most frequent first.
        elements: of the city.
    """
    values = values.head(_LOOKED_AT)
    name = folded(column.source_name)
    if not values.height:
        return Meaning()
    if (found := of_element(column, values, elements, _TEXTS)) is not None:
        return found
    if matching(values["value"], _SHAPE) >= ENOUGH:
        return Meaning("geometry", classification=None)
    separators = [sign for sign in _SEPARATORS if values["value"].str.contains(sign, literal=True).any()]
    tried = [(sign, *_datatype(replace(column, separator=sign), values, name)) for sign in (None, *separators)]
    separator, datatype, share = max(tried, key=lambda found: found[2])
    if datatype is not None:
        return Meaning(datatype, separator=separator, classification=_class(datatype, name), share=share)
    if (listed := _code_list(values)) is not None:
        return Meaning("code", code_list=listed, classification=_class("code", name))
    return Meaning(classification=_class(None, name))


def partly_known(column: Column, values: pl.DataFrame) -> float:
    """The share of cells that are dates, if some are known to a month or year."""
    if matching(values["value"].head(_FIRST), _OF_DIGITS) < ENOUGH:
        return 0.0
    frame = pl.DataFrame([values["value"].alias(column.name)])
    made = datatypes.standardise(frame, replace(column, semantic_type="partial_date"))
    share = total(values.filter(made[column.name].is_not_null())) / max(total(values), 1)
    known = set(made[f"{column.name}_precision"].drop_nulls())
    return share if share >= ENOUGH and "D" in known and len(known) > 1 else 0.0


def of_number_named(source: str) -> Meaning:
    """What a column of whole numbers means, by its name."""
    return Meaning("money" if re.search(_NAMED["money"], folded(source)) else None)


def of_element(
    column: Column, values: pl.DataFrame, elements: Mapping[str, Mapping[str, Any]], kinds: Collection[str]
) -> Meaning | None:
    """The element that is called as the column is, and understands it."""
    name = folded(column.source_name)
    for element, said in elements.items():
        kind = said.get("datatype")
        words = [word for word in (said.get("businessName"), element) if word]
        if kind is None or kind not in kinds or not any(_is_called(name, word) for word in words):
            continue
        tried = replace(column, semantic_type=kind, code_list=said.get("codeList"), lookup=dict(said.get("lookup", {})))
        share = _share(tried, values)
        if share >= ENOUGH:
            return Meaning(
                kind,
                element,
                said.get("codeList"),
                classification=said.get("classification"),
                role=said.get("role"),
                is_flagged=said.get("onInvalid") == "flag",
                share=share,
            )
    return None


def _is_called(name: str, word: str) -> bool:
    """Whether a column is called so, perhaps with whose it is: `dan_toc`, `dan_toc_me`."""
    return set(folded(word).split("_")) <= set(name.split("_"))


def _datatype(column: Column, values: pl.DataFrame, name: str) -> tuple[SemanticType | None, float]:
    is_proof = values.height >= _SEVERAL or column.separator is not None
    for datatype in _BY_CONTENT:
        is_named = bool(re.search(_NAMED.get(datatype, "(?!)"), name))
        if is_used(datatype) and (is_proof or is_named) and _may_be(datatype, values, is_named):
            share = _share(replace(column, semantic_type=datatype), values)
            if share >= ENOUGH:
                return datatype, share
    for datatype in ("bhxh", "person_name", "address"):
        kind: SemanticType = datatype
        if not is_used(kind):
            continue
        is_named = bool(re.search(_NAMED[kind], name))
        if is_named if kind == "bhxh" else is_named or _reads_like(kind, values):
            share = _share(replace(column, semantic_type=kind), values)
            if share >= ENOUGH and (kind != "person_name" or _are_words(values)) and _is_long(kind, values):
                return kind, share
    return None, 0.0


def _may_be(datatype: SemanticType, values: pl.DataFrame, is_named: bool) -> bool:
    """Whether content that a datatype understands would be proof, for cells that merely look like it are many."""
    cells = values["value"]
    if datatype == "personal_id":  # any nine digits would do
        return is_named or matching(cells, r"^[0-9 ]{12,15}$") >= _HALF
    if datatype == "phone":
        return is_named or matching(cells, r"^(?:0|\+)") >= ENOUGH
    if datatype == "icd10":
        return is_named or matching(cells, r"^[A-Za-z][0-9]{2}\.[0-9]") >= _SOME
    return True


def _reads_like(datatype: SemanticType, values: pl.DataFrame) -> bool:
    cells = values["value"]
    if datatype == "person_name":
        return matching(cells, _SURNAME) >= _HALF
    return matching(cells, r"(?i)phường|\bxã |thị trấn|quận |huyện |đường ") >= _HALF


def _are_words(values: pl.DataFrame) -> bool:
    """Whether most cells are of several words, as names are, and codes are not."""
    return matching(values["value"], r"^\p{L}+\s+\p{L}") >= _HALF


def _is_long(datatype: SemanticType, values: pl.DataFrame) -> bool:
    """An address has a blank; a code of a place has none."""
    return datatype != "address" or matching(values["value"], r"\S\s+\S") >= _HALF


def _share(column: Column, values: pl.DataFrame) -> float:
    """The share of the cells that a column understands."""
    frame = pl.DataFrame([values["value"].alias(column.name)])
    plain = replace(column, period_column=None)
    if column.semantic_type == "ward":  # of any time; which one, a date says
        good = frame[column.name].is_in(datatypes.ward.units()["code"].implode())
    else:
        good = datatypes.understood(frame, plain)
    return total(values.filter(good)) / max(total(values), 1)


def _code_list(values: pl.DataFrame) -> str | None:
    """The only list that the values are of, where they are words or many: digits such as 1 to 3 are of many lists."""
    found = []
    for name, codes in code_lists().items():
        is_listed = values["value"].is_in([code.code for code in codes])
        if total(values.filter(is_listed)) >= ENOUGH * total(values):
            found.append((name, values["value"].filter(is_listed)))
    if len(found) != 1:
        return None
    ((name, known),) = found
    least = min(known.str.len_chars().to_list())
    if matching(known, "^[1-9][0-9]*$") == 1:  # they may count something
        least -= _DIGITS
    return name if len(known) >= _SEVERAL and least > 1 else None


def lists_of(codes: Collection[str]) -> list[str]:
    """The lists that have all of some codes; content alone does not tell which is meant."""
    return [name for name, listed in code_lists().items() if {code.code for code in listed} >= set(codes)]


def _class(datatype: SemanticType | None, name: str) -> Classification | None:
    if datatype in ("icd10", "bhyt") or re.search(_HEALTH, name):
        return "sensitive"
    return "basic" if datatype in _OF_PERSONS else None
