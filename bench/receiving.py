"""(c) Signed callbacks taken in per second, effects included: all new, and nine in ten repeats."""

import time
from typing import Final

from bench import seeding, serving, shots
from bench.figures import Target, median
from bench.firing import Measured, WentWrong, measure
from bench.load import Plan, Shot
from bench.run import CLIENTS, PROCESSES, Run
from bench.serving import free_ports

DATABASE: Final = "receiving"
_COPIES: Final = 10
_ACKNOWLEDGED: Final = 200
_APPLIED_SECONDS_MAX: Final = 60
_COUNT: Final = "SELECT count(*) FROM webhook_deliveries WHERE state = 'applied'"


def measure_receiving(run: Run) -> None:
    url, scale = run.cluster.create(DATABASE), run.scale
    mixed_new = scale.callbacks // 4  # ten copies of each are sent
    each_round = scale.callbacks + mixed_new
    payouts = seeding.open_payouts(
        run.cluster, DATABASE, each_round * (scale.rounds + 1), shots.PHONE
    )
    run.cluster.settle(DATABASE)
    new: list[Measured] = []
    mixed: list[Measured] = []
    with serving.payops(url, run.folder, ports=free_ports(PROCESSES)) as api:
        for number in range(scale.rounds + 1):
            run.tell(f"(c) round {number} of {scale.rounds}{'' if number else ': warm-up'}")
            callbacks = [shots.callback(payouts.pop()) for _ in range(each_round)]
            done = each_round * number
            firings = (
                (new, callbacks[mixed_new:], 1, done + scale.callbacks),
                (mixed, callbacks[:mixed_new], _COPIES, done + each_round),
            )
            for kept, some, copies, expected in firings:
                measured = _fired(run, api, some, copies, expected)
                if number:
                    kept.append(measured)
    settled = "SELECT count(*) FROM withdrawals WHERE state = 'completed'"
    run.require_whole(
        DATABASE, run.cluster.value(DATABASE, settled), each_round * (scale.rounds + 1)
    )
    _report(run, new, mixed)


def _fired(
    run: Run, api: serving.Service, callbacks: list[Shot], copies: int, expected: int
) -> Measured:
    dealt = shots.lanes(callbacks, CLIENTS)
    lanes = tuple(tuple(shots.with_duplicates(lane, copies)) for lane in dealt)
    meters = {"api": api.cpu_seconds, "database": run.cluster.cpu_seconds}
    return measure(
        Plan(api.ports, lanes, _ACKNOWLEDGED), meters, until=lambda: _wait_for(run, expected)
    )


def _wait_for(run: Run, expected: int) -> None:
    """Until every effect is there: its cost belongs to the callbacks."""
    deadline = time.monotonic() + _APPLIED_SECONDS_MAX
    while run.cluster.value(DATABASE, _COUNT) < expected:
        if time.monotonic() > deadline:
            raise WentWrong(f"not all callbacks applied within {_APPLIED_SECONDS_MAX} s")
        time.sleep(0.02)


def _report(run: Run, new: list[Measured], mixed: list[Measured]) -> None:
    for what, measured, target in (
        ("nine in ten repeated", mixed, Target("≥", 1.5)),
        ("all new", new, None),
    ):
        rate = median([one.fired.rate for one in measured])
        run.add("c", f"callbacks, {what}", rate, "/s")
        if run.accepted_rate:
            run.add("c", f"{what} ÷ accepted (a)", rate / run.accepted_rate, "×", target)
        for name in ("api", "database"):
            cpu = median([one.cpu_ms(name) for one in measured])
            run.add("c", f"  CPU per callback, {name}", cpu, "ms")
