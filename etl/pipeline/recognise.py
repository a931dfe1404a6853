"""Which dataset a file is of, by the names of columns in it; for a file that lies in no agency's folder.

Only the beginning of a file is looked at, and it is taken for what it is rather than for what a contract says: births
in an Excel file are births all the same, and what is wrong with the file is for the stations to say.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from etl.contract import Column, Contract, Text
from etl.delivery.correction import ours
from etl.delivery.messages import WRONG_CONTRACT, Stop, wording
from etl.delivery.model import Delivery
from etl.delivery.storage import Storage
from etl.extract import old_workbook, workbook
from etl.extract.archive import BROKEN
from etl.extract.bounded import read_blocks
from etl.settings import Limits

_HEAD = 1 << 18  # bytes of a text file that are looked at
_HEADER_WITHIN = 50  # lines or rows from the top in which the header must stand
_DELIMITERS = ",;\t|"
_ENOUGH = 0.5  # of a contract's required columns
_OLD_EXCEL, _ZIP, _GZIP = b"\xd0\xcf\x11\xe0", b"PK", b"\x1f\x8b"
_LONGEST_NAME = 1_000  # letters that are compared
_ELEMENT = re.compile(r"<([^\W\d][\w.-]*)")
_KEY = re.compile(r'"([^"\\]+)"\s*:')


def datasets(file: Path, contracts: Iterable[Contract], limits: Limits) -> list[Contract]:
    """The datasets that a file may be of; of one with several tables, that which it is sent as.

    Args:
        file: the file.
        contracts: all datasets.
        limits: what the file may ask of us.

    Returns:
        The one whose columns the file names best; several if it names them equally well; none if it names less than
        half of the required columns of any.
    """
    try:
        candidates = [{_plain(name) for name in names} for names in _names(file, limits)]
    except (Stop, csv.Error, *BROKEN):  # damaged: only its place says what it is
        return []
    known = {contract.id: contract for contract in contracts}
    scores: dict[str, float] = {}
    for contract in known.values():
        of_all = (other.columns for other in (contract, *contract.beside))
        score = max(_score(contract, columns, candidates) for columns in (contract.columns, tuple(chain(*of_all))))
        scores[contract.main] = max(score, scores.get(contract.main, 0))
    best = max(scores.values(), default=0)
    return [known[name] for name, score in scores.items() if score == best > 0 and name in known]


def add_right_folder(
    stop: Stop, storage: Storage, delivery: Delivery, contracts: Iterable[Contract], limits: Limits
) -> None:
    """Add to why a file is not understood where it would be, if its columns tell for certain.

    Args:
        stop: why; its sentence becomes longer.
        storage: the data root.
        delivery: the file, in landing.
        contracts: all datasets.
        limits: what the file may ask of us.
    """
    content = storage.content(delivery)
    if stop.rule == WRONG_CONTRACT or not isinstance(content, Path):
        return
    known = {contract.id: contract for contract in contracts}
    here = known[delivery.contract_id].main if delivery.contract_id in known else delivery.contract_id
    found = datasets(content, known.values(), limits)
    if len(found) != 1 or found[0].id == here:
        return
    (contract,) = found
    right = wording("of_another_dataset").fill(title=contract.title, folder=f"{contract.agency}/{contract.dataset}")
    stop.message = Text(f"{stop.message.vi} {right.vi}", f"{stop.message.en} {right.en}")


def _score(contract: Contract, columns: Iterable[Column], candidates: list[set[str]]) -> float:
    """How alike columns and those of a file are, if it has the contract's: the share of both among either, 0 to 1."""
    known = {_parts(c.source_name) for c in columns}
    required = [_parts(c.source_name) for c in contract.columns if c.required]
    own = {_plain(name) for name in ours()}
    best = 0.0
    for names in candidates:
        if sum(parts <= names for parts in required) >= _ENOUGH * len(required):
            named = sum(parts <= names for parts in known)
            best = max(best, named / (len(known) + len(names - own - set().union(*known))))
    return best


def _parts(source_name: str) -> frozenset[str]:
    """A column's name as it stands in a file; a dotted path is several names there, or one."""
    return frozenset(_plain(source_name).split("."))


def _names(file: Path, limits: Limits) -> Iterator[Iterable[str]]:
    """What may be names of columns: each line or row at the top, or all names of a file without a header."""
    with file.open("rb") as stream:
        head = stream.read(_HEAD)
    if head.startswith(_GZIP):
        with gzip.open(file) as stream:
            yield from _names_in_text(stream.read(_HEAD))
    elif _is_excel(file):
        yield from _rows(file, limits)
    elif head.startswith(_ZIP):
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist()[:1]:
                with archive.open(member) as stream:
                    yield from _names_in_text(stream.read(_HEAD))
    else:
        yield from _names_in_text(head)


def _is_excel(file: Path) -> bool:
    with file.open("rb") as stream:
        head = stream.read(len(_OLD_EXCEL))
    try:
        return head == _OLD_EXCEL or (head.startswith(_ZIP) and _is_workbook(file))
    except BROKEN:
        return False


def _is_workbook(file: Path) -> bool:
    with zipfile.ZipFile(file) as archive:
        return "xl/workbook.xml" in archive.namelist()


def _rows(file: Path, limits: Limits) -> Iterator[Iterable[str]]:
    from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum

    with file.open("rb") as stream:
        content = b"".join(read_blocks(stream, limits.at_once(), in_lines=False))
    (old_workbook if content.startswith(_OLD_EXCEL) else workbook).look_through(content, limits)
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(content))
        sheets = [sheet.name for sheet in book.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet]
        rows = [row for name in sheets for row in book.get_sheet_by_name(name).to_python(nrows=_HEADER_WITHIN)]
    except CalamineError:
        return
    for row in rows:
        yield [" ".join(str(cell).split()) for cell in row if str(cell).strip()]


def _names_in_text(head: bytes) -> Iterator[Iterable[str]]:
    text = _decoded(head).lstrip("\ufeff \t\r\n")
    if text.startswith("<"):
        yield set(_ELEMENT.findall(text))
    elif text.startswith(("{", "[")):
        yield {part for key in _KEY.findall(text) for part in key.split(".")}
    else:
        for line in text.splitlines()[:_HEADER_WITHIN]:
            for delimiter in _DELIMITERS:
                if delimiter in line:
                    yield [name.strip(" '`") for name in next(csv.reader([line], delimiter=delimiter))]


def _decoded(head: bytes) -> str:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return head.decode("utf-16", "replace")
    return head.decode("utf-8", "replace")  # in older encodings the names of columns are plain letters


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name[:_LONGEST_NAME])  # it takes the square of a run of marks
