"""(a) Withdrawals accepted per second, beside the bare statements and an empty endpoint."""

from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

from bench import pgbench, seeding, serving, shots
from bench.figures import Target, median, milliseconds_each, ratio_of_rounds
from bench.firing import Measured, measure
from bench.load import Plan, Shot
from bench.pgbench import Bare
from bench.run import CLIENTS, FEW_CLIENTS, PROCESSES, Run
from bench.serving import Service, free_ports

DATABASE: Final = "accepting"
_ACCEPTED: Final = 202


@dataclass(slots=True)
class _Rounds:
    """What each round saw, by the number of clients or the name of the yardstick."""

    payops: dict[int, list[Measured]] = field(default_factory=lambda: defaultdict(list))
    one_user: list[Measured] = field(default_factory=list)
    empty: list[Measured] = field(default_factory=list)
    bare: list[Bare] = field(default_factory=list)


class _Fields:
    """Fires at the services of this measurement, a fresh key for every request."""

    def __init__(self, run: Run, limited: Service, unlimited: Service, empty: Service) -> None:
        self._run = run
        self._limited, self._unlimited, self._empty = limited, unlimited, empty
        self._users = [shots.withdrawal(shots.user_name(n)) for n in range(run.scale.users)]
        self._firings = 0
        self.acknowledged = 0

    def payops(self, clients: int, seconds: int) -> Measured:
        return self._accepted(self._limited, shots.lanes(self._users, clients), seconds)

    def one_user(self, seconds: int) -> Measured:
        return self._accepted(self._unlimited, ((self._users[0],),) * CLIENTS, seconds)

    def empty(self, seconds: int) -> Measured:
        return self._fire(self._empty, shots.lanes(self._users, CLIENTS), seconds)

    def bare(self, seconds: int) -> Bare:
        found = pgbench.measure(
            self._run.cluster,
            DATABASE,
            clients=CLIENTS,
            seconds=seconds,
            users=self._run.scale.users,
        )
        self.acknowledged += found.transactions
        return found

    def _accepted(
        self, service: Service, lanes: tuple[tuple[Shot, ...], ...], seconds: int
    ) -> Measured:
        found = self._fire(service, lanes, seconds)
        self.acknowledged += found.fired.all_answers
        return found

    def _fire(
        self, service: Service, lanes: tuple[tuple[Shot, ...], ...], seconds: int
    ) -> Measured:
        self._firings += 1
        plan = Plan(
            service.ports, lanes, _ACCEPTED, seconds, cycles=True, key=f"run-{self._firings}"
        )
        meters = {"api": service.cpu_seconds, "database": self._run.cluster.cpu_seconds}
        return measure(plan, meters)


def measure_accepting(run: Run) -> None:
    url = run.cluster.create(DATABASE)
    seeding.users(run.cluster, DATABASE, run.scale.users)
    run.cluster.settle(DATABASE)
    with ExitStack() as running:
        limited = running.enter_context(
            serving.payops(url, run.folder, ports=free_ports(PROCESSES))
        )
        unlimited = running.enter_context(
            serving.payops(url, run.folder, ports=free_ports(PROCESSES), settings=serving.UNLIMITED)
        )
        empty = running.enter_context(serving.empty(run.folder, free_ports(PROCESSES)))
        fields = _Fields(run, limited, unlimited, empty)
        rounds = _measured(run, fields)
        unloaded = fields.payops(1, run.scale.short_seconds)
    rows = run.cluster.value(DATABASE, "SELECT count(*) FROM withdrawals")
    run.require_whole(DATABASE, rows, fields.acknowledged)
    _report(run, rounds, unloaded)


def _measured(run: Run, fields: _Fields) -> _Rounds:
    scale, rounds = run.scale, _Rounds()
    for warm in (fields.payops, lambda _, seconds: fields.one_user(seconds)):
        warm(CLIENTS, scale.warm_up_seconds)
    run.cluster.settle(DATABASE)  # until now the tables were known to be empty
    fields.empty(1)
    for number in range(1, scale.rounds + 1):
        run.tell(f"(a) round {number} of {scale.rounds}")
        rounds.payops[CLIENTS].append(fields.payops(CLIENTS, scale.seconds))
        rounds.bare.append(fields.bare(scale.seconds))
        rounds.empty.append(fields.empty(scale.short_seconds))
        rounds.payops[FEW_CLIENTS].append(fields.payops(FEW_CLIENTS, scale.short_seconds))
        rounds.one_user.append(fields.one_user(scale.short_seconds))
    return rounds


def _report(run: Run, rounds: _Rounds, unloaded: Measured) -> None:
    full = rounds.payops[CLIENTS]
    rates = [one.fired.rate for one in full]
    run.accepted_rate = median(rates)
    add = run.add
    add("a", "withdrawals accepted, 64 clients", run.accepted_rate, "/s")
    add("a", "bare statements, 64 clients (pgbench)", median([b.rate for b in rounds.bare]), "/s")
    add("a", "empty endpoint, 64 clients", median([e.fired.rate for e in rounds.empty]), "/s")
    to_bare = ratio_of_rounds(rates, [bare.rate for bare in rounds.bare])
    add("a", "accepted ÷ bare", to_bare, "×", Target("≥", 0.6))
    to_empty = ratio_of_rounds(rates, [one.fired.rate for one in rounds.empty])
    add("a", "accepted ÷ empty endpoint", to_empty, "×")
    api, database = (median([m.cpu_ms(name) for m in full]) for name in ("api", "database"))
    add("a", "CPU per withdrawal", api + database, "ms", Target("≤", 1.6))
    add("a", "  of which API", api, "ms")
    add("a", "  of which PostgreSQL", database, "ms")
    bare = [milliseconds_each(b.database_cpu_seconds, b.transactions) for b in rounds.bare]
    add("a", "  PostgreSQL, bare statements", median(bare), "ms")
    add("a", "  empty endpoint", median([e.cpu_ms("api") for e in rounds.empty]), "ms")
    add("a", "  load generator's own, besides", median([m.generator_ms for m in full]), "ms")
    for clients in (FEW_CLIENTS, CLIENTS):
        _latencies(run, clients, rounds.payops[clients])
    add("a", "unloaded, p50", unloaded.fired.p50_ms, "ms", Target("<", 10))
    one_user = [one.fired.rate for one in rounds.one_user]
    add("a", "one user's alone, limits off", median(one_user), "/s")
    add("a", "one user's ÷ all users'", ratio_of_rounds(one_user, rates), "×", Target("≥", 0.8))


def _latencies(run: Run, clients: int, measured: list[Measured]) -> None:
    p50, p99 = (median([getattr(m.fired, name) for m in measured]) for name in ("p50_ms", "p99_ms"))
    run.add("a", f"p50, {clients} clients", p50, "ms")
    run.add("a", f"p99, {clients} clients", p99, "ms")
    run.add("a", f"p99 ÷ p50, {clients} clients", p99 / p50, "×", Target("≤", 4))
