"""The results as a table, a JSON document and a picture."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from bench.figures import Line
from bench.picture import svg

RESULTS: Final = Path("bench/results")
_STYLES: Final = {"pass": "[green]pass[/green]", "miss": "[red]miss[/red]", "": ""}


def show(console: Console, lines: Sequence[Line]) -> None:
    table = Table(box=None, header_style="bold")
    for heading in ("", "what", "figure", "target", ""):
        table.add_column(heading, justify="right" if heading == "figure" else "left")
    part = ""
    for line in lines:
        if part not in ("", line.part):
            table.add_section()
        part = line.part
        target = str(line.target) if line.target else ""
        table.add_row(f"({part})", line.what, shown(line), target, _STYLES[line.verdict])
    console.print(table)


def shown(line: Line) -> str:
    """Three digits or so: more would pretend to a precision that a shared machine has not."""
    decimals = 0 if line.figure >= 100 else 1 if line.figure >= 10 else 2
    return f"{line.figure:,.{decimals}f} {line.unit}".strip()


def conditions(postgres: str, loads: tuple[float, float], seconds: float) -> str:
    """What to know before comparing: this machine, and what else it was doing."""
    return (
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, PostgreSQL {postgres}; "
        f"load average {loads[0]:.1f} before and {loads[1]:.1f} after {seconds:.0f} s"
    )


def keep(lines: Sequence[Line], about: str, picture: Path) -> None:
    """Write ``bench/results/latest.json`` and the picture."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    document = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "about": about,
        "lines": [{**asdict(line), "verdict": line.verdict} for line in lines],
    }
    text = json.dumps(document, indent=2, ensure_ascii=False)
    (RESULTS / "latest.json").write_text(f"{text}\n")
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_text(svg(lines, "What payops does per second, beside its yardsticks"))
