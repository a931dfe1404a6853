"""What the documents say is so: commands, settings, links, and the tutorial's outputs."""

from __future__ import annotations

import getpass
import re
import subprocess
import sys
from dataclasses import fields
from itertools import pairwise
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from demo import tutorial
from etl.settings import PROJECT, Limits
from tests import commands
from tests.tools import modules

PAGES = [*sorted((PROJECT / "docs").rglob("*.md")), *sorted(PROJECT.glob("*.md"))]


def test_the_reference_of_commands_is_what_the_commands_say() -> None:
    command = [sys.executable, "-m", "typer", "etl.cli", "utils", "docs", "--name", "citydw"]
    said = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    assert (PROJECT / "docs/reference/commands.md").read_text("utf-8").strip() == said.strip(), "run make docs"


def test_the_reference_of_modules_is_what_the_modules_say() -> None:
    assert modules.PAGE.read_text("utf-8") == modules.page(), "run make docs"


def test_every_setting_is_in_the_reference() -> None:
    named = set(re.findall(r"`(CITYDW_\w+)`", (PROJECT / "docs/reference/settings.md").read_text("utf-8")))
    read = {f"CITYDW_MAX_{limit.name.upper()}" for limit in fields(Limits)}
    read |= set(re.findall(r'"(CITYDW_\w+[A-Z])"', (PROJECT / "etl/settings.py").read_text("utf-8")))
    assert named == read


def anchors(page: Path) -> set[str]:
    """Of the headings, as the usual sites make them: small letters, blanks as hyphens, no other signs."""
    tokens = MarkdownIt().parse(page.read_text("utf-8"))
    headings = [after.content for before, after in pairwise(tokens) if before.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_links_lead_somewhere(page: Path) -> None:
    inline = [
        child
        for token in MarkdownIt("commonmark").enable("table").parse(page.read_text("utf-8"))
        for child in token.children or []
    ]
    targets = [str(child.attrs.get("href") or child.attrs.get("src") or "") for child in inline]
    for target in filter(None, targets):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        file, _, anchor = target.partition("#")
        linked = (page.parent / file).resolve() if file else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


def plain(text: str) -> str:
    """Without what differs from run to run: seconds, times of day, who decided, and the widths of tables."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "<time>", text)
    text = re.sub(r"\b\d+\.\d\b", "<seconds>", text)
    text = re.sub(rf"\((root|{re.escape(getpass.getuser())})\)", "(<person>)", text)
    return " ".join(re.sub(r"[\u2500-\u257f]+", " ", text).split())


@pytest.mark.slow
@pytest.mark.parametrize("path", tutorial.PAGES, ids=lambda path: path.name)
def test_a_page_that_teaches_shows_what_its_commands_print(path: Path) -> None:
    page = path.read_text("utf-8")
    assert plain(tutorial.play(page, commands.typed)) == plain(page), "run make docs"
