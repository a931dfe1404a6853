"""`python -m demo.pictures`: the README's pictures, of what `make demo` left: a receipt and the data catalogue.

Needs the system's Chromium and what the tests need (`make venv`).
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from etl.settings import PROJECT, Settings

PICTURES = {  # -> below the data root, the first file of that name; the height that is shown
    "receipt.png": ("outbox/police/residents/*/receipt.html", 1000),
    "site.png": ("site/police/residents/index.html", 1000),
}
_WIDTH = 1000


def take(data: Path, folder: Path) -> None:
    """Write the pictures.

    Args:
        data: a data root on this machine that has the simulated city's first day.
        folder: where the pictures go.

    Raises:
        SystemExit: a page or Chromium is missing.
    """
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        raise SystemExit("Chromium is missing: install it, as by apt install chromium")
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, (pattern, height) in PICTURES.items():
            page_file = next(iter(sorted(data.glob(pattern))), None)
            if page_file is None:
                raise SystemExit(f"{data / pattern} is missing: run make demo first")
            page = browser.new_page(viewport={"width": _WIDTH, "height": height})
            page.goto(page_file.as_uri())
            page.screenshot(path=folder / name)
        browser.close()


if __name__ == "__main__":
    take(Path(Settings.from_environment().data), PROJECT / "docs" / "pictures")
    sys.stdout.write("docs/pictures\n")
