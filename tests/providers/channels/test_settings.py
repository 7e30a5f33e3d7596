"""Which channels there are is for the settings to say."""

import pytest
from pydantic import SecretStr, ValidationError

from payops.infra.http import HttpClient
from payops.infra.settings import Alerts, Environment, Settings
from payops.ops.examination import of_settings
from payops.ops.readiness import unsafe
from payops.providers.channels import notifiers_of

ALL = {
    "slack_webhook_url": "https://hooks.slack.example/services/T/B/x",
    "pagerduty_routing_key": "R0000000000000000000000000MADEUP",
    "smtp_url": "smtp://mail.betrix.example",
    "email_from": "payops@betrix.example",
    "email_to": "duty@betrix.example, ops@betrix.example",
}


async def named(**fields: object) -> list[str]:
    async with HttpClient(timeout_seconds=1) as http:
        found = notifiers_of(Alerts(**fields), http, source="payops test")  # type: ignore[arg-type]
    return [notifier.name for notifier in found]


async def test_each_channel_is_optional() -> None:
    """None by default: then there is the log."""
    assert [] == await named()
    assert ["slack", "pagerduty", "email"] == await named(**ALL)
    assert ["slack"] == await named(slack_webhook_url=ALL["slack_webhook_url"])


@pytest.mark.parametrize(
    ("fields", "variable"),
    [
        ({"slack_webhook_url": "hooks.slack.example/secret"}, "PAYOPS_ALERTS__SLACK_WEBHOOK_URL"),
        ({"pagerduty_routing_key": "se cret"}, "PAYOPS_ALERTS__PAGERDUTY_URL"),
        ({**ALL, "smtp_url": "mail://secret"}, "PAYOPS_ALERTS__SMTP_URL"),
        ({**ALL, "email_to": "secret"}, "__EMAIL_TO"),
    ],
)
async def test_what_cannot_be_used_is_named_and_not_shown(
    fields: dict[str, str], variable: str
) -> None:
    """Before anything is called."""
    with pytest.raises(ValueError, match=variable) as caught:
        await named(**fields)
    assert "secret" not in str(caught.value)


def test_mail_without_an_address_is_refused() -> None:
    """A relay alone reaches nobody."""
    with pytest.raises(ValidationError, match="PAYOPS_ALERTS__EMAIL_TO"):
        Alerts(smtp_url=SecretStr("smtp://mail.betrix.example"))


def test_the_doctor_says_who_is_told() -> None:
    """Nobody, or each channel; having none is allowed."""
    for fields, detail in (({}, "none: the log only"), (ALL, "slack, pagerduty, email")):
        settings = Settings(env=Environment.TEST, alerts=fields)  # type: ignore[arg-type]
        (line,) = [f for f in of_settings(settings, {}) if f.check == "alert channels"]
        assert (True, detail) == (line.is_well, line.detail)


def test_production_does_not_call_a_sandbox_for_help() -> None:
    """A channel that is set must be the real one."""
    alerts = {
        "slack_webhook_url": "http://127.0.0.1:9/hook",
        "pagerduty_routing_key": "changeme",
        "pagerduty_url": "http://localhost:9/",
    }
    settings = Settings(env=Environment.PRODUCTION, alerts=alerts)  # type: ignore[arg-type]

    faults = [fault.split(" ")[0] for fault in unsafe(settings) if "ALERTS" in fault]

    assert [
        "PAYOPS_ALERTS__SLACK_WEBHOOK_URL",
        "PAYOPS_ALERTS__PAGERDUTY_ROUTING_KEY",
        "PAYOPS_ALERTS__PAGERDUTY_URL",
    ] == faults
