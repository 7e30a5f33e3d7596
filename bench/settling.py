"""(b) From accepted to settled: API, worker and a rail that takes payouts and calls back."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import seeding, serving, shots
from bench.figures import Target, median
from bench.firing import Measured, Meter, measure
from bench.load import Plan, Shot
from bench.run import CLIENTS, Run
from bench.serving import Service, free_ports

DATABASE: Final = "settling"
_ACCEPTED: Final = 202
_SETTLED_SECONDS_MAX: Final = 60
# Answered from a small index, so that asking often costs next to nothing.
_NOTHING_DUE: Final = "SELECT NOT EXISTS (SELECT FROM withdrawals WHERE due_at IS NOT NULL)"
_COUNT: Final = "SELECT count(*) FROM withdrawals WHERE state = 'completed'"
# Enough that the worker waits for the rail as little as it would with a core of its own.
_CALLS_AT_ONCE: Final = 128

Rail = Callable[[Path], AbstractContextManager[Service]]


@dataclass(slots=True)
class _Rounds:
    """What each round saw with one rail: how many were settled per second, and the meters."""

    rates: list[float]
    measured: list[Measured]


@dataclass(frozen=True, slots=True)
class _Field:
    run: Run
    ports: tuple[int, ...]
    lanes: tuple[tuple[Shot, ...], ...]
    meters: dict[str, Meter]

    def round(self, key: str) -> tuple[float, Measured]:
        """Withdrawals settled per second, from the first request to the last effect."""
        waited: list[float] = []
        measured = measure(
            Plan(self.ports, self.lanes, _ACCEPTED, key=key),
            self.meters,
            until=lambda: waited.append(self._wait()),
        )
        return self.run.scale.settled / (measured.fired.seconds + waited[0]), measured

    def _wait(self) -> float:
        """Seconds from when the last one was accepted until nothing is due any more."""
        return self.run.cluster.wait_until(DATABASE, _NOTHING_DUE, seconds_max=_SETTLED_SECONDS_MAX)


def measure_settling(run: Run) -> None:
    url = run.cluster.create(DATABASE)
    seeding.users(run.cluster, DATABASE, run.scale.users)
    run.cluster.settle(DATABASE)
    lean = _settled(run, url, "lean", serving.lean_rail)
    sandbox = _settled(run, url, "sandbox", serving.sandbox)
    settled = 2 * run.scale.settled * (run.scale.rounds + 1)
    run.require_whole(DATABASE, run.cluster.value(DATABASE, _COUNT), settled)
    _report(run, lean, sandbox)


def _settled(run: Run, url: str, name: str, rail: Rail) -> _Rounds:
    rounds = _Rounds([], [])
    with ExitStack() as running:
        field = _field(run, running, url, rail)
        for number in range(run.scale.rounds + 1):
            what = f"round {number} of {run.scale.rounds}" if number else "warm-up"
            run.tell(f"(b) {name} rail, {what}")
            rate, one = field.round(f"{name}-{number}")
            if number:
                rounds.rates.append(rate)
                rounds.measured.append(one)
            else:
                run.cluster.settle(DATABASE)  # until now the tables were known to be empty
    return rounds


def _field(run: Run, running: ExitStack, url: str, rail: Rail) -> _Field:
    """Start the processes; they end with ``running``."""
    paying = running.enter_context(rail(run.folder))
    ports = free_ports()
    settings = {
        "PAYOPS_PUBLIC_URL": f"http://127.0.0.1:{ports[0]}",
        "PAYOPS_LIPANA__BASE_URL": f"http://127.0.0.1:{paying.ports[0]}/v1",
        "PAYOPS_WORKER__CONCURRENCY": str(_CALLS_AT_ONCE),
    }
    api = running.enter_context(serving.payops(url, run.folder, ports=ports, settings=settings))
    worker = running.enter_context(
        serving.payops(url, run.folder, role="worker", settings=settings)
    )
    users = [shots.withdrawal(shots.user_name(n)) for n in range(run.scale.settled)]
    meters = {
        "api": api.cpu_seconds,
        "worker": worker.cpu_seconds,
        "database": run.cluster.cpu_seconds,
        "rail": paying.cpu_seconds,
    }
    return _Field(run, ports, shots.lanes(users, CLIENTS), meters)


def _report(run: Run, lean: _Rounds, sandbox: _Rounds) -> None:
    rate = median(lean.rates)
    run.add("b", "accepted and settled, 64 clients, lean rail", rate, "/s")
    if run.accepted_rate:
        ratio = rate / run.accepted_rate
        run.add("b", "settled ÷ accepted only (a)", ratio, "×", Target("≥", 0.5))
    for name in lean.measured[0].cpu:
        cpu = median([one.cpu_ms(name) for one in lean.measured])
        run.add("b", f"  CPU per withdrawal, {name}", cpu, "ms")
    own = median([one.generator_ms for one in lean.measured])
    run.add("b", "  load generator's own, besides", own, "ms")
    run.add("b", "with the sandbox as the rail", median(sandbox.rates), "/s")
    cpu = median([one.cpu_ms("rail") for one in sandbox.measured])
    run.add("b", "  CPU per withdrawal, sandbox", cpu, "ms")
