"""Alerts by e-mail, against a relay that listens."""

import pytest

from payops.alerts.domain import NoticeKind
from payops.alerts.ports import Delivered, Failed, Refused
from payops.infra.mail import Mailer
from payops.providers.email.adapter import EmailNotifier, subject_of
from tests.support import smtp
from tests.support.notices import SOURCE, notice

DUTY = ["duty@betrix.example", "ops@betrix.example"]


def email(relay: smtp.Relay) -> EmailNotifier:
    mailer = Mailer(f"smtp://127.0.0.1:{relay.port}", "payops@betrix.example", 5)
    return EmailNotifier(mailer, to=DUTY, source=SOURCE)


async def test_a_message_says_what_is_the_matter_and_what_to_do() -> None:
    """In plain words, to everybody on duty."""
    async with smtp.relay() as relay:
        outcome = await email(relay).deliver(notice())

    (message,) = relay.messages
    text = message.get_content()
    assert (Delivered(), [DUTY]) == (outcome, relay.recipients)
    assert (
        "[payops test] critical: The payout rail refuses our credentials; withdrawals wait."
        == message["Subject"]
    )
    for line in (
        "rail: lipana",
        "Alert: alr_1 (rail_credentials, critical)",
        "Raised: 2026-11-22 02:30:00 UTC",
        "Runbook: https://wiki.betrix.example/provider-outage.md",
        "payops alerts acknowledge alr_1",
    ):
        assert line in text


async def test_what_follows_stands_under_the_first_message() -> None:
    """One thread an episode; the end of it asks for nothing more."""
    async with smtp.relay() as relay:
        await email(relay).deliver(notice())
        await email(relay).deliver(notice(NoticeKind.RESOLVED, reference="not_2"))

    first, last = relay.messages
    assert first["Message-ID"] == last["In-Reply-To"]
    assert "In-Reply-To" not in first
    assert "acknowledge" not in last.get_content()


async def test_a_copy_has_the_same_message_id() -> None:
    """Many readers then show one."""
    async with smtp.relay() as relay:
        for _ in range(2):
            await email(relay).deliver(notice())

    assert 1 == len({message["Message-ID"] for message in relay.messages})


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        ({"DATA": "451 later"}, Failed("SMTPDataError 451")),
        ({".": "554 spam"}, Refused("SMTPDataError 554")),
    ],
)
async def test_a_refusal_is_final_when_the_relay_says_so(
    says: dict[str, str], expected: Failed | Refused
) -> None:
    async with smtp.relay(says=says) as relay:
        assert expected == await email(relay).deliver(notice())


def test_a_subject_is_one_short_line() -> None:
    """Whatever the summary is."""
    subject = subject_of(notice(summary="a\r\nBcc: thief@betrix.example\n" + "x" * 500), SOURCE)

    assert len(subject) <= 150
    assert subject.isprintable()
