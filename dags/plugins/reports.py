"""Links in Airflow's menu to what Great Expectations found and to the receipts, served by Airflow's own web server.

Receipts hold rejected values, personal ones among them, so the pages are for whoever may see Airflow's plugins:
the same login guards them.
"""

from __future__ import annotations

import html
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from airflow.plugins_manager import AirflowPlugin
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from etl.settings import Settings
