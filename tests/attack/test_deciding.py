"""Deciding survives a kill, says who decided, and makes nothing of what a sender or a decider typed but text."""

from __future__ import annotations

import json
import os
import pwd
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from typer.testing import CliRunner

from etl import cli
from etl.operate.hold import HeldDelivery, Undecidable, hold_page, plain
from etl.operate.reconcile import GRACE
from etl.pipeline.pipeline import Pipeline
from etl.warehouse import address
from etl.warehouse.decisions import unfinished
from tests import commands
from tests.city import audited
from tests.operate.test_reconcile import pass_time
from tests.promises.agency.test_held import NAME

pytest_plugins = ("tests.promises.agency.test_held",)  # its `held` and `doubtful`
ME = pwd.getpwuid(os.getuid()).pw_name

# `citydw`, killed as it is about to enter the nth station.
KILLED = """
import os, signal, sys
from etl.pipeline.pipeline import Pipeline
walked, at, run_station = [], int(sys.argv.pop(1)), Pipeline.run_station
def until(self, *args):
    if len(walked) == at:
        os.kill(os.getpid(), signal.SIGKILL)
    walked.append(args)
    return run_station(self, *args)
Pipeline.run_station = until
from etl.cli import main
main()
"""


def citydw(pipeline: Pipeline, *arguments: str, program: str = commands.CITYDW, **env: str) -> Any:
    settings = pipeline.settings
    given = {"CITYDW_HOME": str(settings.home), "CITYDW_DATABASE_URL": address.warehouse_url(settings)}
    return commands.run(*arguments, program=program, env={"PATH": "/usr/bin:/bin", **given, **env})


@pytest.mark.parametrize(
    ("choice", "station", "left"),
    [
        ("accept", 0, "extracted"),
        ("accept", 1, "validated"),
        ("accept", 2, "normalized"),
        ("accept", 3, "loaded"),
        ("reject", 0, "rejected"),
    ],
)
def test_a_decision_that_was_killed_is_listed_and_goes_on(
    pipeline: Pipeline, held: dict[str, Any], choice: str, station: int, left: str
) -> None:
    name = (held.dataset, held.delivery_id)
    command = ("decide", *name, choice, "--reason", "it is so", "--by", "Lan")
    killed = citydw(pipeline, str(station), *command, program=KILLED)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert pipeline.ledger.get(*name).state == left
    assert " ".join(command[:4]) in " ".join(citydw(pipeline, "held").stdout.split())
    pass_time(pipeline, GRACE)  # before, it may be just on its way
    audit = citydw(pipeline, "audit")
    assert audit.returncode == 1 and f"Lan ({ME}) decided {choice}" in " ".join(audit.stdout.split())
    other = citydw(pipeline, "decide", *name, "accept-passing", "--reason", "no, otherwise")
    if choice != "reject":  # what was rejected may be accepted after all
        assert other.returncode == 2 and "was decided already" in other.stderr
        assert citydw(pipeline, *command).returncode == 0
    entry = pipeline.ledger.get(*name)
    assert entry.state == "loaded" and (entry.rejected == 3) == (choice == "accept")
    assert unfinished(pipeline.ledger) == [] and audited(pipeline) == []
    with pipeline.engine.connect() as connection:
        decided = connection.exec_driver_sql("SELECT decided_by FROM ops.decision ORDER BY decision_id").scalars().all()
    assert decided == ([f"Lan ({ME})"] if choice == "accept" else [f"Lan ({ME})", ME])


def test_a_rejection_that_was_killed_is_told_to_the_agency(pipeline: Pipeline, held: dict[str, Any]) -> None:
    name = (held.dataset, held.delivery_id)
    command = ("decide", *name, "reject", "--reason", "the pages are upside down")
    citydw(pipeline, "0", *command, program=KILLED)
    receipt = Path(pipeline.storage.root) / "outbox" / "civil" / "births" / name[1] / "receipt.html"
    assert "upside down" not in receipt.read_text("utf-8")
    assert citydw(pipeline, *command).returncode == 0
    assert "upside down" in receipt.read_text("utf-8")
    assert citydw(pipeline, *command).returncode == 2, "now it is at its end"


def test_who_decides_is_the_account_whatever_the_environment_says(pipeline: Pipeline, held: dict[str, Any]) -> None:
    name = (held.dataset, held.delivery_id)
    listed = {"CITYDW_DECIDERS": "Lan, Minh", "LOGNAME": "director", "USER": "director"}
    for by in ((), ("--by", "Director")):
        refused = citydw(pipeline, "decide", *name, "reject", "--reason", "no", *by, **listed)
        assert refused.returncode == 2 and "Lan, Minh" in refused.stderr
    assert citydw(pipeline, "decide", *name, "reject", "--reason", "no", "--by", "Minh", **listed).returncode == 0
    assert f"Minh ({ME})" in pipeline.ledger.get(*name).message_en


@pytest.mark.parametrize("reason", ["", " \n", "a" * 501, "a\x00b", "a\x1b[31mb", "a\ud800b"])
def test_a_reason_that_no_receipt_can_show_is_refused_in_a_sentence(
    pipeline: Pipeline, held: dict[str, Any], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = (held.dataset, held.delivery_id)
    with pytest.raises(Undecidable, match="reason"):
        pipeline.decide(*name, "reject", "Lan", reason)
    monkeypatch.setattr(Pipeline, "from_environment", classmethod(lambda cls: pipeline))
    told = CliRunner().invoke(cli.app, ["decide", *name, "reject", "--reason", reason])
    assert told.exit_code == 2 and "reason" in told.output and not isinstance(told.exception, UnicodeError)
    assert pipeline.ledger.get(*name).state == "held"
    assert pipeline.decide(*name, "reject", "Lan", "a" * 500).state == "rejected"


HOSTILE = [
    "http://evil.example/a",
    "HTTPS://evil.example",
    "www.evil.example",
    "lan@evil.example",
    "mailto:lan@evil.example",
    "[here](http://evil.example)",
    "![x](http://evil.example/x.png)",
    "<http://evil.example>",
    "<img src=x onerror=alert(1)>",
    "&#104;ttp://evil.example",
    "&lt;b&gt;",
    "# heading",
    "1. list",
    "2) list",
    "- list",
    "+ list",
    "a | b",
    "`code`",
    "**bold** ~~gone~~",
]
# What Airflow's page (mdast-util-gfm-autolink-literal) makes a link of, in text whose escapes are resolved already.
AUTOLINKS = re.compile(r"https?://|www(?=\.)[-.\w]+|[-.\w+]+@[-\w]+(?:\.[-\w]+)+", re.IGNORECASE)


def as_markdown(page: str) -> list[Any]:
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(page)


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_sender_wrote_is_text_on_the_decision_page(text: str) -> None:
    start, inline, end = as_markdown(plain(text))
    assert (start.type, end.type) == ("paragraph_open", "paragraph_close")
    assert {token.type for token in inline.children} <= {"text", "text_special"}
    shown = "".join(token.content for token in inline.children)
    assert not AUTOLINKS.search(shown)
    assert shown.replace("\N{WORD JOINER}", "") == text


def test_the_decision_page_has_no_link(pipeline: Pipeline, send: Callable[..., Any], doubtful: bytes) -> None:
    inbox = Path(pipeline.storage.inbox) / "civil" / "births"
    inbox.mkdir(parents=True)
    words = "see http://evil.example www.evil.example [a](b) lan@evil.example"
    (inbox / f"{NAME}.manifest.json").write_text(json.dumps({words: 1}))
    entry = send(pipeline, "civil/births", NAME, doubtful)
    assert entry.state == "held" and "evil.example" in entry.message_en
    tokens = as_markdown(
        hold_page(pipeline.ledger, pipeline.storage, HeldDelivery(entry, pipeline.contracts[entry.dataset]))
    )
    leaves = [leaf for token in tokens for leaf in token.children or ()]
    assert not {leaf.type for leaf in leaves} & {"link_open", "image", "html_inline"}
    assert not AUTOLINKS.search(" ".join(leaf.content for leaf in leaves if leaf.type != "code_inline"))
