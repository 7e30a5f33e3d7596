"""What all measurements of one run share: the server, a folder, how long to measure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rich.console import Console

from bench.database import Cluster
from bench.figures import Line, Target
from bench.firing import WentWrong

CLIENTS: Final = 64
FEW_CLIENTS: Final = 16
PROCESSES: Final = 2


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured; ``seconds`` is for the rates that others are held against."""

    rounds: int
    seconds: int
    short_seconds: int
    warm_up_seconds: int
    users: int
    settled: int
    callbacks: int
    open_payouts: int
    journals: int


FULL: Final = Scale(
    rounds=3,
    seconds=6,
    short_seconds=3,
    warm_up_seconds=3,
    users=10_000,
    settled=10_000,
    callbacks=4_000,
    open_payouts=10_000,
    journals=1_000_000,
)
QUICK: Final = Scale(
    rounds=2,
    seconds=2,
    short_seconds=1,
    warm_up_seconds=1,
    users=5_000,
    settled=1_500,
    callbacks=1_000,
    open_payouts=2_000,
    journals=100_000,
)


@dataclass(slots=True)
class Run:
    """One run of the benchmark; measurements add their lines."""

    cluster: Cluster
    folder: Path
    scale: Scale
    console: Console
    lines: list[Line] = field(default_factory=list)
    accepted_rate: float | None = None  # of (a), for those that are held against it

    def add(
        self, part: str, what: str, figure: float, unit: str = "", target: Target | None = None
    ) -> None:
        self.lines.append(Line(part, what, figure, unit, target))

    def tell(self, what: str) -> None:
        self.console.print(f"[dim]{what}[/dim]")

    def require_whole(self, name: str, rows: int, acknowledged: int) -> None:
        """Raise ``WentWrong`` unless what was acknowledged is there and the books are right."""
        if rows != acknowledged:
            raise WentWrong(f"{name}: {acknowledged} acknowledged, {rows} found")
        broken: Sequence[str] = self.cluster.broken_invariants(name)
        if broken:
            raise WentWrong(f"{name}: broken invariants: {', '.join(broken)}")
