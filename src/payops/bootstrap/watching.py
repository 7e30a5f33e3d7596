"""What watches: fraud controls, alerts and the timed jobs."""

from collections.abc import Sequence
from datetime import timedelta

from payops.alerts import service as alerts
from payops.alerts.domain import Policy
from payops.bootstrap.foundation import Foundation, NotConfigured, replica_name
from payops.fraud.service.controls import Controls, controls_of
from payops.fraud.service.velocity import RULES_TOPIC
from payops.infra.http import HttpClient, checked_base_url
from payops.infra.mail import Mailer
from payops.infra.scheduling import Job, Run, Scheduler
from payops.infra.settings import Settings
from payops.kernel.clock import SystemClock
from payops.ops.reports.mailing import Mailing
from payops.ops.reports.service import Reports
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


def report_jobs(settings: Settings, base: Foundation) -> list[Job]:
    """The report by e-mail, where somebody is to get it; through the relay of the alerts.

    Raises:
        NotConfigured: there is no relay, or it cannot be used.
    """
    wanted, relay = settings.reporting, settings.alerts
    if not wanted.email_to:
        return []
    if relay.smtp_url is None or relay.email_from is None:
        raise NotConfigured(
            "PAYOPS_ALERTS__SMTP_URL is not set: PAYOPS_REPORTING__EMAIL_TO needs it"
        )
    url = relay.smtp_url.get_secret_value()
    try:
        mailer = Mailer(url, relay.email_from, channels.TIMEOUT_SECONDS)
    except ValueError as error:
        raise NotConfigured(
            f"PAYOPS_ALERTS__SMTP_URL or PAYOPS_ALERTS__EMAIL_FROM: {error}"
        ) from None
    mailing = Mailing(Reports(base.db), mailer, wanted.email_to, wanted.daily_cron)
    return [mailing.job()]


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
