"""What a process that tasks are forked from loads once, so that no task need: it was most of a small file's way.

Modules, contracts (which are read anew once they change), sentences and the receipt's template. Nothing is worked out,
for a thread pool that has begun to work does not survive a fork. Code that has changed is seen by a new process only.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import walk_packages

import etl
from etl.contract import load_all
from etl.delivery.messages import WRONG_CONTRACT, wording
from etl.receipt.page import template

# Ours first: once Airflow has set up logging, Great Expectations writes hundreds of lines.
for module in walk_packages(etl.__path__, "etl."):
    try:
        import_module(module.name)
    except ModuleNotFoundError as error:  # of an extra that is not installed here, as for an object store
        if (error.name or "etl").partition(".")[0] == "etl":
            raise
for name in (
    "airflow.dag_processing.bundles.local",
    "airflow.dag_processing.dagbag",
    "airflow.executors.local_executor",
    "airflow.providers.standard.decorators.python",
    "airflow.providers.standard.operators.hitl",
    "airflow.sdk.execution_time.task_runner",
):
    import_module(name)
load_all()
wording(WRONG_CONTRACT)  # with the first one all are read
template()
