"""`python -m tests.tools.modules`: docs/reference/modules.md, made of what each module says of itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from etl.settings import PROJECT

PAGE = PROJECT / "docs" / "reference" / "modules.md"
_HEAD = """# Modules

What each module of `etl/` holds, in its own first words. `make docs` writes this page; a test fails where it is not so.
How the packages stand to each other is in the [architecture](../architecture.md).
"""


def page() -> str:
    """The page as it should be."""
    return _HEAD + "".join(_package(*found) for found in _packages())


def _packages() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Each package's name, and the names of its modules with what they hold; its own first."""
    folders = sorted(path.parent for path in (PROJECT / "etl").rglob("__init__.py"))
    for folder in folders:
        modules = [path for path in sorted(folder.glob("*.py")) if path.stem != "__init__"]
        said = [("", _holds(folder / "__init__.py")), *((path.stem, _holds(path)) for path in modules)]
        yield folder.relative_to(PROJECT).as_posix(), said


def _holds(path: Path) -> str:
    """The first paragraph of a module's docstring."""
    said = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return " ".join(said.partition("\n\n")[0].split())


def _package(name: str, modules: list[tuple[str, str]]) -> str:
    (_, own), *others = modules
    rows = "".join(f"| `{module}` | {said.replace('|', '&#124;')} |\n" for module, said in others)
    return f"\n## {name}/\n\n{own}\n" + (f"\n| Module | Holds |\n|---|---|\n{rows}" if rows else "")


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
