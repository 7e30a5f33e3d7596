"""(b) From accepted to settled: API, worker and the sandbox as the rail."""

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from bench import seeding, serving, shots
from bench.figures import Target, median
from bench.firing import Measured, Meter, measure
from bench.load import Plan, Shot
from bench.run import CLIENTS, Run
from bench.serving import free_ports

DATABASE: Final = "settling"
_ACCEPTED: Final = 202
_SETTLED_SECONDS_MAX: Final = 60
# Answered from a small index, so that asking often costs next to nothing.
_NOTHING_DUE: Final = "SELECT NOT EXISTS (SELECT FROM withdrawals WHERE due_at IS NOT NULL)"
_COUNT: Final = "SELECT count(*) FROM withdrawals WHERE state = 'completed'"


@dataclass(frozen=True, slots=True)
class _Field:
    run: Run
    port: int
    lanes: tuple[tuple[Shot, ...], ...]
    meters: dict[str, Meter]

    def round(self, number: int) -> tuple[float, Measured]:
        """Withdrawals settled per second, from the first request to the last effect."""
        waited: list[float] = []
        measured = measure(
            Plan((self.port,), self.lanes, _ACCEPTED, key=f"round-{number}"),
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
    rates: list[float] = []
    measured: list[Measured] = []
    with ExitStack() as running:
        field = _field(run, running, url)
        for number in range(run.scale.rounds + 1):
            run.tell(f"(b) round {number} of {run.scale.rounds}{'' if number else ': warm-up'}")
            rate, one = field.round(number)
            if number:
                rates.append(rate)
                measured.append(one)
    settled = run.scale.settled * (run.scale.rounds + 1)
    run.require_whole(DATABASE, run.cluster.value(DATABASE, _COUNT), settled)
    _report(run, rates, measured)


def _field(run: Run, running: ExitStack, url: str) -> _Field:
    """Start the processes; they end with ``running``."""
    rail = running.enter_context(serving.sandbox(run.folder))
    (port,) = free_ports()
    settings = {
        "PAYOPS_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "PAYOPS_LIPANA__BASE_URL": f"http://127.0.0.1:{rail.ports[0]}/v1",
    }
    api = running.enter_context(serving.payops(url, run.folder, ports=[port], settings=settings))
    worker = running.enter_context(
        serving.payops(url, run.folder, role="worker", settings=settings)
    )
    users = [shots.withdrawal(shots.user_name(n)) for n in range(run.scale.settled)]
    meters = {
        "api": api.cpu_seconds,
        "worker": worker.cpu_seconds,
        "database": run.cluster.cpu_seconds,
        "rail": rail.cpu_seconds,
    }
    return _Field(run, port, shots.lanes(users, CLIENTS), meters)


def _report(run: Run, rates: list[float], measured: list[Measured]) -> None:
    run.add("b", "accepted and settled, 64 clients", median(rates), "/s")
    if run.accepted_rate:
        ratio = median(rates) / run.accepted_rate
        run.add("b", "settled ÷ accepted only (a)", ratio, "×", Target("≥", 0.5))
    for name in measured[0].cpu:
        cpu = median([one.cpu_ms(name) for one in measured])
        run.add("b", f"  CPU per withdrawal, {name}", cpu, "ms")
