"""A folder of pages that remembers what each was made from, so that a page is made anew only when that has changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from upath import UPath

from etl.delivery.publish import read_json, write_json, write_text
from etl.settings import TEMPLATES

_MAKERS = ("*.py", "../receipt/*.py", "../rendering.py")  # beside the templates, what a page's look depends on


class Shelf:
    """Some pages of one folder, by their names in it.

    What is remembered is a page's source: any text that differs when the page would.
    """

    def __init__(self, folder: UPath, of: str = "") -> None:
        """Remember what was made; `of` tells these pages from others of the folder."""
        self.folder = folder
        self._memory = folder / f".made_from{'.' if of else ''}{of}.json"
        self._made_from: dict[str, str] = read_json(self._memory) if self._memory.exists() else {}
        self._is_changed = False

    def lacks(self, name: str, source: str) -> bool:
        """Whether a page must be made: it is not there, or was made from something else or by other code."""
        return self._made_from.get(name) not in (self._mark(source), self._mark(source, is_there=False))

    def holds(self, name: str) -> bool:
        """Whether there is a page of that name."""
        return not self._made_from.get(name, "-").startswith("-")

    def put(self, name: str, source: str, content: str | None) -> None:
        """Publish a page; None: from this source none can be made."""
        if content is not None:
            write_text(self.folder / name, content)
        self._made_from[name] = self._mark(source, is_there=content is not None)
        self._is_changed = True

    def close(self) -> None:
        """Remember what was made."""
        if self._is_changed:
            write_json(self._memory, self._made_from)

    def _mark(self, source: str, is_there: bool = True) -> str:
        digest = hashlib.sha256(f"{code()} {source}".encode()).hexdigest()[:16]
        return digest if is_there else f"-{digest}"


def digest(files: Iterable[Path]) -> str:
    """One short text for the content of files."""
    whole = hashlib.sha256()
    for file in files:
        whole.update(file.read_bytes())
    return whole.hexdigest()[:16]


@cache
def code() -> str:
    """One short text for what the look of all pages depends on."""
    here = Path(__file__).parent
    return digest(sorted([*TEMPLATES.iterdir(), *(file for maker in _MAKERS for file in here.glob(maker))]))
