"""YAML as contracts are written in: it may repeat itself, and means one thing."""

from __future__ import annotations

import pytest

from etl.contract import yaml_text


def test_what_stands_elsewhere_may_be_repeated_and_changed() -> None:
    assert yaml_text.parse("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: [*a, *a]\n") == {
        "a": {"x": 1, "y": 2},
        "b": {"x": 1, "y": 3},
        "c": [{"x": 1, "y": 2}] * 2,
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3, column 1: not YAML: 'a' stands twice here"),
        ("a: &a\n  <<: *a\n", "repeat more than a file can hold"),
        ("a: &a [*a]\n", "repeat more than a file can hold"),
        ("".join(f"- &a{n} [{f'*a{n - 1},' * 9 if n else 'x'}]\n" for n in range(9)), "repeat more than"),
        ("- &a0 {k0: x}\n" + "".join(f"- &a{n} {{<<: [{f'*a{n - 1},' * 9}]}}\n" for n in range(1, 9)), "repeat more"),
        ("a: !!python/object/apply:os.system [x]\n", "could not determine a constructor"),
        ("a: [1\n", "line 2, column 1: not YAML"),
        ("? [1, 2]\n: 3\n", "unhashable key"),
        ("a: 2025-02-30\n", "put what is no date into quotation marks"),
        ("[" * 5_000, "nested too deep"),
    ],
)
def test_what_means_two_things_or_too_many_is_refused(text: str, told: str) -> None:
    with pytest.raises(ValueError, match="YAML") as refused:
        yaml_text.parse(text)
    assert told in str(refused.value)
