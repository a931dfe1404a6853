"""The task that brings a delivery from landing to its receipt: all stations, one behind the other, in one process."""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.utils.skipmixin import SkipMixin
from airflow.sdk import BaseOperator
from walk import walk

from etl.contract import Contract


class DeliverOperator(BaseOperator, SkipMixin):
    """Walks the run's delivery through all stations; a try after a fault, and a cleared task, begin anew.

    The stations allow that at any time, and a delivery that began ends before another takes its place.
    """

    inherits_from_skipmixin = True

    def __init__(self, *, contract: Contract, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dataset = contract.id

    def execute(self, context: Any) -> None:
        """Walk."""
        from etl.pipeline.pipeline import Pipeline

        walk(self, context, Pipeline.from_environment().walk(self.dataset, context["dag_run"].partition_key))
