"""Links in Airflow's menu to the pages for all, to what Great Expectations found and to the receipts.

Airflow's own web server serves them. The folders of receipts hold workbooks with rejected values, personal ones among
them: only who may see Airflow's plugins page (Op and Admin, with Airflow's usual role manager) may see these, and an
agency's deciders those of the datasets that they decide on; Airflow's audit log keeps who opened which. The data
catalogue holds nothing of the kind: whoever may open Airflow may read it.

These pages share their origin with Airflow itself: what runs in one of them may do what its reader may do there. So
nothing is run that is not ours, and nothing is loaded from elsewhere; see `_ALWAYS`.
"""

from __future__ import annotations

import html
import json
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from airflow.plugins_manager import AirflowPlugin

from etl.settings import Settings

RECEIPTS = "Receipts"  # what a role must be allowed to read beside deciding; see `deciders`
_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "png": "image/png", "svg": "image/svg+xml"}
_TEXTS = {"json": "application/json", "txt": "text/plain"}
# Airflow's menu shows these pages in a frame of its own, and nobody else may.
_ALL = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; img-src data:"
_NOTHING_BUT_STYLE = f"{_ALL}; style-src 'unsafe-inline'"
_ITS_OWN = f"{_ALL}; style-src 'self'; script-src 'self'"  # of the catalogue, receipts aside
# On every answer, errors and redirects included; an answer's own word on one of them counts more.
_ALWAYS = {
    "content-security-policy": _NOTHING_BUT_STYLE,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


async def reports(scope: Any, receive: Any, send: Any) -> None:
    """The pages as an ASGI application. Every Airflow process loads plugins; only the web server pays for this one."""

    async def with_headers(message: Any) -> None:
        if message["type"] == "http.response.start":
            own = {name.lower() for name, _ in message["headers"]}
            added = [(name.encode(), text.encode()) for name, text in _ALWAYS.items() if name.encode() not in own]
            message = message | {"headers": [*message["headers"], *added]}
        await send(message)

    await _application()(scope, receive, with_headers)


@cache
def _application() -> Any:
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.models.resource_details import AccessView, DagAccessEntity, DagDetails
    from airflow.api_fastapi.core_api.security import get_user, requires_access_view
    from fastapi import Depends, FastAPI, HTTPException
    from fastapi.responses import HTMLResponse, RedirectResponse, Response
    from upath import UPath

    from etl.delivery.storage import Storage

    settings = Settings.from_environment()
    catalogue, receipts = "catalogue", "receipts"
    roots = {
        catalogue: Storage(settings.data).site,
        "quality": UPath(settings.gx_home) / "data_docs",
        receipts: settings.data / "outbox",
    }
    app = FastAPI(openapi_url=None)

    def may_open_receipts(path: str, user: Any = Depends(get_user)) -> None:  # noqa: B008
        manager = get_auth_manager()
        if manager.is_authorized_view(access_view=AccessView.PLUGINS, user=user):
            return
        # Above the datasets' folders are names of agencies and datasets only: for whoever decides on any of them.
        named = _parts(path)[:2]
        dag = DagDetails(id="_".join(named) if len(named) == 2 else None)
        opens = manager.is_authorized_custom_view(method="GET", resource_name=RECEIPTS, user=user)
        entity = DagAccessEntity.HITL_DETAIL
        if not (opens and manager.is_authorized_dag(method="PUT", access_entity=entity, details=dag, user=user)):
            raise HTTPException(403, "Forbidden")

    # Not `async`: FastAPI runs these in its thread pool, so a slow disk does not stop the web server.
    @app.get(f"/{catalogue}/{{path:path}}", dependencies=[Depends(requires_access_view(AccessView.WEBSITE))])
    def for_all(path: str, user: Any = Depends(get_user)) -> Response:  # noqa: B008
        return page(catalogue, path, user)

    @app.get(f"/{receipts}/{{path:path}}", dependencies=[Depends(may_open_receipts)])
    def for_deciders(path: str, user: Any = Depends(get_user)) -> Response:  # noqa: B008
        return page(receipts, path, user)

    @app.get("/{site}/{path:path}", dependencies=[Depends(requires_access_view(AccessView.PLUGINS))])
    def page(site: str, path: str, user: Any = Depends(get_user)) -> Response:  # noqa: B008
        parts = _parts(path)
        if site not in roots or any(part.startswith(".") for part in parts):
            raise HTTPException(404)
        file = roots[site].joinpath(*parts)
        try:
            return answer(site, path, parts, file, user)
        except (OSError, ValueError):  # a name that is none, as one of 300 letters or with a NUL
            raise HTTPException(404) from None

    def answer(site: str, path: str, parts: list[str], file: Any, user: Any) -> Response:
        if _leads_away(file, roots[site]):
            raise HTTPException(404)
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
        shown = _TYPES if site != receipts or is_receipt else {}
        headers = {"Content-Security-Policy": _ITS_OWN if site == catalogue and not is_receipt else _NOTHING_BUT_STYLE}
        if suffix not in shown:
            headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(file.name)}"
        content = file.read_bytes()
        if site == receipts:
            _record(user.get_name(), "/".join(parts))
        return Response(content, media_type=(shown | _TEXTS).get(suffix, "application/octet-stream"), headers=headers)

    return app


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def _leads_away(file: Any, root: Any) -> bool:
    """Whether a link on the way to a file leads out of its root; only local folders have links."""
    return isinstance(file, Path) and not file.resolve().is_relative_to(root.resolve())


def _record(user: str, path: str) -> None:
    """Keep in Airflow's audit log (Browse, Audit Log) who opened which file of which delivery, and nothing of it."""
    from airflow.models import Log
    from airflow.utils.session import create_session

    agency, dataset, *file = path.split("/")
    with create_session() as session:
        extra = json.dumps({"file": "/".join(file)})
        session.add(Log(event="receipt_opened", owner=user, extra=extra, dag_id=f"{agency}_{dataset}"))


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
