"""Damaged files through every reader: `python -m tests.tools.fuzz MINUTES [SEED]`, or `make fuzz`.

Extracts of the simulated city, one dataset after the other, go to `fuzz_target.py`, which damages and reads them.
What may come of them are sentences and results; an exception, a dead process, ten seconds without an end or two
gigabytes of memory make the run fail, and the file is kept in `var/fuzz/`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from etl.contract import Contract
from etl.settings import PROJECT
from simulate import write_city
from tests.city import CONTRACTS

OPTIONS = ["-timeout=10", "-rss_limit_mb=2048", "-max_len=4000000", "-mutate_depth=1", "-verbosity=0"]
OLD_EXCEL = sorted((PROJECT / "tests" / "messy" / "horror").glob("*.xls"))


def fuzz(contract: Contract, corpus: Path, seconds: float, seed: int) -> bool:
    """Damage and read one dataset's files for some seconds; whether nothing failed."""
    keep = PROJECT / "var" / "fuzz" / f"{contract.id}-"
    keep.parent.mkdir(parents=True, exist_ok=True)
    options = [*OPTIONS, f"-max_total_time={seconds:.0f}", f"-seed={seed}", f"-artifact_prefix={keep}"]
    target = [sys.executable, "-m", "tests.tools.fuzz_target", contract.id, str(corpus), *options]
    done = subprocess.run(target, cwd=PROJECT, capture_output=True, text=True, errors="replace", check=False)
    tallies = [line for line in done.stdout.splitlines() if line.startswith("{")]
    came = json.loads(tallies[-1]) if tallies else {"slowest": 0.0, "verdicts": {}}
    is_read = any(verdict.startswith("read") for verdict in came["verdicts"])  # whole files are among them
    is_well = done.returncode == 0 and is_read
    count = sum(came["verdicts"].values())
    print(
        f"{contract.id} ({contract.source.format}): {count:,} files, {'no failure' if is_well else 'FAILED'}, "
        f"slowest {came['slowest']:.2f} s",
        flush=True,
    )
    for verdict, times in sorted(came["verdicts"].items(), key=lambda pair: -pair[1]):
        print(f"  {times:>7,}  {verdict}")
    if not is_well:
        print(done.stdout[-3_000:], done.stderr[-3_000:], sep="\n", file=sys.stderr)
    return is_well


def main(minutes: float, seed: int) -> bool:
    """Fuzz every dataset for its share of the minutes; whether nothing failed."""
    with tempfile.TemporaryDirectory() as folder:
        write_city(Path(folder), people=1_000, days=2, seed=seed)
        is_well = []
        contracts = CONTRACTS.values()  # of those that the made-up city brings
        for contract in contracts:
            corpus = Path(folder) / "corpus" / contract.id
            corpus.mkdir(parents=True)
            files = Path(folder, "days").glob(f"*/{contract.agency}/{contract.dataset}/*")
            for number, file in enumerate([*files, *(OLD_EXCEL if contract.source.format == "excel" else ())]):
                (corpus / str(number)).write_bytes(file.read_bytes())
            is_well.append(fuzz(contract, corpus, minutes * 60 / len(contracts), seed))
    return all(is_well)


if __name__ == "__main__":
    wanted = [float(argument) for argument in sys.argv[1:]]
    sys.exit(not main(wanted[0] if wanted else 10, int(wanted[1]) if len(wanted) > 1 else 1))
