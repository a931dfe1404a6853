"""A file that lies in the wrong folder is told the right one, where its columns tell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from etl.pipeline.pipeline import Pipeline

Send = Callable[..., Any]


@pytest.mark.parametrize(
    ("lies_in", "belongs_to"),
    [
        ("tax/taxpayers", "civil/births"),
        ("health/visits", "land/parcels"),
        ("land/parcels", "civil/deaths"),
        ("civil/marriages", "tax/declarations"),
        ("civil/birth", "civil/births"),
        ("new/folder", "health/visits"),
    ],
)
def test_the_right_folder_is_named(
    pipeline: Pipeline, send: Send, clean_day: Path, lies_in: str, belongs_to: str
) -> None:
    file = next((clean_day / belongs_to).iterdir())
    entry = send(pipeline, lies_in, file.name, file.read_bytes())
    assert entry.state in ("held", "rejected") and entry.loaded_at is None
    assert f"vào thư mục {belongs_to}." in entry.message_vi
    assert f"to the folder {belongs_to}." in entry.message_en


def test_a_file_that_is_only_wrong_in_itself_is_sent_nowhere(pipeline: Pipeline, send: Send, clean_day: Path) -> None:
    file = clean_day / "civil/births/births_2026-03-02.csv"
    text = file.read_text("utf-8-sig").replace("ho_ten", "x", 1)
    for name, content in ((file.name, text.encode("utf-8-sig")), ("births.csv", file.read_bytes())):
        entry = send(pipeline, "civil/births", name, content)
        assert entry.state in ("held", "rejected")
        assert "folder" not in entry.message_en


@pytest.mark.parametrize("content", [b"", b"PK\3\4 no zip", b"a,b\n1,2\n", b'"' + b"x" * 200_000 + b",", b"<a" * 1000])
def test_a_strange_file_in_a_strange_folder_is_refused_in_a_sentence(
    pipeline: Pipeline, send: Send, content: bytes
) -> None:
    entry = send(pipeline, "new/folder", "x_2026-03-02.csv", content)
    assert (entry.state, entry.rule) == ("rejected", "unknown_dataset")
    assert "send the file to" not in entry.message_en
