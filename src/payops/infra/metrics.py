"""What can be counted and seen from outside: every metric of the service, in one file.

Units stand in the names, and every label comes from a closed set, so the number of series
has a bound. Nothing here raises into the code that counts: what cannot be recorded is dropped.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Final, ParamSpec

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_HTTP_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_RAIL_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_JOB_SECONDS = (0.01, 0.05, 0.25, 1, 5, 30, 120, 600, 3600)
_DEPOSIT_SECONDS = (10, 30, 60, 300, 900, 1800, 3600, 7200, 21600, 86400)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

P = ParamSpec("P")


def guarded(record: Callable[P, object]) -> Callable[P, None]:
    """``record``, whose failures cost a figure and never the work that was to be counted."""

    @functools.wraps(record)
    def quietly(*arguments: P.args, **named: P.kwargs) -> None:
        try:
            record(*arguments, **named)
        except Exception:  # noqa: BLE001 - see above; logging it could fail the same way
            return

    return quietly


class Metrics:
    """One registry and its metrics, built in ``bootstrap`` and passed down.

    The methods are what the rest of the service calls; the fields may be read by tests.
    """

    def __init__(self, *, process: bool = True) -> None:
        """``process`` adds memory, descriptors and garbage collection of this process."""
        self.registry = CollectorRegistry()
        self._calls_on_render: list[Callable[[], None]] = []
        self._http()
        self._money()
        self._deposits()
        self._inbox()
        self._machinery()
        if process:
            ProcessCollector(registry=self.registry)
            PlatformCollector(registry=self.registry)
            GCCollector(registry=self.registry)

    def on_render(self, call: Callable[[], None]) -> None:
        """``call`` before each ``render``: for figures that are cheap to read when asked for."""
        self._calls_on_render.append(guarded(call))

    def render(self) -> bytes:
        """All metrics in Prometheus' text format (``CONTENT_TYPE``)."""
        for call in self._calls_on_render:
            call()
        return generate_latest(self.registry)

    # HTTP

    def _http(self) -> None:
        self.http_request_seconds = Histogram(
            "payops_http_request_seconds",
            "Time from the first byte of a request to the last of its answer",
            ["operation", "method", "status"],
            buckets=_HTTP_SECONDS,
            registry=self.registry,
        )
        self.http_refusals = self._counter(
            "payops_http_refusals", "Requests refused, by error code", "operation", "code"
        )

    @guarded
    def observe_request(self, operation: str, method: str, status: int, seconds: float) -> None:
        """``operation`` is the route's operation id, or a constant where there is no route."""
        self.http_request_seconds.labels(
            operation, method if method in _METHODS else "other", f"{status // 100}xx"
        ).observe(seconds)

    @guarded
    def count_refusal(self, operation: str, code: str) -> None:
        self.http_refusals.labels(operation, code).inc()

    # Withdrawals and the ledger

    def _money(self) -> None:
        self.withdrawals = self._gauge(
            "payops_withdrawals", "Withdrawals that are not final, by state", "state"
        )
        self.oldest_unresolved_seconds = self._gauge(
            "payops_withdrawals_oldest_unresolved_seconds",
            "Age of the oldest withdrawal that may or may not have been paid; 0 is none",
        )
        self.exposure_minor = self._gauge(
            "payops_withdrawals_exposure_minor",
            "Money that may be on its way, in minor units",
            "currency",
        )
        self.withdrawal_outcomes = self._counter(
            "payops_withdrawal_outcomes", "Withdrawals that became final", "rail", "state"
        )
        self.rail_answers = self._counter(
            "payops_rail_answers", "Answers to what a rail was asked", "rail", "call", "kind"
        )
        self.rail_call_seconds = Histogram(
            "payops_rail_call_seconds",
            "Time a rail took to answer or to fail",
            ["rail", "call"],
            buckets=_RAIL_SECONDS,
            registry=self.registry,
        )
        self.breaker_open = self._gauge(
            "payops_rail_breaker_open", "1 while nothing is sent to the rail", "rail"
        )
        self.ledger_violations = self._gauge(
            "payops_ledger_violations", "Violations found by the last verification"
        )
        self.reconciliation_breaks = self._gauge(
            "payops_reconciliation_breaks", "Open differences with a provider", "rail"
        )
        self.alerts_open = self._gauge("payops_alerts_open", "Alerts nobody resolved", "severity")
        self.alert_deliveries = self._counter(
            "payops_alert_deliveries",
            "Messages about alerts, by what came of them",
            "channel",
            "outcome",
        )
        self.oldest_undelivered_alert_seconds = self._gauge(
            "payops_alerts_oldest_undelivered_seconds",
            "Age of the oldest message about an alert that is still under way",
            "channel",
        )

    @guarded
    def observe_answer(self, rail: str, call: str, kind: str, seconds: float) -> None:
        """``call`` is ``send`` or ``ask``; ``kind`` the kind of answer, such as ``taken``."""
        self.rail_answers.labels(rail, call, kind).inc()
        self.rail_call_seconds.labels(rail, call).observe(seconds)

    @guarded
    def count_outcome(self, rail: str, state: str) -> None:
        self.withdrawal_outcomes.labels(rail, state).inc()

    @guarded
    def set_breaker(self, rail: str, *, is_open: bool) -> None:
        self.breaker_open.labels(rail).set(int(is_open))

    @guarded
    def set_withdrawals(self, by_state: Mapping[str, int]) -> None:
        """Replace the figures: a state not in ``by_state`` has none."""
        self._replace(self.withdrawals, by_state)

    @guarded
    def set_exposure(self, minor_by_currency: Mapping[str, int], oldest_seconds: int) -> None:
        self._replace(self.exposure_minor, minor_by_currency)
        self.oldest_unresolved_seconds.set(oldest_seconds)

    @guarded
    def set_ledger_violations(self, count: int) -> None:
        self.ledger_violations.set(count)

    @guarded
    def set_breaks(self, by_rail: Mapping[str, int]) -> None:
        self._replace(self.reconciliation_breaks, by_rail)

    @guarded
    def set_alerts(self, by_severity: Mapping[str, int]) -> None:
        self._replace(self.alerts_open, by_severity)

    @guarded
    def count_alert_delivery(self, channel: str, outcome: str) -> None:
        """``outcome``: delivered, failed (tried again), refused, parked."""
        self.alert_deliveries.labels(channel, outcome).inc()

    @guarded
    def set_undelivered_alerts(self, seconds_by_channel: Mapping[str, int]) -> None:
        """``undecided`` stands for what was not given to the channels yet."""
        self._replace(self.oldest_undelivered_alert_seconds, seconds_by_channel)

    # Deposits

    def _deposits(self) -> None:
        self.provider_answers = self._counter(
            "payops_deposit_provider_answers",
            "Answers of deposit providers",
            "provider",
            "call",
            "kind",
        )
        self.provider_breaker_open = self._gauge(
            "payops_deposit_breaker_open", "1 while a deposit provider is not asked", "provider"
        )
        self.deposits = self._gauge(
            "payops_deposits", "Deposits by phase: now, or in the last day for ended ones", "phase"
        )
        self.deposit_average_seconds = self._gauge(
            "payops_deposit_average_seconds", "Average durations of the last day", "phase"
        )
        self.deposit_phase_seconds = Histogram(
            "payops_deposit_phase_seconds",
            "How long deposits waited for money, and for settlement",
            ["phase"],
            buckets=_DEPOSIT_SECONDS,
            registry=self.registry,
        )

    @guarded
    def count_provider_answer(self, provider: str, call: str, kind: str) -> None:
        """``call`` is ``open``, ``read`` or ``value``; ``kind`` such as ``answer_lost``."""
        self.provider_answers.labels(provider, call, kind).inc()

    @guarded
    def set_provider_breaker(self, provider: str, *, is_open: bool) -> None:
        self.provider_breaker_open.labels(provider).set(int(is_open))

    @guarded
    def set_deposits(self, by_phase: Mapping[str, int], averages: Mapping[str, int]) -> None:
        """``averages`` in seconds; a phase without any is left out."""
        self._replace(self.deposits, by_phase)
        self._replace(self.deposit_average_seconds, averages)

    @guarded
    def observe_deposit_phase(self, phase: str, seconds: int) -> None:
        """``phase``: ``wait_to_pending`` or ``pending_to_finished``."""
        self.deposit_phase_seconds.labels(phase).observe(seconds)

    # The webhook inbox

    def _inbox(self) -> None:
        self.callbacks = self._counter(
            "payops_callbacks", "Callbacks received, by what became of them", "source", "outcome"
        )
        self.inbox_rows = self._gauge(
            "payops_inbox_rows", "Callbacks not applied, by state", "state"
        )
        self.inbox_lag_seconds = self._gauge(
            "payops_inbox_lag_seconds", "Age of the oldest callback still to be applied; 0 is none"
        )

    @guarded
    def count_callback(self, source: str, outcome: str) -> None:
        """``outcome``: new, duplicate, unauthorized, too_large, applied, parked, …"""
        self.callbacks.labels(source, outcome).inc()

    @guarded
    def set_inbox(self, rows_by_state: Mapping[str, int], lag_seconds: int) -> None:
        self._replace(self.inbox_rows, rows_by_state)
        self.inbox_lag_seconds.set(lag_seconds)

    # What the service runs on

    def _machinery(self) -> None:
        self.pool_connections = self._gauge(
            "payops_pool_connections", "Database connections of this process", "kind"
        )
        self.job_runs = self._counter(
            "payops_job_runs", "Runs of scheduled jobs that ended here", "job", "status"
        )
        self.job_seconds = Histogram(
            "payops_job_seconds",
            "How long runs of scheduled jobs took",
            ["job"],
            buckets=_JOB_SECONDS,
            registry=self.registry,
        )
        self.job_last_done = self._gauge(
            "payops_job_last_done_timestamp_seconds", "When a job last ended well here", "job"
        )
        self.listener_connected = self._gauge(
            "payops_listener_connected", "1 while wake-ups of other replicas are heard"
        )

    @guarded
    def set_pool(self, status: Mapping[str, int]) -> None:
        """``status`` is ``Database.pool_status()``."""
        self._replace(self.pool_connections, status)

    @guarded
    def observe_job(self, job: str, status: str, seconds: float) -> None:
        self.job_runs.labels(job, status).inc()
        self.job_seconds.labels(job).observe(seconds)
        if status == "done":
            self.job_last_done.labels(job).set_to_current_time()

    @guarded
    def set_listening(self, *, is_connected: bool) -> None:
        self.listener_connected.set(int(is_connected))

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(name, meaning, labels, registry=self.registry)

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(name, meaning, labels, registry=self.registry)

    @staticmethod
    def _replace(gauge: Gauge, figures: Mapping[str, int]) -> None:
        """Set one series a key; a key that was there before and is gone now shows 0."""
        before = (
            label
            for family in gauge.collect()
            for sample in family.samples
            for label in sample.labels.values()
        )
        for key in {*before, *figures}:
            gauge.labels(key).set(figures.get(key, 0))
