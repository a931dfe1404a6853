"""docker-compose.yml without Docker: each service in namespaces of its own, as the file says it.

A container here has its own root folder (read-only, as the file wants it), processes, host name and addresses: one in
each of its networks, and it knows by name only those who share one with it. It runs as the file's user, without
capabilities. What Docker alone can do is left out: limits of memory and processes, and building the image. Instead of
it each container sees this machine's `/usr`, the environment that the image's `pip install` makes, and the files that
the image copies.
"""

from __future__ import annotations

import os
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from base64 import urlsafe_b64encode
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import yaml

from etl.settings import PROJECT
from etl.warehouse import embedded

USERS = {"postgres": 999, "redis": 998, "citydw": 50000}  # as in the images
_DOCKERFILE = (PROJECT / "docker/Dockerfile").read_text("utf-8")
_PYTHON = Path(sys.base_prefix)
_VENV = Path(sys.prefix)
_HEALTHY_SECONDS = 600.0


class Failed(Exception):
    """A service or a command did not do what it must; the text says which and what it said."""


def postgres_programs() -> Path:
    """The folder of the newest PostgreSQL of this machine; the embedded one's if there is none."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: int(p.parts[-3]))
    return installed[-1].parent if installed else embedded.programs()


def copy_image(folder: Path) -> None:
    """Copy what the Dockerfile copies."""
    folder.mkdir()
    for line in re.findall(r"^COPY (.+) \S+$", _DOCKERFILE, re.MULTILINE):
        for name in line.split():
            source, target = PROJECT / name, folder / name
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, target)


class Container:
    """A service's process with what belongs to it; started again when it ends, if the file says so."""

    def __init__(self, stack: Stack, name: str, service: str, number: int, command: list[str] | None = None) -> None:
        self.stack = stack
        self.name = name
        self.service = stack.services[service]
        self.number = number
        self.command = command or self._command()
        self.is_wanted = False
        self.starts = 0
        self.environment = stack.environment(self.service) | {"HOSTNAME": name}
        self._process: subprocess.Popen[bytes] | None = None
        self.log = stack.work / "logs" / f"{stack.number}-{name}.log"
        self._netns = f"{stack.number}-{name}"

    def start(self) -> None:
        """Start it, and start it again whenever it ends, where the file says so."""
        if self.starts == 0:
            self.connect()
        self.is_wanted = self.service["restart"] == "unless-stopped"
        self.launch()

    def launch(self) -> None:
        """Start its process."""
        self.starts += 1
        script = self.stack.work / f"{self._netns}.sh"
        script.write_text(self._script())
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*("ip", "netns", "exec", self._netns), *_UNSHARE, "sh", "-eu", str(script), *self.command],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # as much of the machine as any other's, where that goes by sessions
            )

    def has_ended(self) -> bool:
        """Whether its process is gone."""
        return self._process is None or self._process.poll() is not None

    def wait(self, seconds: float) -> int:
        """Wait for its end; gives its exit code."""
        assert self._process is not None
        return self._process.wait(seconds)

    def kill(self) -> None:
        """As if the kernel had ended it: SIGKILL, and whatever it started goes with it."""
        self._first().kill()

    def stop(self) -> None:
        """What `docker compose stop` does: a signal, some time, and then the end."""
        self.is_wanted = False
        if self.has_ended():
            return
        self._first().send_signal(signal.SIGTERM)
        grace = 120 if self.service.get("stop_grace_period") == "2m" else 10
        try:
            self.wait(grace)
        except subprocess.TimeoutExpired:
            self.kill()
            self.wait(10)

    def run(self, *command: str, seconds: float = 300.0) -> subprocess.CompletedProcess[str]:
        """What `docker compose exec` does."""
        inside = ["nsenter", f"--target={self._first().pid}", "--mount", "--uts", "--pid", "--net", "--root"]
        limited = ["timeout", f"{seconds:.0f}"]
        return subprocess.run(
            [*inside, *self._as_user(), *limited, "sh", "-c", 'cd "$0"; exec "$@"', self._folder(), *command],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            start_new_session=True,
            check=False,
        )

    def must(self, *command: str) -> str:
        """The same; what it printed.

        Raises:
            Failed: if it ends otherwise than with 0.
        """
        done = self.run(*command)
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()[-1:]
            raise Failed(f"{self.name}: {shlex.join(command)[:80]}: exit code {done.returncode}: {said}")
        return done.stdout

    def wait_until_healthy(self) -> None:
        """Ask its own health check until it is content.

        Raises:
            Failed: if it never is.
        """
        kind, *test = self.service["healthcheck"]["test"]
        command = ["sh", "-c", _unescaped(test[0])] if kind == "CMD-SHELL" else test
        deadline = time.monotonic() + _HEALTHY_SECONDS
        while time.monotonic() < deadline:
            try:
                if self.run(*command, seconds=180).returncode == 0:
                    return
            except (psutil.Error, IndexError):
                pass  # it is about to start
            time.sleep(2)
        raise Failed(f"{self.name} is not healthy after {_HEALTHY_SECONDS:.0f} s; see {self.log.name}")

    def address(self, network: str) -> str:
        """Its address in a network."""
        return f"10.{self.stack.number}.{self.stack.networks.index(network)}.{self.number}"

    def _first(self) -> psutil.Process:
        """The first of its processes."""
        assert self._process is not None
        return psutil.Process(self._process.pid).children()[0]

    def _command(self) -> list[str]:
        said = self.service["command"]
        words = shlex.split(said) if isinstance(said, str) else said
        return [_unescaped(word) for word in [*self.service.get("entrypoint", []), *words]]

    def _folder(self) -> str:
        """Where a command begins: the image's working directory."""
        return "/data" if self.service["image"].startswith("redis") else "/opt/citydw"

    def _as_user(self) -> list[str]:
        user = str(self.service["user"]).split(":")[0]
        number = USERS.get(user, user)
        assert str(number) != "0"
        as_user = [f"--reuid={number}", f"--regid={number}", "--clear-groups"]
        return ["setpriv", *as_user, "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]

    def connect(self) -> None:
        """Give it an address in each of its networks."""
        _do("ip", "netns", "add", self._netns)
        _do("ip", "-n", self._netns, "link", "set", "lo", "up")
        for network in self.service["networks"]:
            at = self.stack.networks.index(network)
            outer, inner = f"o{self.stack.number}-{at}-{self.number}", f"eth{at}"
            _do("ip", "link", "add", outer, "type", "veth", "peer", "name", inner, "netns", self._netns)
            _do("ip", "link", "set", outer, "master", f"net{self.stack.number}-{at}", "up")
            _do("ip", "-n", self._netns, "address", "add", f"{self.address(network)}/24", "dev", inner)
            _do("ip", "-n", self._netns, "link", "set", inner, "up")

    def _hosts(self) -> str:
        lines = ["127.0.0.1 localhost"]
        for other in self.stack.containers.values():
            shared = [network for network in self.service["networks"] if network in other.service["networks"]]
            if shared:
                lines.append(f"{other.address(shared[0])} {other.name}")
        return "\n".join(lines)

    def _script(self) -> str:
        """What makes its root folder and then becomes its process."""
        root = self.stack.work / "roots" / self._netns
        root.mkdir(parents=True, exist_ok=True)
        users = "\n".join(f"{name}:x:{number}:{number}::/tmp:/bin/sh" for name, number in USERS.items())
        groups = "\n".join(f"{name}:x:{number}:" for name, number in USERS.items())
        lines = [
            f"R={shlex.quote(str(root))}",
            'mount -t tmpfs -o mode=755 root "$R"',
            'bound() { mkdir -p "$R$2"; mount --bind "$1" "$R$2"; mount -o "remount,bind,$3" "$R$2"; }',
            'file() { mkdir -p "$(dirname "$R$2")"; : > "$R$2"; mount --bind "$1" "$R$2"; }',
            "bound /usr /usr ro",
            'for link in bin sbin lib lib64; do ln -s "usr/$link" "$R/$link"; done',
            'mkdir "$R/etc" "$R/proc" "$R/dev" "$R/var"; ln -s ../run "$R/var/run"; mount --rbind /dev "$R/dev"',
            "for name in ssl alternatives; do bound /etc/$name /etc/$name ro; done",
            "file /etc/ld.so.cache /etc/ld.so.cache",
            f"printf '%s\\n' {shlex.quote(users)} > \"$R/etc/passwd\"",
            f"printf '%s\\n' {shlex.quote(groups)} > \"$R/etc/group\"",
            f"printf '%s\\n' {shlex.quote(self._hosts())} > \"$R/etc/hosts\"",
            "echo 'hosts: files' > \"$R/etc/nsswitch.conf\"",
            f"bound {shlex.quote(str(self.stack.image))} /opt/citydw ro",
        ]
        for place in self.service["tmpfs"]:
            folder, _, options = place.partition(":")
            lines += [f'mkdir -p "$R{folder}"', f'mount -t tmpfs -o "{options}" tmpfs "$R{folder}"']
        for volume in self.service["volumes"]:
            source, target, *mode = volume.split(":")
            if source.startswith("."):
                lines.append(f"file {shlex.quote(str(PROJECT / source))} {target}")
            else:
                lines.append(f"bound {shlex.quote(str(self.stack.volume(source, target)))} {target} {(*mode, 'rw')[0]}")
        for folder in (_PYTHON, _VENV):  # last, for they may lie in /tmp
            lines.append(f"bound {shlex.quote(str(folder))} {shlex.quote(str(folder))} ro")
        if self.service["read_only"]:
            lines.append('mount -o remount,ro "$R"')
        lines += [
            'mount -t proc proc "$R/proc"',
            f"hostname {self.name}",
            f'exec chroot "$R" {shlex.join(self._as_user())} sh -c \'cd "$0"; exec "$@"\' {self._folder()} "$@"',
        ]
        return "\n".join(lines) + "\n"


class Stack:
    """All services of the file, with networks, volumes and secrets of their own."""

    def __init__(self, work: Path, number: int, image: Path, changes: dict[str, str]) -> None:
        """Read the file; nothing is started.

        Args:
            work: an empty folder.
            number: of the stack on this machine, from 1.
            image: a folder with the image's files.
            changes: settings that are other than in the file.
        """
        compose = yaml.safe_load((PROJECT / "docker-compose.yml").read_text("utf-8"))
        self.services: dict[str, Any] = compose["services"]
        self.networks = list(compose["networks"])
        self.work = work
        self.number = number
        self.image = image
        self.changes = changes
        self.secrets = _Secrets()
        self.containers: dict[str, Container] = {}
        self._numbers = count(100)  # of containers that run once
        (work / "logs").mkdir(exist_ok=True)
        for at, _ in enumerate(self.networks):
            bridge = f"net{number}-{at}"
            _do("ip", "link", "add", bridge, "type", "bridge")
            _do("ip", "address", "add", f"10.{number}.{at}.254/24", "dev", bridge)
            _do("ip", "link", "set", bridge, "up")
        names = {"worker-1": "worker", "worker-2": "worker"}
        names |= {name: name for name in self.services if name not in ("init", "worker")}
        for at, (name, service) in enumerate(names.items(), 10):
            self.containers[name] = Container(self, name, service, at)
        threading.Thread(target=self._restart, daemon=True).start()

    def once(self, service: str, *command: str) -> tuple[int, str]:
        """What `docker compose run --rm --no-deps` does; without a command, what the file says.

        Returns:
            Its exit code, and what it printed.
        """
        number = next(self._numbers)
        container = Container(self, f"{service}-once-{number}", service, number, list(command) or None)
        container.connect()
        container.launch()
        return container.wait(900), container.log.read_text(errors="replace")

    def environment(self, service: dict[str, Any]) -> dict[str, str]:
        """A service's environment: the image's, and the file's with this stack's secrets filled in."""
        found = {
            "PATH": f"{_VENV}/bin:{postgres_programs()}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
        }
        if service["image"] == "citydw":
            # In the image the package is installed from /opt/citydw; here it must come from there all the same.
            (path,) = re.findall(r"\bPYTHONPATH=(\S+)", _DOCKERFILE)
            found |= {"PYTHONPATH": f"/opt/citydw:{path}", "PYTHONUNBUFFERED": "1"}
        if service["image"].startswith("postgres"):
            found["PGDATA"] = "/var/lib/postgresql/data"
        for name, value in service["environment"].items():
            found[name] = re.sub(r"\$\{(\w+)[^}]*\}", lambda match: self.secrets[match[1]], str(value))
        return found | {name: value for name, value in self.changes.items() if name in found}

    def volume(self, name: str, target: str) -> Path:
        """A volume's folder; a new one belongs to whom the image's folder belongs."""
        folder = self.work / "volumes" / f"{self.number}-{name}"
        if not folder.exists():
            folder.mkdir(parents=True)
            owner = USERS[{"/var/lib/postgresql/data": "postgres", "/data": "redis"}.get(target, "citydw")]
            os.chown(folder, owner, owner)
            folder.chmod(0o700)
        return folder

    def make_database(self) -> None:
        """What the image of PostgreSQL does with an empty volume."""
        script = (
            'printf %s "$POSTGRES_PASSWORD" > /tmp/password; '
            "initdb --username=postgres --pwfile=/tmp/password --auth-local=trust --auth-host=scram-sha-256 "
            "--encoding=UTF8 --locale=C.UTF-8; "
            'echo "listen_addresses = \'*\'" >> "$PGDATA/postgresql.conf"; '
            'echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"; '
            "pg_ctl -w -o \"-c listen_addresses=''\" start; "
            "psql --username=postgres --file=/docker-entrypoint-initdb.d/roles.sql; pg_ctl -m fast -w stop"
        )
        code, said = self.once("postgres", "sh", "-euc", script)
        if code:
            raise Failed(f"PostgreSQL's volume could not be made: {said[-500:]}")

    def stop(self) -> None:
        """Stop all services, the databases last."""
        for name in reversed(list(self.containers)):
            self.containers[name].is_wanted = False
        for name in sorted(self.containers, key=lambda name: name in ("postgres", "redis")):
            self.containers[name].stop()

    def _restart(self) -> None:
        while True:
            for container in self.containers.values():
                if container.is_wanted and container.has_ended():
                    container.launch()
            time.sleep(0.5)


class _Secrets(dict[str, str]):
    """One for each name that is asked for."""

    def __missing__(self, name: str) -> str:
        key = name.endswith("FERNET_KEY")
        made = urlsafe_b64encode(secrets.token_bytes(32)).decode() if key else secrets.token_hex(32)
        self[name] = "https://data.example.vn" if name == "CITYDW_URL" else made
        return self[name]


_UNSHARE = ("unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child")


def _unescaped(word: str) -> str:
    """As Docker gives it to the program."""
    return word.replace("$$", "$")


def _do(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
