"""(b) From accepted to settled: API, worker and the sandbox as the rail."""

import time
from contextlib import ExitStack
from typing import Final

from bench import seeding, serving, shots
from bench.figures import Target, median
from bench.firing import Measured, WentWrong, measure
from bench.load import Plan
from bench.run import CLIENTS, Run
from bench.serving import free_port

DATABASE: Final = "settling"
_ACCEPTED: Final = 202
_SETTLED_SECONDS_MAX: Final = 60
_POLL_SECONDS: Final = 0.05
_COUNT: Final = "SELECT count(*) FROM withdrawals WHERE state = 'completed'"


def measure_settling(run: Run) -> None:
    url = run.cluster.create(DATABASE)
    seeding.users(run.cluster, DATABASE, run.scale.users)
    run.cluster.settle(DATABASE)
    rates: list[float] = []
    measured: list[Measured] = []
    with ExitStack() as running:
        rail = running.enter_context(serving.sandbox(run.folder))
        port = free_port()
        settings = {
            "PAYOPS_PUBLIC_URL": f"http://127.0.0.1:{port}",
            "PAYOPS_LIPANA__BASE_URL": f"http://127.0.0.1:{rail.ports[0]}/v1",
        }
        api = running.enter_context(
            serving.payops(url, run.folder, settings=settings | {"PAYOPS_PORT": str(port)})
        )
        worker = running.enter_context(
            serving.payops(url, run.folder, role="worker", settings=settings)
        )
        lanes = shots.lanes(
            [shots.withdrawal(shots.user_name(n)) for n in range(run.scale.settled)], CLIENTS
        )
        meters = {
            "api": api.cpu_seconds,
            "worker": worker.cpu_seconds,
            "rail": rail.cpu_seconds,
            "database": run.cluster.cpu_seconds,
        }
        for number in range(run.scale.rounds + 1):
            run.tell(f"(b) round {number} of {run.scale.rounds}{'' if number else ': warm-up'}")
            expected = run.scale.settled * (number + 1)
            ended: list[float] = []

            def settled(expected: int = expected, ended: list[float] = ended) -> None:
                ended.append(_wait_for(run, expected))

            plan = Plan((port,), lanes, _ACCEPTED, key=f"round-{number}")
            one = measure(plan, meters, until=settled)
            if number:
                measured.append(one)
                rates.append(run.scale.settled / (one.fired.seconds + ended[0]))
    run.require_whole(DATABASE, run.cluster.value(DATABASE, _COUNT), expected)
    _report(run, rates, measured)


def _wait_for(run: Run, expected: int) -> float:
    """Seconds until as many are settled; counted from when the last one was accepted."""
    began = time.monotonic()
    while run.cluster.value(DATABASE, _COUNT) < expected:
        if time.monotonic() > began + _SETTLED_SECONDS_MAX:
            raise WentWrong(f"not all settled within {_SETTLED_SECONDS_MAX} s")
        time.sleep(_POLL_SECONDS)
    return time.monotonic() - began


def _report(run: Run, rates: list[float], measured: list[Measured]) -> None:
    run.add("b", "accepted and settled, 64 clients", median(rates), "/s")
    if run.accepted_rate:
        ratio = median(rates) / run.accepted_rate
        run.add("b", "settled ÷ accepted only (a)", ratio, "×", Target("≥", 0.5))
    for name in ("api", "worker", "database", "rail"):
        cpu = median([one.cpu_ms(name) for one in measured])
        run.add("b", f"  CPU per withdrawal, {name}", cpu, "ms")
