"""What waits although nothing works on it: the ledger compared with the runs that Airflow has.

Airflow is told of a delivery by an event, and an event can be lost: of a DAG that is paused Airflow keeps none, a run
that failed for good is not started again, and beside a warehouse that was restored Airflow has no runs at all.

A task may count a DAG's runs, and not ask which delivery each is of. So as many deliveries are announced anew as runs
are missing. Should one of them have a run after all, it walks twice, which changes nothing, and the next look finds
what is still missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from etl.contract.city import city
from etl.delivery.entry import Waiting

GRACE = timedelta(minutes=5)  # from a file's arrival, or a decision, to its run in Airflow
AGAIN = timedelta(
    days=1
)  # what ended once without an end of the delivery is started again so seldom: a person must look


def without_run(waiting: Sequence[Waiting], runs: int, now: datetime) -> list[Waiting]:
    """The deliveries of a dataset that are to be announced anew.

    Args:
        waiting: all of the dataset, read after the runs were counted.
        runs: of its DAG that are queued or running, those that wait for a person included.
        now: the moment.

    Returns:
        As many as lack a run, those that came last first, for an event that was lost is a late one; none that was
        announced anew within a day.
    """
    old = [w for w in waiting if now - w.since >= GRACE]
    lacking = max(0, len(old) - runs)
    due = [w for w in old if w.found != "announced" or w.found_at is None or now - w.found_at >= AGAIN]
    return sorted(due, key=lambda w: (not w.is_held, w.since), reverse=True)[:lacking]


def overdue(waiting: Sequence[Waiting], now: datetime) -> list[tuple[Waiting, str]]:
    """The deliveries that should have come to their end by now, each with why it has not, in a sentence."""
    late = [w for w in waiting if not w.is_held and now - w.since >= GRACE]
    return [(w, _why(w)) for w in late]


def _why(waiting: Waiting) -> str:
    since = f"waits as `{waiting.state}` since {_moment(waiting.since)}"
    walk = f"`citydw walk {waiting.dataset} {waiting.delivery_id}`"
    if waiting.found_at is None or waiting.found_at < waiting.since:
        return (
            f"{since}: it stands in a queue, or nothing works on it; Airflow's DAG `reconcile` starts what has no run, "
            f"and {walk} goes on at once"
        )
    if waiting.found == "paused":
        return f"{since}: its DAG is paused in Airflow, seen at {_moment(waiting.found_at)}; unpaused, it starts soon"
    return (
        f"{since}: Airflow had no run of it and was told again at {_moment(waiting.found_at)}; if that one has failed, "
        f"its log says why, and {walk} goes on"
    )


def _moment(at: datetime) -> str:
    return f"{at.astimezone(city().zone):%Y-%m-%d %H:%M}"
