"""(e) How the rate of (a) changes with what the books already hold."""

from contextlib import ExitStack
from typing import Final

from bench import seeding, serving, shots
from bench.figures import Target, median, ratio_of_rounds
from bench.firing import Measured, measure
from bench.load import Plan
from bench.run import CLIENTS, PROCESSES, Run
from bench.serving import Service, free_ports

SMALL: Final = "growing_small"
LARGE: Final = "growing_large"
_ACTIVE: Final = 1_000  # users whose requests are measured, as many in both
_LARGE_USERS: Final = 10_000
_ACCEPTED: Final = 202


def measure_growing(run: Run) -> None:
    counts = {SMALL: _ACTIVE, LARGE: _LARGE_USERS}
    with ExitStack() as running:
        services: dict[str, Service] = {}
        for name, users in counts.items():
            url = run.cluster.create(name)
            seeding.users(run.cluster, name, users)
            if name == LARGE:
                run.tell(f"(e) writing {run.scale.journals:,} journals")
                seeding.history(run.cluster, name, users=users, journals=run.scale.journals)
            run.cluster.settle(name)
            services[name] = running.enter_context(
                serving.payops(url, run.folder, ports=free_ports(PROCESSES))
            )
        measured = _measured(run, services)
    for name in counts:
        acknowledged = sum(one.fired.all_answers for one in measured[name])
        new = "SELECT count(*) FROM withdrawals WHERE state = 'pending'"
        run.require_whole(name, run.cluster.value(name, new), acknowledged)
    small, large = ([one.fired.rate for one in measured[name][1:]] for name in (SMALL, LARGE))
    run.add("e", f"accepted, {_ACTIVE:,} journals before", median(small), "/s")
    run.add("e", f"accepted, {run.scale.journals:,} journals before", median(large), "/s")
    run.add("e", "large ÷ small", ratio_of_rounds(large, small), "×", Target("≥", 0.9))


def _measured(run: Run, services: dict[str, Service]) -> dict[str, list[Measured]]:
    """All firings of each service, the warm-up first."""
    lanes = shots.lanes([shots.withdrawal(shots.user_name(n)) for n in range(_ACTIVE)], CLIENTS)
    measured: dict[str, list[Measured]] = {name: [] for name in services}
    for number in range(run.scale.rounds + 1):
        run.tell(f"(e) round {number} of {run.scale.rounds}{'' if number else ': warm-up'}")
        for name, service in services.items():
            seconds = run.scale.seconds if number else run.scale.warm_up_seconds
            plan = Plan(
                service.ports, lanes, _ACCEPTED, seconds, cycles=True, key=f"round-{number}"
            )
            measured[name].append(measure(plan, {}))
    return measured
