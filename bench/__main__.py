"""``python -m bench``: measure, print, keep; see docs/performance.md."""

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from rich.console import Console

from bench import database, machine, report
from bench.accepting import measure_accepting
from bench.deposits import measure_deposits
from bench.firing import WentWrong
from bench.growing import measure_growing
from bench.receiving import measure_receiving
from bench.reconciling import measure_reconciling
from bench.run import FULL, QUICK, Run
from bench.settling import measure_settling

PARTS: Final[Mapping[str, Callable[[Run], None]]] = {
    "a": measure_accepting,
    "b": measure_settling,
    "c": measure_receiving,
    "d": measure_reconciling,
    "e": measure_growing,
    "f": measure_deposits,
}
_PUBLISHED: Final = Path("docs/performance.svg")
_VOID: Final = 1
_CANNOT_RUN: Final = 3


def main() -> int:
    """0 however the figures are: a target missed is a finding; 1 when a measurement is void."""
    options = _options()
    console = Console(highlight=False)
    if not machine.is_supported():
        console.print("the benchmark reads CPU times from /proc, which this system has not")
        return _CANNOT_RUN
    scale = QUICK if options.quick else FULL
    if options.rounds:
        scale = replace(scale, rounds=options.rounds)
    began, load_before = time.monotonic(), machine.load_average()
    try:
        with TemporaryDirectory(prefix="payops-bench-") as folder, database.running() as cluster:
            version = cluster.version()
            run = Run(cluster, Path(folder), scale, console)
            for part in sorted(options.only):
                PARTS[part](run)
    except WentWrong as error:
        console.print(f"[red]void:[/red] {error}")
        return _VOID
    loads = load_before, machine.load_average()
    about = report.conditions(version, loads, time.monotonic() - began)
    picture = _PUBLISHED if options.publish else report.RESULTS / "latest.svg"
    report.show(console, run.lines)
    console.print(about)
    report.keep(run.lines, about, picture)
    console.print(f"kept in {report.RESULTS}/latest.json and {picture}")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="fewer and shorter rounds: a look, not a figure")
    add("--only", type=_parts, default=set(PARTS), metavar="a,b", help="of a, b, c, d, e, f")
    add("--rounds", type=int, default=0, help="of each measurement")
    add("--publish", action="store_true", help=f"write the picture to {_PUBLISHED}")
    return parser.parse_args()


def _parts(text: str) -> set[str]:
    parts = {part.strip() for part in text.split(",") if part.strip()}
    if not parts or parts - PARTS.keys():
        raise argparse.ArgumentTypeError(f"parts are {', '.join(PARTS)}")
    return parts


if __name__ == "__main__":
    sys.exit(main())
