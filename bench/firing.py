"""Fires a plan from a process of its own and reads the meters around it."""

import json
import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from bench.load import Fired, Plan

Meter = Callable[[], float]


class WentWrong(Exception):
    """A measurement is void; the text says why."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One firing, and the CPU seconds that each meter showed meanwhile."""

    fired: Fired
    cpu: Mapping[str, float]

    def cpu_ms(self, meter: str) -> float:
        """Per answer."""
        return 1000 * self.cpu[meter] / self.fired.all_answers

    @property
    def generator_ms(self) -> float:
        return 1000 * self.fired.cpu_seconds / self.fired.all_answers


def measure(
    plan: Plan, meters: Mapping[str, Meter], *, until: Callable[[], None] = lambda: None
) -> Measured:
    """Fire ``plan``; the meters are read again after ``until`` has returned.

    Raises:
        WentWrong: there were other answers than the plan expects.
    """
    with NamedTemporaryFile(suffix=".plan") as file:
        # A class of `__main__` would not be found again.
        Path(file.name).write_bytes(pickle.dumps(plan))
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.load", file.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            fired, cpu = _fire(process, meters, until)
        finally:
            process.kill()
            process.wait()
    if fired.wrong:
        raise WentWrong(f"answers with other statuses than {plan.status}: {fired.wrong}")
    return Measured(fired, cpu)


def _fire(
    process: "subprocess.Popen[str]", meters: Mapping[str, Meter], until: Callable[[], None]
) -> tuple[Fired, dict[str, float]]:
    assert process.stdin
    assert process.stdout
    if process.stdout.readline() != "ready\n":
        raise WentWrong("the load generator could not connect")
    before = {name: read() for name, read in meters.items()}
    process.stdin.write("go\n")
    process.stdin.flush()
    said = process.stdout.readline()
    if not said:
        raise WentWrong("the load generator ended without a result")
    until()
    cpu = {name: read() - before[name] for name, read in meters.items()}
    document: dict[str, Any] = json.loads(said)
    return Fired(**document), cpu
