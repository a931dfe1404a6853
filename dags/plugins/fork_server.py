"""Starts the process from which tasks are forked together with the scheduler, and not with its first task.

Python starts it when it is first needed, and waits while it imports (see `preload`): seconds in which the scheduler
would do nothing else, and on a busy machine so many that it would take its own first task for that of a dead scheduler.
"""

from __future__ import annotations

import multiprocessing
from multiprocessing.forkserver import ensure_running
from typing import Any

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin


class ForkServer:
    """What Airflow calls when one of its processes starts."""

    @hookimpl
    def on_starting(self, component: Any) -> None:
        """Start it in the scheduler, unless its workers are made in another way."""
        is_scheduler = getattr(component, "job_type", None) == "SchedulerJob"
        if is_scheduler and multiprocessing.get_start_method(allow_none=True) == "forkserver":
            ensure_running()


class ForkServerPlugin(AirflowPlugin):
    """The listener."""

    name = "citydw_fork_server"
    listeners = [ForkServer()]  # noqa: RUF012
