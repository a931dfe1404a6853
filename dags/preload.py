"""What a process that tasks are forked from imports once, so that no task need: half of a small file's way was imports.

Nothing is worked out here but the contracts, which are read anew once they change: a thread pool that has begun to work
does not survive a fork. Code that has changed is seen when the process starts anew.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import walk_packages

import etl
from etl.contract import load_all

# Ours first: once Airflow has set up logging, Great Expectations writes hundreds of lines.
for module in walk_packages(etl.__path__, "etl."):
    import_module(module.name)
for name in ("airflow.sdk.execution_time.task_runner", "airflow.providers.standard.operators.hitl"):
    import_module(name)
load_all()
