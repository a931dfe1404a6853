"""Damaged files through every reader: `python -m tests.fuzz MINUTES [SEED]`, or `make fuzz`.

Real extracts of the simulated city are damaged at random, and each is read in a process of its own. What may come of it
is a sentence, or a result in which every row is accounted for; never another exception, never more than ten seconds,
never a dead process. What breaks this is kept in `var/fuzz/` and makes the run fail.
"""

from __future__ import annotations

import io
import json
import multiprocessing as mp
import random
import re
import resource
import sys
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from etl.settings import PROJECT
from simulate import write_city

WATCHDOG = 10.0  # seconds
MEMORY = 6 << 30  # bytes of address space that a reader may ask for
FORMATS = {
    "csv": ["civil.births", "civil.marriages", "tax.taxpayers"],
    "excel": ["civil.deaths"],
    "xml": ["health.visits"],
    "ndjson": ["land.permits"],
    "geojson": ["land.parcels"],
    "zip": ["tax.declarations"],
}
OLD_EXCEL = (PROJECT / "tests" / "messy" / "horror").glob("*.xls")
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
    if luck.random() < 0.3 or not zipfile.is_zipfile(io.BytesIO(content)):
        return damage(content, other, luck)
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        chosen = luck.choice([m for m in old.namelist() if "sheet" in m or luck.random() < 0.2] or old.namelist())
        for name in old.namelist():
            part = old.read(name)
            new.writestr(name, damage(part, part, luck) if name == chosen else part)
    return made.getvalue()


def account(contract_id: str, content: bytes) -> str:
    """Read one file; the verdict.

    Raises:
        AssertionError: if a row is not accounted for, or counted twice.
    """
    import polars as pl

    from etl.contract import load_all
    from etl.delivery import ROW, Stop
    from etl.extract import extract_bytes

    contract = load_all()[contract_id]
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
        assert rows_in == len(json.loads(content.decode("utf-8-sig"))["features"]), "a feature is lost"
    return "read, some lines refused" if no_rows.height else "read"


def serve(pipe: Connection) -> None:
    """Read files as they come; answers each with its verdict, or with the traceback of what should not have been."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    while True:
        contract_id, content = pipe.recv()
        try:
            pipe.send((True, account(contract_id, content)))
        except BaseException:  # Rust's panics are no Exceptions
            pipe.send((False, traceback.format_exc()))


class Reader:
    """A process that reads files; a new one takes the place of one that hangs or died."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        context = mp.get_context("spawn")
        self._pipe, there = context.Pipe()
        self._process = context.Process(target=serve, args=(there,), daemon=True)
        self._process.start()
        there.close()
        self.is_warm = False  # the first file pays for the imports

    def read(self, contract_id: str, content: bytes) -> tuple[bool, str]:
        """Whether all is well, and the verdict or what happened."""
        try:
            self._pipe.send((contract_id, content))
            if self._pipe.poll(WATCHDOG if self.is_warm else WATCHDOG * 6):
                self.is_warm = True
                answer: tuple[bool, str] = self._pipe.recv()
                return answer
            happened = f"no end within {WATCHDOG} s"
        except (EOFError, OSError):
            happened = "the process died"
        self.stop()
        self._start()
        return False, happened

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()


@dataclass
class Tally:
    """What came of one format's files."""

    verdicts: Counter[str] = field(default_factory=Counter)
    failures: int = 0
    slowest: float = 0.0


def fuzz(name: str, seeds: dict[str, list[bytes]], seconds: float, luck: random.Random, keep: Path) -> Tally:
    """Damage and read one format's files for some seconds."""
    tally = Tally()
    reader = Reader()
    change: Callable[[bytes, bytes, random.Random], bytes] = damage_packed if name in ("zip", "excel") else damage
    for contract_id, contents in seeds.items():  # as they are: warms the process, and must be read
        is_well, said = reader.read(contract_id, contents[0])
        assert is_well and said.startswith("read"), said
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        contract_id = luck.choice(list(seeds))
        content = change(*luck.choices(seeds[contract_id], k=2), luck)
        was_warm, started = reader.is_warm, time.monotonic()
        is_well, said = reader.read(contract_id, content)
        if was_warm:
            tally.slowest = max(tally.slowest, time.monotonic() - started)
        tally.verdicts[said if is_well else "FAILED"] += 1
        if not is_well:
            tally.failures += 1
            file = keep / f"{contract_id}-{tally.failures}"
            file.write_bytes(content)
            print(f"{file}:\n{said}", file=sys.stderr)
    reader.stop()
    return tally


def main(minutes: float, seed: int) -> int:
    """Fuzz every format for its share of the minutes; the number of failures."""
    keep = PROJECT / "var" / "fuzz"
    keep.mkdir(parents=True, exist_ok=True)
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        write_city(Path(folder), people=1_000, days=2, seed=seed)
        for name, contracts in FORMATS.items():
            found = {c: sorted(Path(folder, "days").glob(f"*/{c.replace('.', '/')}/*")) for c in contracts}
            seeds = {c: [file.read_bytes() for file in files] for c, files in found.items()}
            if name == "excel":
                seeds["civil.deaths"] += [file.read_bytes() for file in sorted(OLD_EXCEL)]
            tally = fuzz(name, seeds, minutes * 60 / len(FORMATS), random.Random(f"{seed} {name}"), keep)
            failures += tally.failures
            print(f"{name}: {tally.verdicts.total()} files, {tally.failures} failures, slowest {tally.slowest:.2f} s")
            for verdict, times in tally.verdicts.most_common():
                print(f"  {times:>7}  {verdict}")
    return failures


if __name__ == "__main__":
    wanted = [float(argument) for argument in sys.argv[1:]]
    sys.exit(main(wanted[0] if wanted else 10, int(wanted[1]) if len(wanted) > 1 else 1) > 0)
