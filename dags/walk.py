"""A delivery's way through the stations, as one task walks it; the task's log and XCom show each station."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.utils.skipmixin import SkipMixin

if TYPE_CHECKING:
    from etl.pipeline.pipeline import Outcome, Station


def walk(task: SkipMixin, context: Any, stations: Iterator[tuple[Station, Outcome]]) -> Outcome:
    """Walk the run's delivery through its stations to its end, and let only those tasks follow that it still needs.

    Behind one that is loaded none is needed. One that is held must be decided; any other ends in the task `verdict`.
    """
    from etl.contract.city import told
    from etl.delivery.messages import loggable

    seconds = {}
    began = time.perf_counter()
    for station, outcome in stations:
        seconds[station] = round(time.perf_counter() - began, 3)
        print(f"{station}: {outcome.state} in {seconds[station]} s {outcome.counts or ''}")
        began = time.perf_counter()
    if outcome.message:
        said = loggable(outcome.rule, outcome.message)
        print(told(said))
    context["ti"].xcom_push("seconds", seconds)
    if outcome.state != "loaded":
        context["task"].outlets.clear()  # no event says that the table has changed
    needed = {"loaded": (), "held": ("decide", "verdict")}.get(outcome.state, ("verdict",))
    behind = context["task"].get_direct_relatives(upstream=False)
    task.skip(ti=context["ti"], tasks=[other for other in behind if other.task_id not in needed])
    return outcome
