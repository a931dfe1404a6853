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
from etl.settings import PROJECT

# Airflow's own application, with a user of each role; it answers what it is asked on standard input.
SERVE = """
import json, sys
from airflow.api_fastapi.app import create_app, get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.models import Log
from airflow.utils.session import create_session
from fastapi.testclient import TestClient
app = create_app("core")
manager = get_auth_manager()
client = TestClient(app, base_url="http://localhost", follow_redirects=False, raise_server_exceptions=False)
users = {}
def user_of(role):
    if role in users:
        return users[role]
    if hasattr(manager, "security_manager"):
        from airflow.providers.fab.www.app import create_app as create_flask_app
        flask = create_flask_app(enable_plugins=False)
        flask.app_context().push()
        security = flask.appbuilder.sm
        named = f"the {role}"
        users[role] = security.add_user(named, "Lan", "N", f"{role}@localhost", security.find_role(role), "secret")
    else:
        from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
        users[role] = SimpleAuthManagerUser(username=f"the {role}", role=role.lower())
    return users[role]
for line in sys.stdin:
    role, path = json.loads(line)
    headers, decides = {}, False
    if role:
        user = user_of(role)
        headers["Authorization"] = "Bearer " + manager.generate_jwt(user)
        decides = manager.is_authorized_dag(
            method="PUT", access_entity=DagAccessEntity.HITL_DETAIL, details=DagDetails(id="civil_births"), user=user
        )
    answer = client.get(path, headers=headers)
    with create_session() as session:
        opened = [[x.owner, x.dag_id, x.extra] for x in session.query(Log).filter(Log.event == "receipt_opened")]
    said = {"status": answer.status_code, "headers": dict(answer.headers), "opened": opened, "decides": decides}
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


Ask = Callable[[str, str], dict[str, Any]]


@pytest.fixture(scope="module")
def loaded(new_pipeline: Callable[..., Pipeline], clean_day: Path) -> Pipeline:
    pipeline = new_pipeline()
    for file in sorted(p for p in clean_day.rglob("*") if p.is_file()):
        received = pipeline.receive(UPath(file), file.parts[-3:-1])
        list(pipeline.walk(received.dataset, received.delivery_id))
    pipeline.index_data_docs()
    pipeline.refresh_marts()
    pipeline.build_site()
    return pipeline


@contextmanager
def airflow(pipeline: Pipeline, home: Path, **more: str) -> Iterator[Ask]:
    settings = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "dags" / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__API_AUTH__JWT_SECRET": "only for this test, and long enough for it",
        "CITYDW_HOME": str(pipeline.settings.home),
        "PYTHONPATH": os.pathsep.join([str(PROJECT), str(PROJECT / "dags"), str(PROJECT / "dags" / "plugins")]),
        **more,
    }
    migrated = subprocess.run(
        [sys.executable, "-m", "airflow", "db", "migrate"],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert migrated.returncode == 0, migrated.stderr[-2000:]
    with (home / "log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-c", SERVE],
            env=os.environ | settings,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert server.stdin and server.stdout

    def get(role: str, path: str) -> dict[str, Any]:
        assert server.stdin and server.stdout
        server.stdin.write(json.dumps([role, path]) + "\n")
        server.stdin.flush()
        for line in server.stdout:
            if line.startswith("ANSWER "):
                answer: dict[str, Any] = json.loads(line.removeprefix("ANSWER "))
                return answer
        raise AssertionError((home / "log").read_text()[-3000:])

    yield get
    server.stdin.close()
    server.wait(60)


@pytest.fixture(scope="module")
def ask(loaded: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    with airflow(loaded, tmp_path_factory.mktemp("airflow")) as get:
        yield get


def served(pipeline: Pipeline) -> dict[str, list[str]]:
    """Every file that is served, by site."""
    roots = {
        "catalogue": Path(pipeline.storage.site),
        "quality": pipeline.data_docs.parent,
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


def test_who_may_what_in_production(loaded: Pipeline, tmp_path: Path) -> None:
    """As docs/how-to/deploy.md says it, with the role manager of docker-compose.yml."""
    pytest.importorskip("airflow.providers.fab")
    manager = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
    text = (PROJECT / "docs" / "how-to" / "deploy.md").read_text("utf-8")
    wanted = {
        role: [may == "yes" for may in (catalogue, quality, receipts, decides)]
        for role, catalogue, quality, receipts, decides in re.findall(
            r"^\| (Public|Viewer|User|Op|Admin) \| (yes|no) \| (yes|no) \| (yes|no) \| (yes|no) \|", text, re.MULTILINE
        )
    }
    assert list(wanted) == ["Public", "Viewer", "User", "Op", "Admin"]
    with airflow(loaded, tmp_path, AIRFLOW__CORE__AUTH_MANAGER=manager) as get:
        for role, may in wanted.items():
            answers = [get(role, f"/reports/{site}/") for site in ("catalogue", "quality", "receipts")]
            assert [answer["status"] for answer in answers] == [200 if one else 403 for one in may[:3]], role
            assert answers[0]["decides"] == may[3], role
            for answer in answers:
                assert {name: answer["headers"].get(name) for name in EVERY} == EVERY, role


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
    page = next(loaded.data_docs.parent.glob("validations/civil/births/**/*.html"))
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
    assert tab.locator("table a").count() == len(list(loaded.data_docs.parent.glob("validations/**/*.html")))
    context.close()
