"""The channels for codes that the settings name."""

from typing import Final

from payops.fraud.ports import Channel, Courier
from payops.infra.http import HttpClient, checked_base_url
from payops.infra.mail import Mailer
from payops.infra.settings import Settings
from payops.providers.betrix.events import EventCourier
from payops.providers.betrix.mail import MailCourier

# Well below the lease of a message.
_TIMEOUT_SECONDS: Final = 10


def couriers_of(settings: Settings, http: HttpClient) -> dict[Channel, Courier]:
    """Nothing is called yet. Mail goes through the relay that alerts use.

    Raises:
        ValueError: a setting cannot be used; its variable is named, its value is not.
    """
    found: dict[Channel, Courier] = {}
    events, alerts = settings.events, settings.alerts
    if events.url is not None and events.secret is not None:
        try:
            url = checked_base_url(events.url)
        except ValueError as error:
            raise ValueError(f"PAYOPS_EVENTS__URL: {error}") from None
        found[Channel.EVENT] = EventCourier(http, url=url, secret=events.secret.get_secret_value())
    if alerts.smtp_url is not None and alerts.email_from is not None:
        try:
            mailer = Mailer(alerts.smtp_url.get_secret_value(), alerts.email_from, _TIMEOUT_SECONDS)
        except ValueError as error:
            raise ValueError(f"PAYOPS_ALERTS__SMTP_URL or __EMAIL_FROM: {error}") from None
        found[Channel.EMAIL] = MailCourier(mailer)
    return found
