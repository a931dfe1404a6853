"""Corrections that came: whether a workbook is one of ours that came back mended, and of which table its rows are."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass

from etl.contract import Contract
from etl.delivery.correction import Mark, find_mark, seal, sent_back
from etl.delivery.messages import Stop
from etl.delivery.model import Delivery
from etl.delivery.storage import Storage
from etl.warehouse.ledger import Ledger


@dataclass(frozen=True)
class Workbooks:
    """The workbooks of rejected rows that this installation has made.

    Attributes:
        storage: the data root.
        ledger: knows which deliveries are in their tables; only of these a workbook is taken back.
        key: the installation's secret, which sealed them.
    """

    storage: Storage
    ledger: Ledger
    key: bytes

    def unfounded(self, correction: Delivery, corrects: str) -> Stop | None:
        """Why a workbook is not taken for one of ours that came back mended; None if it is one."""
        if not self._is_in_table(correction.contract_id, corrects):
            return Stop("held", "correction_of_nothing", detail=corrects)
        if correction.word > 1:
            return Stop("held", "correction_used", detail=corrects)
        mark = find_mark(self.storage.content(correction))
        if mark is None or not self._is_sealed(mark, correction.contract_id):
            return Stop("held", "correction_forged", detail=corrects)
        return None

    def dataset_of(self, mark: Mark, dataset: str, beside: Iterable[Contract]) -> str:
        """The dataset whose rows a workbook holds: that where it lies, or one of those beside it in the same files."""
        return next((other.id for other in beside if self._is_sealed(mark, other.id)), dataset)

    def _is_sealed(self, mark: Mark, dataset: str) -> bool:
        """Whether a workbook is one of ours with rejected rows of a dataset."""
        if mark.seal is None or not self._is_in_table(dataset, mark.of):
            return False
        agency, _, name = dataset.partition(".")
        first = self.storage.delivery(agency, name, mark.of)
        ours = seal(self.key, first, mark.number, sent_back(self.storage, first))
        return hmac.compare_digest(mark.seal, ours)

    def _is_in_table(self, dataset: str, delivery_id: str) -> bool:
        entry = self.ledger.find(dataset, delivery_id)
        return entry is not None and entry.loaded_at is not None
