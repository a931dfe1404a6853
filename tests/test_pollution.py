"""Whatever is wrong with a CSV file, nothing of it is lost, invented or changed silently: see `tests.pollution`."""

from __future__ import annotations

from pathlib import Path

from tests.pollution import KEY, ours, pollute, score


def test_no_polluted_file_is_read_wrong_silently(tmp_path: Path) -> None:
    verdicts = {
        (contract.id, polluted.name): score(polluted, ours(polluted, contract), KEY[contract.id]).verdict
        for contract, _, polluted in pollute(tmp_path)
    }
    assert len(verdicts) > 1_000
    assert [file for file, verdict in verdicts.items() if verdict == "wrong"] == []
    assert {verdicts[dataset, "source"] for dataset in KEY} == {"right"}
