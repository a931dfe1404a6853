"""A dataset's fuzz target: `python -m tests.tools.fuzz_target DATASET CORPUS [libFuzzer's options]`.

Atheris chooses among the files what it damages further: those that have led to lines of our code that no other led to.
What may come of a file is a sentence, or a result in which every row is accounted for; never another exception.
"""

from __future__ import annotations

import io
import json
import random
import re
import sys
import time
import zipfile
from collections import Counter
from pathlib import Path

import atheris
import polars as pl

with atheris.instrument_imports(include=["etl"]):
    from etl.contract import Contract, load_all
    from etl.delivery.columns import ROW
    from etl.delivery.messages import Stop
    from etl.extract import extract_bytes

# What readers trip over: marks of their formats, numbers without end, half characters, names with a meaning elsewhere.
_WORDS = """
" "" ' , ; | { } [ ] [] {} : \\ \\u0000 \\ud800" 😀Ắ _row ^.*$ =1+1 NaN -Infinity null true 1_000 0x1F -0
1e400 -1e400 1E999999999 31/02/2026 01/01/0001 99991231 0000-00-00 2026-03-02T25:61:61 1904
"features": "crs": EPSG::4326 EPSG::999999 "type":"Point" "GeometryCollection" "coordinates":[] "properties":[]
< > </ /> <!-- --> <![CDATA[ ]]> &amp; &#0; &#x1F600; &x; <?x?> <!DOCTYPE <TONG_HOP> </TONG_HOP> <TONG_HOP/>
XFD1048576 A0 r="XFD1048576" t="s" t="e" t="d" t="b" s="4294967296" <v>99999</v> <f>A1</f> <c/> <row/> <row>
<mergeCell/>A1:XFD1048576
"""
TOKENS = [
    *(word.encode() for word in _WORDS.split()),
    *(b"\n", b"\r\n", b"\r", b"\t", b" ", b"\n\n\n", b"\0", b"\x1a", b"\xff", b"\xc3", b"\xef\xbb\xbf", b"\xff\xfe"),
    *("\u0301\u0323".encode() * 40, "\u2028\u202e\u200b".encode(), b"9" * 400),
    *(b"[" * 200, b'{"a":' * 200, b"<a>" * 300),
]
_WORD = re.compile(rb"[\w.:+/-]+")


def damage(content: bytes, other: bytes, luck: random.Random) -> bytes:
    """A file with one to four things wrong: in half of all cases things that leave its form as it is."""
    change = luck.choice((_damage_form, _damage_content))
    for _ in range(luck.choice((1, 1, 1, 2, 4))):
        content = change(content, other, luck)
    return content


def _damage_form(content: bytes, other: bytes, luck: random.Random) -> bytes:
    at = luck.randrange(len(content) + 1)
    end = min(len(content), at + int(luck.paretovariate(0.5)))
    head, middle, tail = content[:at], content[at:end], content[end:]
    match luck.randrange(8):
        case 0:
            return head + bytes(byte ^ 1 << luck.randrange(8) for byte in middle[:1]) + middle[1:] + tail
        case 1:
            return head + tail
        case 2:
            return head + middle * luck.choice((2, 2, 50)) + tail
        case 3:
            return head + luck.choice(TOKENS) + tail
        case 4:
            begin = luck.randrange(len(other) + 1)
            return head + other[begin : begin + int(luck.paretovariate(0.5))] + tail
        case 5 if luck.random() < 0.2:
            return head
        case _:
            return head + luck.choice(TOKENS) * luck.choice((1, 1, 1, 3, 1000)) + middle + tail


def _damage_content(content: bytes, other: bytes, luck: random.Random) -> bytes:
    """Another word in the place of one, or a stretch between two like marks left out, repeated or moved."""
    if luck.random() < 0.6:
        words, others = list(_WORD.finditer(content)), _WORD.findall(other)
        if not words:
            return content
        word = luck.choice(words)
        new = luck.choice(others) if others and luck.random() < 0.4 else luck.choice(TOKENS)
        return content[: word.start()] + new + content[word.end() :]
    mark = luck.choice((b"\n", b",", b";", b">", b"}", b"]", b'"', b"</row>", b"</c>", b"</TONG_HOP>", b"</HO_TEN>"))
    places = [match.end() for match in re.finditer(re.escape(mark), content)]
    if len(places) < 2:
        return content
    first = luck.randrange(len(places) - 1)
    begin, end = places[first], places[min(len(places) - 1, first + int(luck.paretovariate(1)))]
    to = luck.choice(places)
    match luck.randrange(3):
        case 0:
            return content[:begin] + content[end:]
        case 1:
            return content[:to] + content[begin:end] * luck.choice((1, 1, 200)) + content[to:]
        case _:
            return content[:begin] + content[end:] + content[begin:end]


def damage_packed(content: bytes, other: bytes, luck: random.Random) -> bytes:
    """A ZIP or Excel file: as such, or what it holds."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as old:
            parts = {name: old.read(name) for name in old.namelist()}
    except Exception:  # an archive that was damaged before fails in any way, an old .xls is none
        parts = {}
    if not parts or luck.random() < 0.3:
        return damage(content, other, luck)
    chosen = luck.choice([name for name in parts if "sheet" in name or luck.random() < 0.2] or list(parts))
    parts[chosen] = damage(parts[chosen], parts[chosen], luck)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for name, part in parts.items():
            new.writestr(name, part)
    return made.getvalue()


def account(contract: Contract, content: bytes) -> str:
    """Read one file.

    Returns:
        The verdict.

    Raises:
        AssertionError: if a row is not accounted for, or counted twice.
    """
    try:
        rows, found, rows_in = extract_bytes(content, contract)
    except Stop as stop:
        assert stop.message.vi.isprintable() and stop.message.en.isprintable()
        return f"{stop.state} {stop.rule}"
    no_rows = found.filter(~pl.col(ROW).is_in(rows[ROW].implode()))
    numbers = pl.concat([rows[ROW], no_rows[ROW]])
    assert numbers.n_unique() == len(numbers) == rows_in, "rows in are not rows and lines that are none"
    assert (numbers > 0).all()
    about_the_file = found.filter(pl.col(ROW).is_null())
    assert (about_the_file["severity"] == "warning").all(), "what speaks of no row rejects none"
    if contract.source.format == "ndjson":
        assert rows_in == sum(bool(line.strip()) for line in content.decode("utf-8-sig").split("\n")), "a line is lost"
    if contract.source.format == "geojson":
        assert rows_in == len(json.loads(content.decode("utf-8-sig"), parse_int=str)["features"]), "a feature is lost"
    return "read, some lines refused" if no_rows.height else "read"


def main(dataset: str, corpus: Path, options: list[str]) -> None:
    """Read damaged files until an option or a failure ends it; prints what came of them so far, a line a second.

    Args:
        dataset: whose files.
        corpus: a folder of whole ones; those that are worth another damage are added.
        options: of libFuzzer.
    """
    contract = load_all()[dataset]
    whole = [file.read_bytes() for file in sorted(corpus.iterdir())]
    verdicts: Counter[str] = Counter()
    slowest, said_at = 0.0, 0.0
    account(contract, whole[0])  # the first file pays for the imports

    def read(content: bytes) -> None:
        nonlocal slowest, said_at
        started = time.monotonic()
        verdicts[account(contract, content)] += 1
        ended = time.monotonic()
        slowest = max(slowest, ended - started)
        if ended - said_at > 1:  # libFuzzer ends the process without a word from us
            print(json.dumps({"slowest": slowest, "verdicts": verdicts}), flush=True)
            said_at = ended

    def mutate(content: bytes, largest: int, seed: int) -> bytes:
        luck = random.Random(seed)
        if luck.random() < 0.5:  # what was damaged often is hardly ever read
            content = luck.choice(whole)
        change = damage_packed if contract.source.archive or contract.source.format == "excel" else damage
        return change(content, luck.choice(whole), luck)[:largest]

    atheris.Setup([sys.argv[0], *options, str(corpus)], read, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
