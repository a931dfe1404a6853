"""The list of all validations, in place of Great Expectations' own index, which needs the public network to show."""

from __future__ import annotations

import html
from pathlib import Path

from upath import UPath

from etl.settings import EXPECTATIONS
from etl.storage import publish

_STYLE = EXPECTATIONS / "plugins/custom_data_docs/styles/data_docs_custom_styles.css"


def write_index(data_docs: Path) -> None:
    """Write `index.html` for the pages that are there."""
    rows = []
    for page in sorted(data_docs.glob("validations/*/*/*/*/*.html"), reverse=True):
        agency, dataset, delivery = page.parts[-5:-2]
        link = html.escape(page.relative_to(data_docs).as_posix())
        rows.append(f'<tr><td>{agency}.{dataset}</td><td><a href="{link}">{delivery}</a></td></tr>')
    with publish(UPath(data_docs / "index.html")) as aside:
        aside.write_text(
            f"<!doctype html><meta charset=utf-8><title>Data quality</title><style>{_STYLE.read_text('utf-8')}</style>"
            "<h1>Chất lượng dữ liệu / Data quality</h1><table><tr><th>Bộ dữ liệu / Dataset</th>"
            f"<th>Lần giao / Delivery</th></tr>{''.join(rows)}</table>",
            encoding="utf-8",
        )
