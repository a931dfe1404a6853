"""Links in Airflow's menu to the pages for all, to what Great Expectations found and to the receipts.

Airflow's own web server serves them. The folders of receipts hold workbooks with rejected values, personal ones among
them: only who may see Airflow's plugins page (a right of administrators with Airflow's usual role manager) may see
these. The data catalogue holds nothing of the kind: whoever may open Airflow may read it.
"""

from __future__ import annotations

import html
from functools import cache
from typing import Any
from urllib.parse import quote

from airflow.plugins_manager import AirflowPlugin

from etl.settings import Settings

_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "png": "image/png", "svg": "image/svg+xml"}
_NOTHING_BUT_STYLE = "default-src 'none'; style-src 'unsafe-inline'"
_ITS_OWN = "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:"  # of the catalogue, receipts aside
_TEXTS = {"json": "application/json", "txt": "text/plain"}


async def reports(scope: Any, receive: Any, send: Any) -> None:
    """The pages as an ASGI application. Every Airflow process loads plugins; only the web server pays for this one."""
    await _application()(scope, receive, send)


@cache
def _application() -> Any:
    from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
    from airflow.api_fastapi.core_api.security import requires_access_view
    from fastapi import Depends, FastAPI, HTTPException
    from fastapi.responses import HTMLResponse, RedirectResponse, Response
    from upath import UPath

    from etl.storage import Storage

    settings = Settings.from_environment()
    catalogue = "catalogue"
    roots = {
        catalogue: Storage(settings.data).site,
        "quality": UPath(settings.gx_home) / "data_docs",
        "receipts": settings.data / "outbox",
    }
    app = FastAPI(openapi_url=None)

    # Not `async`: FastAPI runs these in its thread pool, so a slow disk does not stop the web server.
    @app.get(f"/{catalogue}/{{path:path}}", dependencies=[Depends(requires_access_view(AccessView.WEBSITE))])
    def for_all(path: str) -> Response:
        return page(catalogue, path)

    @app.get("/{site}/{path:path}", dependencies=[Depends(requires_access_view(AccessView.PLUGINS))])
    def page(site: str, path: str) -> Response:
        parts = [part for part in path.split("/") if part]
        if site not in roots or any(part.startswith(".") for part in parts):
            raise HTTPException(404)
        file = roots[site].joinpath(*parts)
        if file.is_dir():
            if path and not path.endswith("/"):
                return RedirectResponse(f"{quote(parts[-1])}/")
            if not (file / "index.html").exists():
                return HTMLResponse(_listing(site, parts, file))
            file = file / "index.html"
        if not file.is_file():
            if not parts:
                return HTMLResponse(_EMPTY)
            raise HTTPException(404)
        suffix = file.suffix.lower().removeprefix(".")
        # Nothing that a sender wrote is ever run: a receipt's page shows it as text, and may load or run nothing.
        is_receipt = file.name == "receipt.html"
        known = _TEXTS | (_TYPES if site != "receipts" or is_receipt else {})
        policy = _ITS_OWN if site == catalogue and not is_receipt else _NOTHING_BUT_STYLE
        headers = {} if site == "quality" else {"Content-Security-Policy": policy}
        media_type = known.get(suffix, "application/octet-stream")
        return Response(file.read_bytes(), media_type=media_type, headers=headers)

    return app


_EMPTY = "<!doctype html><meta charset=utf-8><p>Chưa có gì ở đây. / Nothing is here yet."


def _listing(site: str, parts: list[str], folder: Any) -> str:
    entries = sorted(folder.iterdir(), key=lambda entry: entry.name, reverse=len(parts) > 1)
    links = [
        f'<li><a href="{quote(entry.name)}{"/" if entry.is_dir() else ""}">{html.escape(entry.name)}</a>'
        for entry in entries
        if not entry.name.startswith(".")
    ]
    up = '<p><a href="../">↑</a>' if parts else ""
    title = html.escape("/".join([site, *parts]))
    return f"<!doctype html><meta charset=utf-8><title>{title}</title><h1>{title}</h1>{up}<ul>{''.join(links)}</ul>"


class ReportsPlugin(AirflowPlugin):
    """The pages and the menu's links to them."""

    name = "citydw_reports"
    fastapi_apps = [{"name": "reports", "app": reports, "url_prefix": "/reports"}]  # noqa: RUF012
    external_views = [  # noqa: RUF012
        {"name": "Data catalogue", "href": "/reports/catalogue/", "destination": "nav", "url_route": "catalogue"},
        {"name": "Data quality", "href": "/reports/quality/", "destination": "nav", "url_route": "quality"},
        {"name": "Receipts", "href": "/reports/receipts/", "destination": "nav", "url_route": "receipts"},
    ]
