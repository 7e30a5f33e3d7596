"""The channels that the settings name."""

from collections.abc import Iterator
from typing import Final

from payops.alerts.ports import Notifier
from payops.infra.http import HttpClient
from payops.infra.mail import Mailer
from payops.infra.settings import Alerts
from payops.providers.email.adapter import EmailNotifier
from payops.providers.pagerduty.adapter import PagerDutyNotifier
from payops.providers.slack.adapter import SlackNotifier

# Well below the lease of a message: what is answered later is nobody's any more.
TIMEOUT_SECONDS: Final = 10


def notifiers_of(alerts: Alerts, http: HttpClient, *, source: str) -> list[Notifier]:
    """Nothing is called yet. ``source`` says to people which installation speaks.

    Raises:
        ValueError: a setting cannot be used; its variable is named, its value is not.
    """
    return list(_named(alerts, http, source))


def _named(alerts: Alerts, http: HttpClient, source: str) -> Iterator[Notifier]:
    if alerts.slack_webhook_url is not None:
        url = alerts.slack_webhook_url.get_secret_value()
        try:
            yield SlackNotifier(http, webhook_url=url, source=source)
        except ValueError as error:
            raise ValueError(f"PAYOPS_ALERTS__SLACK_WEBHOOK_URL: {error}") from None
    if alerts.pagerduty_routing_key is not None:
        key = alerts.pagerduty_routing_key.get_secret_value()
        try:
            yield PagerDutyNotifier(http, url=alerts.pagerduty_url, routing_key=key, source=source)
        except ValueError as error:
            raise ValueError(f"PAYOPS_ALERTS__PAGERDUTY_URL: {error}") from None
    if alerts.smtp_url is not None and alerts.email_from is not None:
        url = alerts.smtp_url.get_secret_value()
        try:
            mailer = Mailer(url, alerts.email_from, TIMEOUT_SECONDS)
            yield EmailNotifier(mailer, to=alerts.email_to, source=source)
        except ValueError as error:
            raise ValueError(
                f"PAYOPS_ALERTS__SMTP_URL, __EMAIL_FROM or __EMAIL_TO: {error}"
            ) from None
