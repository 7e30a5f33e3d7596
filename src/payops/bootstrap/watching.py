"""What watches: fraud controls, alerts and the timed jobs."""

from collections.abc import Sequence
from datetime import timedelta

from payops.alerts import service as alerts
from payops.alerts.domain import Policy
from payops.bootstrap.foundation import Foundation, replica_name
from payops.fraud.service.controls import Controls, controls_of
from payops.fraud.service.velocity import RULES_TOPIC
from payops.infra.http import HttpClient, checked_base_url
from payops.infra.scheduling import Job, Run, Scheduler
from payops.infra.settings import Settings
from payops.kernel.clock import SystemClock
from payops.providers import channels
from payops.providers.betrix.couriers import couriers_of


def fraud_controls(settings: Settings, base: Foundation) -> Controls:
    controls = controls_of(
        settings,
        base.db,
        fingerprints=base.fingerprints,
        personal_data=base.personal_data,
        couriers=couriers_of(settings, base.http),
    )
    base.wakeups.call(RULES_TOPIC, controls.velocity.forget)
    return controls


def alert_delivery(settings: Settings, base: Foundation) -> alerts.AlertDelivery:
    group = settings.alerts
    runbooks = group.runbook_base_url and checked_base_url(group.runbook_base_url)
    # A pool of its own: a channel that hangs must take no connection from a rail.
    http = HttpClient(timeout_seconds=channels.TIMEOUT_SECONDS, connections_max=4)
    notifiers = channels.notifiers_of(group, http, source=f"payops {settings.env}")
    return alerts.assemble(
        notifiers,
        Policy(
            quiet=timedelta(minutes=group.quiet_minutes),
            escalate=timedelta(minutes=group.escalate_minutes),
            give_up=timedelta(hours=group.give_up_hours),
        ),
        runbooks_url=runbooks,
        db=base.db,
        metrics=base.metrics,
        release=http.aclose,
    )


def scheduler_of(base: Foundation, jobs: Sequence[Job]) -> Scheduler:
    async def ended(run: Run, milliseconds: int) -> None:
        base.metrics.observe_job(run.job, run.status.value, milliseconds / 1000)

    return Scheduler(
        base.db,
        jobs,
        clock=SystemClock(),
        replica=replica_name(),
        ended=ended,
    )
