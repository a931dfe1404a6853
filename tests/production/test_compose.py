"""docker-compose.yml without Docker: what it says is whole, safe, and known to Airflow."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from etl.settings import PROJECT
from tests.tools.hashes import PYTHON, REQUIREMENTS

TEXT = (PROJECT / "docker-compose.yml").read_text("utf-8")
COMPOSE = yaml.safe_load(TEXT)
SERVICES: dict[str, Any] = COMPOSE["services"]
IMAGE_EXTRAS = ("warehouse", "linkage", "s3", "production")
IN_IMAGE = {"python_version": PYTHON, "sys_platform": "linux"}
EACH = pytest.mark.parametrize("name", SERVICES)


def test_the_production_shape() -> None:
    assert set(SERVICES) == {
        *("postgres", "redis", "init"),
        *("api-server", "scheduler", "dag-processor", "triggerer", "worker"),
    }
    assert SERVICES["worker"]["environment"]["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"


def test_what_is_not_ours_is_what_was_tried() -> None:
    dockerfile = (PROJECT / "docker" / "Dockerfile").read_text("utf-8")
    images = {service["image"] for service in SERVICES.values()} - {"citydw"}  # which is built here
    for image in (*images, *re.findall(r"^FROM .*?(\S+)$", dockerfile, re.MULTILINE)):
        assert re.fullmatch(r"[a-z]+:[\w.-]+@sha256:[0-9a-f]{64}", image)
    assert "--no-deps --require-hashes -r docker/requirements.txt" in dockerfile
    hashed = re.findall(r"^(\S+)==(\S+) --hash=sha256:[0-9a-f]{64}$", REQUIREMENTS.read_text("utf-8"), re.MULTILINE)
    assert len(hashed) == sum(not line.startswith("#") for line in REQUIREMENTS.read_text("utf-8").splitlines())
    pinned = re.findall(r"^(\S+)==(\S+)$", (PROJECT / "constraints.txt").read_text("utf-8"), re.MULTILINE)
    assert set(hashed) <= {(canonicalize_name(name), version) for name, version in pinned}
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    for line in (*project["dependencies"], *(line for extra in IMAGE_EXTRAS for line in extras[extra])):
        needed = Requirement(line)
        if needed.name != "citydw" and (needed.marker is None or needed.marker.evaluate(IN_IMAGE)):
            assert canonicalize_name(needed.name) in dict(hashed), line


@EACH
def test_a_service_is_not_root_and_says_how_it_feels(name: str) -> None:
    service = SERVICES[name]
    assert str(service["user"]).split(":")[0] not in ("", "0", "root")
    assert name == "init" or service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
    assert "privileged" not in service


@EACH
def test_a_service_has_no_more_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"] and not service.get("cap_add")
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert all(place.split(":")[0] in ("/tmp", "/run", "/run/postgresql") for place in service["tmpfs"])
    assert service["mem_limit"] and service["pids_limit"]
    assert service["networks"]
    assert not any("docker.sock" in volume for volume in service["volumes"])


def test_a_start_makes_the_roles_of_those_who_decide() -> None:
    assert "python -m deciders" in SERVICES["init"]["command"][0].splitlines()
    assert (PROJECT / "dags" / "deciders.py").exists()


def test_networks_and_volumes_are_apart() -> None:
    on = {network: {n for n, s in SERVICES.items() if network in s["networks"]} for network in COMPOSE["networks"]}
    assert on == {
        "front": {"api-server"},
        "inner": {"api-server", "scheduler", "triggerer", "worker"},
        "database": {"postgres", "init", "api-server", "scheduler", "dag-processor", "triggerer", "worker"},
        "broker": {"redis", "scheduler", "worker"},
        "outside": {"worker"},
    }
    inside = {name for name, network in COMPOSE["networks"].items() if network and network["internal"]}
    assert inside == {"inner", "database", "broker"}
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["api-server"]
    writers = {"data": {"init", "triggerer", "worker"}, "home": {"init", "worker"}, "backups": {"init", "worker"}}
    for volume, wanted in writers.items():
        mounted = {n: [v for v in s["volumes"] if v.split(":")[0] == volume] for n, s in SERVICES.items()}
        assert {n for n, found in mounted.items() for v in found if not v.endswith(":ro")} == wanted, volume


def test_a_secret_is_known_only_where_it_is_needed() -> None:
    known: dict[str, set[str]] = {}
    for name, service in SERVICES.items():
        for value in service["environment"].values():
            for secret in re.findall(r"\$\{(\w+)", str(value)):
                known.setdefault(secret.removeprefix("CITYDW_"), set()).add(name)
    on_metadata = {"init", "api-server", "scheduler", "dag-processor", "triggerer"}
    assert known == {
        "POSTGRES_PASSWORD": {"postgres"},
        "OWNER_PASSWORD": {"postgres", "init", "triggerer", "worker"},
        "READER_PASSWORD": {"postgres", "worker"},
        "AIRFLOW_DATABASE_PASSWORD": {"postgres", *on_metadata},
        "FERNET_KEY": on_metadata,
        "REDIS_PASSWORD": {"redis", "scheduler", "worker"},
        "API_SECRET": {"api-server", "triggerer", "worker"},
        "JWT_SECRET": {"api-server", "scheduler"},
        "AIRFLOW_ADMIN_PASSWORD": {"init"},
        "URL": {"api-server"},
    }
    assert SERVICES["worker"]["environment"]["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].startswith("sqlite:")
    for service in SERVICES.values():  # anybody may list a program's arguments
        assert "${" not in json.dumps([service.get("command", ""), service.get("healthcheck", "")])
    assert "--password" not in TEXT and "--requirepass" not in TEXT


def test_behind_a_proxy_with_tls() -> None:
    server = SERVICES["api-server"]
    assert "--proxy-headers" in server["command"]
    assert server["environment"]["FORWARDED_ALLOW_IPS"] == "*"  # safe only while the port is this machine's own
    assert server["environment"]["AIRFLOW__FAB__COOKIE_SECURE"] == "True"
    assert server["environment"]["AIRFLOW__API__BASE_URL"].startswith("${CITYDW_URL")


def test_a_long_queue_and_a_killed_worker() -> None:
    settings = SERVICES["scheduler"]["environment"]
    assert int(settings["AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT"]) >= 4 * 3600
    assert int(settings["AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT"]) <= 60


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
        for key, value in service["environment"].items():
            assert not re.search("PASSWORD|SECRET|KEY|AUTH$", key) or value.startswith("${"), key


def test_airflow_knows_every_option() -> None:
    options = {key for s in SERVICES.values() for key in s["environment"] if key.startswith("AIRFLOW__")}
    ask = (
        "import json; from airflow.configuration import conf; "
        "print(json.dumps({s: list(d['options']) for s, d in conf.configuration_description.items()}))"
    )
    done = subprocess.run([sys.executable, "-c", ask], env=os.environ, capture_output=True, text=True, check=True)
    known = json.loads(done.stdout.splitlines()[-1])
    for option in options:
        _, section, key = option.lower().split("__")
        if section not in ("celery", "fab"):  # described by the providers, which only the image installs
            assert key in known[section], option


def test_the_image_holds_what_the_pipeline_reads() -> None:
    dockerfile = (PROJECT / "docker" / "Dockerfile").read_text("utf-8")
    sent = {line[1:] for line in (PROJECT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    copied = {word for line in re.findall(r"^COPY (.+) \S+$", dockerfile, re.MULTILINE) for word in line.split()}
    assert copied == sent
    assert all((PROJECT / name).exists() for name in copied)
    assert {"etl", "dags", "expectations", "sql"} <= copied
    assert re.search(r"^USER citydw$", dockerfile, re.MULTILINE)
    major = SERVICES["postgres"]["image"].partition("@")[0].removeprefix("postgres:")
    assert f" postgresql-client-{major} " in dockerfile and f"PATH=/usr/lib/postgresql/{major}/bin:" in dockerfile
    assert Path(COMPOSE["x-airflow"]["environment"]["AIRFLOW__CORE__DAGS_FOLDER"]).name == "dags"
