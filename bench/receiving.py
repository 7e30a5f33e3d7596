"""(c) Signed callbacks taken in per second, effects included: all new, and nine in ten repeats."""

from typing import Final

from bench import seeding, serving, shots
from bench.figures import Target, median
from bench.firing import Measured, measure
from bench.load import Plan, Shot
from bench.run import CLIENTS, PROCESSES, Run
from bench.serving import free_ports

DATABASE: Final = "receiving"
_COPIES: Final = 10
_ACKNOWLEDGED: Final = 200
_APPLIED_SECONDS_MAX: Final = 60
_NOTHING_DUE: Final = "SELECT NOT EXISTS (SELECT FROM webhook_deliveries WHERE due_at IS NOT NULL)"


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
            firings = (
                (new, callbacks[mixed_new:], 1),
                (mixed, callbacks[:mixed_new], _COPIES),
            )
            for kept, some, copies in firings:
                measured = _fired(run, api, some, copies)
                if number:
                    kept.append(measured)
    settled = "SELECT count(*) FROM withdrawals WHERE state = 'completed'"
    run.require_whole(
        DATABASE, run.cluster.value(DATABASE, settled), each_round * (scale.rounds + 1)
    )
    _report(run, new, mixed)


def _fired(run: Run, api: serving.Service, callbacks: list[Shot], copies: int) -> Measured:
    dealt = shots.lanes(callbacks, CLIENTS)
    lanes = tuple(tuple(shots.with_duplicates(lane, copies)) for lane in dealt)
    meters = {"api": api.cpu_seconds, "database": run.cluster.cpu_seconds}

    def applied() -> None:
        """Every effect is there: its cost belongs to the callbacks."""
        run.cluster.wait_until(DATABASE, _NOTHING_DUE, seconds_max=_APPLIED_SECONDS_MAX)

    return measure(Plan(api.ports, lanes, _ACKNOWLEDGED), meters, until=applied)


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
