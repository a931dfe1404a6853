"""docker-compose.yml without Docker: what it says is whole, safe, and known to Airflow."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from etl.settings import PROJECT

TEXT = (PROJECT / "docker-compose.yml").read_text("utf-8")
COMPOSE = yaml.safe_load(TEXT)
SERVICES: dict[str, Any] = COMPOSE["services"]
EACH = pytest.mark.parametrize("name", SERVICES)


def test_the_production_shape() -> None:
    assert set(SERVICES) == {
        *("postgres", "redis", "init"),
        *("api-server", "scheduler", "dag-processor", "triggerer", "worker"),
    }
    assert SERVICES["worker"]["environment"]["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"


@EACH
def test_a_service_is_not_root_and_says_how_it_feels(name: str) -> None:
    service = SERVICES[name]
    assert str(service["user"]).split(":")[0] not in ("", "0", "root")
    assert name == "init" or service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
    assert "privileged" not in service


@EACH
def test_what_a_service_names_exists(name: str) -> None:
    service = SERVICES[name]
    for needed, how in service.get("depends_on", {}).items():
        assert needed in SERVICES
        assert how["condition"] != "service_healthy" or "healthcheck" in SERVICES[needed]
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        assert source in COMPOSE["volumes"] or (PROJECT / source).exists()
    for port in service.get("ports", []):
        assert port.startswith("127.0.0.1:")


def test_every_secret_comes_from_the_environment_and_is_asked_for() -> None:
    asked = set(re.findall(r"\$\{(\w+):\?[^}]+\}", TEXT))
    assert asked == set(re.findall(r"\$\{(\w+)", TEXT)), "one without a sentence for who forgot it"
    offered = re.findall(r"^(\w+)=(.*)$", (PROJECT / ".env.example").read_text("utf-8"), re.MULTILINE)
    assert {name for name, _ in offered} == asked
    assert {value for _, value in offered} == {""}
    for service in SERVICES.values():
        for key, value in service.get("environment", {}).items():
            assert not re.search("PASSWORD|SECRET|KEY|AUTH$", key) or value.startswith("${"), key


def test_airflow_knows_every_option() -> None:
    options = [key for key in SERVICES["worker"]["environment"] if key.startswith("AIRFLOW__")]
    ask = (
        "import json; from airflow.configuration import conf; "
        "print(json.dumps({s: list(d['options']) for s, d in conf.configuration_description.items()}))"
    )
    done = subprocess.run([sys.executable, "-c", ask], env=os.environ, capture_output=True, text=True, check=True)
    known = json.loads(done.stdout.splitlines()[-1])
    for option in options:
        _, section, key = option.lower().split("__")
        if section != "celery":  # described by the provider, which only the image installs
            assert key in known[section], option


def test_the_image_holds_what_the_pipeline_reads() -> None:
    dockerfile = (PROJECT / "docker" / "Dockerfile").read_text("utf-8")
    sent = {line[1:] for line in (PROJECT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    copied = {word for line in re.findall(r"^COPY (.+) \S+$", dockerfile, re.MULTILINE) for word in line.split()}
    assert copied == sent
    assert all((PROJECT / name).exists() for name in copied)
    assert {"etl", "dags", "expectations", "sql"} <= copied
    assert re.search(r"^USER citydw$", dockerfile, re.MULTILINE)
    assert Path(COMPOSE["x-airflow"]["environment"]["AIRFLOW__CORE__DAGS_FOLDER"]).name == "dags"
