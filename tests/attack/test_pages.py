"""What Airflow's web server shows of ours: to whom, under which headers, and loading nothing from anywhere else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from upath import UPath

from etl.pipeline.pipeline import Pipeline
from etl.pipeline.reception import receive
from etl.settings import PROJECT
from etl.site import build
from etl.validate import results
from etl.warehouse import address, marts

# Airflow's own application, with a user of each role; it answers what it is asked on standard input.
SERVE = """
import functools, json, sys
from airflow.api_fastapi.app import create_app, get_auth_manager
from airflow.models import Log
from airflow.utils.session import create_session
from fastapi.testclient import TestClient
app = create_app("core")
manager = get_auth_manager()
client = TestClient(app, base_url="http://localhost", follow_redirects=False, raise_server_exceptions=False)
users = {}
@functools.cache
def security_manager():
    from airflow.providers.fab.www.app import create_app as create_flask_app
    flask = create_flask_app(enable_plugins=False)
    flask.app_context().push()
    return flask.appbuilder.sm
def user_of(role):
    if role in users:
        return users[role]
    if hasattr(manager, "security_manager"):
        security = security_manager()
        named = f"the {role}"
        users[role] = security.add_user(named, "Lan", "N", f"{role}@localhost", security.find_role(role), "secret")
    else:
        from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
        users[role] = SimpleAuthManagerUser(username=f"the {role}", role=role.lower())
    return users[role]
for line in sys.stdin:
    role, path, method, body = json.loads(line)
    headers = {"Authorization": "Bearer " + manager.generate_jwt(user_of(role))} if role else {}
    answer = client.request(method, path, headers=headers, json=body)
    with create_session() as session:
        opened = [[x.owner, x.dag_id, x.extra] for x in session.query(Log).filter(Log.event == "receipt_opened")]
    said = {"status": answer.status_code, "headers": dict(answer.headers), "opened": opened, "body": answer.text}
    print("\\n" + "ANSWER " + json.dumps(said), flush=True)
"""
EVERY = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
OUTSIDE = re.compile(
    r"""(?:src|href|action|data|poster)\s*=\s*["']?\s*(?:\w+:)?//[^"'\s>]+|url\(\s*["']?\w*:?//""", re.I
)


Ask = Callable[..., dict[str, Any]]
FAB = {"AIRFLOW__CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"}


@pytest.fixture(scope="module")
def loaded(new_pipeline: Callable[..., Pipeline], clean_day: Path) -> Pipeline:
    pipeline = new_pipeline()
    for file in sorted(p for p in clean_day.rglob("*") if p.is_file()):
        received = receive(pipeline, UPath(file), file.parts[-3:-1])
        list(pipeline.walk(received.dataset, received.delivery_id))
    results.render(pipeline.contracts.values(), pipeline.settings.gx_home)
    marts.refresh(pipeline.engine)
    build(pipeline.storage, pipeline.contracts, pipeline.ledger)
    return pipeline


def environment(pipeline: Pipeline, home: Path) -> dict[str, str]:
    return os.environ | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "dags" / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__API_AUTH__JWT_SECRET": "only for this test, and long enough for it",
        "CITYDW_HOME": str(pipeline.settings.home),
        "CITYDW_DATABASE_URL": address.warehouse_url(pipeline.settings),
        "PYTHONPATH": os.pathsep.join([str(PROJECT), str(PROJECT / "dags"), str(PROJECT / "dags" / "plugins")]),
    }


@contextmanager
def airflow(settings: dict[str, str]) -> Iterator[Ask]:
    """Airflow's web server; its database is there."""
    home = Path(settings["AIRFLOW_HOME"])
    with (home / "log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-c", SERVE],
            env=settings,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert server.stdin and server.stdout

    def ask(role: str, path: str, method: str = "GET", body: Any = None) -> dict[str, Any]:
        assert server.stdin and server.stdout
        server.stdin.write(json.dumps([role, path, method, body]) + "\n")
        server.stdin.flush()
        for line in server.stdout:
            if line.startswith("ANSWER "):
                answer: dict[str, Any] = json.loads(line.removeprefix("ANSWER "))
                return answer
        raise AssertionError((home / "log").read_text()[-3000:])

    yield ask
    server.stdin.close()
    server.wait(60)


@pytest.fixture(scope="module")
def ask(
    loaded: Pipeline, airflow_database: Callable[..., None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ask]:
    settings = environment(loaded, tmp_path_factory.mktemp("airflow"))
    airflow_database(settings)
    with airflow(settings) as asked:
        yield asked


@pytest.fixture(scope="module")
def ask_production(
    loaded: Pipeline, airflow_database: Callable[..., None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ask]:
    """With the role manager of docker-compose.yml, and the roles that its `init` makes."""
    pytest.importorskip("airflow.providers.fab")
    settings = environment(loaded, tmp_path_factory.mktemp("production")) | FAB
    airflow_database(settings, "deciders")
    with airflow(settings) as asked:
        yield asked


def served(pipeline: Pipeline) -> dict[str, list[str]]:
    """Every file that is served, by site."""
    roots = {
        "catalogue": Path(pipeline.storage.site),
        "quality": pipeline.settings.data_docs.parent,
        "receipts": Path(pipeline.storage.root) / "outbox",
    }
    return {
        site: [str(f.relative_to(at)) for f in sorted(at.rglob("[!.]*")) if f.is_file()] for site, at in roots.items()
    }


def policy(answer: dict[str, Any]) -> dict[str, list[str]]:
    parts = (part.split() for part in answer["headers"]["content-security-policy"].split(";"))
    return {name: sources for name, *sources in parts}


def test_every_answer_has_every_header(loaded: Pipeline, ask: Ask) -> None:
    files = [
        f"/reports/{site}/{next(f for f in names if f.endswith(end))}"
        for site, names in served(loaded).items()
        for end in sorted({Path(name).suffix for name in names if not Path(name).name.startswith(".")})
    ]
    assert any(path.endswith(".xlsx") for path in files) and any(path.endswith(".js") for path in files)
    others = {
        "/reports/receipts/": 200,
        "/reports/receipts/civil": 307,
        "/reports/receipts/nothing": 404,
        "/reports/nothing/": 404,
        "/reports/nothing": 307,
        "/reports/receipts/" + "a" * 300: 404,
        "/reports/receipts/%00": 404,
        "/reports/quality/..%2f..%2fetc": 404,
    }
    for path, status in (dict.fromkeys(files, 200) | others).items():
        answer = ask("Admin", path)
        assert answer["status"] == status, path
        assert {name: answer["headers"].get(name) for name in EVERY} == EVERY, path
        said = policy(answer)
        assert said["default-src"] == said["base-uri"] == said["form-action"] == ["'none'"], path
        assert said["frame-ancestors"] == ["'self'"], path
        for name, sources in said.items():
            assert not any("." in source or "//" in source or "*" in source for source in sources), (path, name)
        assert "'unsafe-inline'" not in said.get("script-src", []), path
        is_catalogue = path.startswith("/reports/catalogue/")
        assert ("script-src" in said) == (is_catalogue and not path.endswith("receipt.html")), path
        is_download = path.endswith((".xlsx", ".json"))
        assert answer["headers"].get("content-disposition", "").startswith("attachment") == is_download, path


def test_nothing_is_shown_without_a_login(loaded: Pipeline, ask: Ask) -> None:
    for site, names in served(loaded).items():
        for path in ("", names[0]):
            answer = ask("", f"/reports/{site}/{path}")
            assert answer["status"] == 401
            assert {name: answer["headers"].get(name) for name in EVERY} == EVERY


def test_who_may_what_in_production(ask_production: Ask) -> None:
    """As docs/how-to/deploy.md says it, asked of Airflow's pages and of its API."""
    text = (PROJECT / "docs" / "how-to" / "deploy.md").read_text("utf-8")
    may = "(yes|no|its agency's)"
    row = rf"^\| (Public|Viewer|civil deciders|User|Op|Admin)\b[^|]* \| {may} \| {may} \| {may} \| {may} \|"
    wanted = {role: cells for role, *cells in re.findall(row, text, re.MULTILINE)}
    assert list(wanted) == ["Public", "Viewer", "civil deciders", "User", "Op", "Admin"]
    for role, cells in wanted.items():
        for agency, dataset in (("civil", "births"), ("tax", "taxpayers")):
            allowed = [cell == "yes" or (cell == "its agency's" and agency == "civil") for cell in cells]
            pages = [
                ask_production(role, f"/reports/{path}/")
                for path in ("catalogue", "quality", f"receipts/{agency}/{dataset}")
            ]
            assert [page["status"] for page in pages] == [200 if one else 403 for one in allowed[:3]], (role, agency)
            for page in pages:
                assert {name: page["headers"].get(name) for name in EVERY} == EVERY, role
            run = f"/api/v2/dags/{agency}_{dataset}/dagRuns/none/taskInstances/decide/-1/hitlDetails"
            decided = ask_production(role, run, "PATCH", {"chosen_options": ["Reject"]})
            assert decided["status"] == (404 if allowed[3] else 403), (role, agency)


@pytest.mark.parametrize("dag", ["civil_births", "tax_taxpayers"])
def test_a_decider_only_decides(ask_production: Ask, dag: str) -> None:
    at, is_own = f"/api/v2/dags/{dag}", dag == "civil_births"
    for method, path, body in (
        ("POST", "/dagRuns", {"logical_date": None}),
        ("POST", "/clearTaskInstances", {"dry_run": False}),
        ("PATCH", "/dagRuns/any", {"state": "failed"}),
        ("DELETE", "/dagRuns/any", None),
        ("DELETE", "", None),
        ("GET", "/dagRuns/any/taskInstances/deliver/xcomEntries", None),
    ):
        assert ask_production("civil deciders", at + path, method, body)["status"] == 403, (method, path)
    for method, path, body in (
        ("GET", "", None),
        ("GET", "/dagRuns/any", None),
        ("GET", "/dagRuns/any/taskInstances/deliver/logs/1", None),
        ("PATCH", "", {"is_paused": True}),  # holds files up, and loses none
    ):
        answer = ask_production("civil deciders", at + path, method, body)
        assert answer["status"] == (404 if is_own else 403), (method, path, "there is no such thing here")
    for path in ("connections", "variables", "pools", "config", "eventLogs", "assets/events", "plugins"):
        assert ask_production("civil deciders", f"/api/v2/{path}")["status"] == 403, path


def test_a_decider_opens_no_other_agencys_receipt_by_any_path(loaded: Pipeline, ask_production: Ask) -> None:
    receipts = [name for name in served(loaded)["receipts"] if name.endswith("receipt.html")]
    for name in receipts:
        status = 200 if name.startswith("civil/") else 403
        assert ask_production("civil deciders", f"/reports/receipts/{name}")["status"] == status, name
    assert ask_production("", f"/reports/receipts/{receipts[0]}")["status"] == 401
    other = next(name for name in receipts if name.startswith("tax/"))
    for way in (f"/{other}", f"civil/births/..%2f..%2f{other}", f"civil/births/%2e%2e/%2e%2e/{other}", f"./{other}"):
        assert ask_production("civil deciders", f"/reports/receipts/{way}")["status"] in (403, 404), way


def test_who_opened_rejected_rows_is_kept_without_what_is_in_them(loaded: Pipeline, ask: Ask) -> None:
    receipt = next(name for name in served(loaded)["receipts"] if name.endswith(".xlsx"))
    agency, dataset, *file = receipt.split("/")
    before = ask("", f"/reports/receipts/{receipt}")["opened"]
    after = ask("Op", f"/reports/receipts/{receipt}")["opened"]
    assert after == [*before, ["the Op", f"{agency}_{dataset}", json.dumps({"file": "/".join(file)})]]


def test_no_link_leads_out_of_the_outbox(loaded: Pipeline, ask: Ask, tmp_path: Path) -> None:
    folder = Path(loaded.storage.root) / "outbox" / "civil"
    secret = tmp_path / "secret.txt"
    secret.write_text("not for you")
    for name, target in (("file.txt", secret), ("folder", tmp_path)):
        (folder / name).symlink_to(target)
    try:
        for path in ("file.txt", "folder/", "folder/secret.txt"):
            assert ask("Admin", f"/reports/receipts/civil/{path}")["status"] == 404
    finally:
        for name in ("file.txt", "folder"):
            (folder / name).unlink()


def test_no_page_loads_or_names_anything_from_elsewhere(loaded: Pipeline) -> None:
    pages = [page for root in (loaded.storage.root, loaded.settings.gx_home) for page in Path(root).rglob("*.html")]
    pages += list(Path(loaded.storage.site).rglob("*.css"))
    assert {"receipt.html", "index.html", "site.css"} <= {page.name for page in pages}
    assert any("great_expectations" in page.parts and "validations" in page.parts for page in pages)
    for page in pages:
        text = page.read_text("utf-8")
        assert not OUTSIDE.findall(text), page
        if "data_docs" in page.parts:
            assert "<script" not in text and "onclick" not in text, page


def test_data_docs_are_whole_without_a_network(loaded: Pipeline, browser: Any) -> None:
    page = next(loaded.settings.data_docs.parent.glob("validations/civil/births/**/*.html"))
    context = browser.new_context(offline=True)
    tab = context.new_page()
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    failed: list[str] = []
    tab.on("requestfailed", lambda request: failed.append(request.url))
    tab.goto(page.as_uri())
    assert asked == [page.as_uri()] and failed == []
    assert tab.locator("table tr").count() > 10
    tick = tab.locator(".fa-check-circle").first
    assert tick.evaluate("e => getComputedStyle(e, '::before').content") == '"✓"'
    tab.get_by_role("link", name="Data quality").click()
    assert tab.locator("table a").count() == len(list(loaded.settings.data_docs.parent.glob("validations/**/*.html")))
    context.close()
