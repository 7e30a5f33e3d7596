"""E-mail, against a real relay on loopback."""

import asyncio
import time
from pathlib import Path

import pytest

from payops.infra import db
from payops.infra.mail import Mailer, MailFailed
from tests.support import smtp
from tests.support.waiting import free_port

SENDER = "BETRIX payments <payops@betrix.example>"
TO = ["ops@betrix.example", "duty@betrix.example"]


def mailer(relay: smtp.Relay, *, user: str = "", seconds: int = 5) -> Mailer:
    return Mailer(f"smtp://{user}127.0.0.1:{relay.port}", SENDER, seconds)


async def send(mail: Mailer, **fields: object) -> None:
    given: dict[str, object] = {"to": TO, "subject": "Trouble", "body": "Look at it.\n"}
    await mail.send(**(given | fields))  # type: ignore[arg-type]


async def failure(mail: Mailer, **fields: object) -> MailFailed:
    with pytest.raises(MailFailed) as caught:
        await send(mail, **fields)
    return caught.value


async def test_a_message_arrives_as_it_was_written() -> None:
    """Sender, recipients, subject and text; letters beyond ASCII and lone dots survive."""
    async with smtp.relay() as relay:
        await send(mailer(relay), subject="Hola – ñ", body="Kes 1,500 • ok\n.\n.dotted\n")

    (message,) = relay.messages
    assert [TO] == relay.recipients
    assert (SENDER, ", ".join(TO), "Hola – ñ") == (
        message["From"],
        message["To"],
        message["Subject"],
    )
    assert "Kes 1,500 • ok\n.\n.dotted\n" == undotted(message.get_content())
    assert "auto-generated" == message["Auto-Submitted"]
    assert "QUIT" == relay.verbs[-1]


def undotted(text: str) -> str:
    """What a mailbox shows: the relay keeps the wire's doubled dots."""
    return text.replace("\r\n", "\n").replace("\n..", "\n.")


async def test_references_make_threads_and_stand_for_copies() -> None:
    """The same reference is the same Message-ID; without one each message has its own."""
    async with smtp.relay() as relay:
        await send(mailer(relay), reference="n1")
        await send(mailer(relay), reference="n2", replies_to="n1")
        await send(mailer(relay))
        await send(mailer(relay))

    ids = [message["Message-ID"] for message in relay.messages]
    assert ["<n1@betrix.example>", "<n2@betrix.example>"] == ids[:2]
    assert "<n1@betrix.example>" == relay.messages[1]["In-Reply-To"]
    assert 4 == len(set(ids))


async def test_starttls_is_used_when_it_is_offered(tmp_path: Path) -> None:
    """And credentials go only after it."""
    server, client = smtp.certificates(tmp_path)
    async with smtp.relay(starttls=server) as relay:
        url = f"smtp://us%40er:p%3Ass@127.0.0.1:{relay.port}"
        await send(Mailer(url, SENDER, 5, tls=client))

    assert ([True], ["\0us@er\0p:ss"]) == (relay.was_encrypted, relay.logins)
    assert relay.verbs.index("STARTTLS") < relay.verbs.index("AUTH")


async def test_smtps_is_encrypted_from_the_first_byte(tmp_path: Path) -> None:
    server, client = smtp.certificates(tmp_path)
    async with smtp.relay(tls=server) as relay:
        await send(Mailer(f"smtps://127.0.0.1:{relay.port}", SENDER, 5, tls=client))

    assert [True] == relay.was_encrypted
    assert "STARTTLS" not in relay.verbs


async def test_a_certificate_nobody_vouches_for_is_not_trusted(tmp_path: Path) -> None:
    """Nothing is handed to whoever answers; it may be put right, so it is not permanent."""
    server, _ = smtp.certificates(tmp_path)
    async with smtp.relay(tls=server) as relay:
        failed = await failure(Mailer(f"smtps://127.0.0.1:{relay.port}", SENDER, 5))

    assert (False, []) == (failed.is_permanent, relay.messages)


async def test_a_password_is_not_sent_in_the_open() -> None:
    """Without an offer of STARTTLS there is no login at another machine."""
    async with smtp.relay() as relay:
        # A name for this machine that is not on the list of such names.
        failed = await failure(Mailer(f"smtp://user:pass@127.1:{relay.port}", SENDER, 5))

    assert ([], []) == (relay.logins, relay.messages)
    assert "AUTH" not in relay.verbs
    assert not failed.is_permanent


@pytest.mark.parametrize(
    ("says", "is_permanent"),
    [
        pytest.param({"CONNECT": "554 go away"}, False, id="not-served"),
        pytest.param({"CONNECT": smtp.DROP}, False, id="hung-up-at-once"),
        pytest.param({"AUTH": "535 who?"}, False, id="credentials-refused"),
        pytest.param({"MAIL": "550 not you"}, False, id="sender-refused"),
        pytest.param({"RCPT": "550 nobody"}, True, id="all-recipients-refused"),
        pytest.param({"RCPT": "450 later"}, False, id="recipients-put-off"),
        pytest.param({"DATA": "451 later"}, False, id="put-off"),
        pytest.param({".": "554 spam"}, True, id="content-refused"),
        pytest.param({".": "452 full"}, False, id="disk-full"),
        pytest.param({".": smtp.DROP}, False, id="answer-lost"),
    ],
)
async def test_what_a_refusal_is_about_decides_whether_it_is_final(
    says: dict[str, str], *, is_permanent: bool
) -> None:
    """Only a refusal of this very message is; and no failure repeats an address."""
    async with smtp.relay(says=says) as relay:
        failed = await failure(mailer(relay, user="user:pass@"))

    assert is_permanent == failed.is_permanent
    assert "betrix" not in f"{failed!r}{failed.__cause__!r}"
    assert failed.__suppress_context__


async def test_one_recipient_refused_leaves_the_others_told() -> None:
    """A typing error in one address must not silence the rest."""
    async with smtp.relay(says={f"RCPT TO:<{TO[0]}>": "550 nobody"}) as relay:
        await send(mailer(relay))

    assert [[TO[1]]] == relay.recipients


async def test_an_error_after_the_message_was_taken_is_none() -> None:
    """The relay answered for it already."""
    async with smtp.relay(says={"QUIT": smtp.DROP}) as relay:
        await send(mailer(relay))

    assert 1 == len(relay.messages)


async def test_a_relay_that_falls_silent_is_given_up() -> None:
    """The limit is for the whole message."""
    async with smtp.relay(says={"MAIL": smtp.HANG}) as relay:
        began = time.monotonic()
        failed = await failure(mailer(relay, seconds=1))

    assert not failed.is_permanent
    assert time.monotonic() - began < 4


async def test_nobody_listening_may_be_put_right() -> None:
    failed = await failure(Mailer(f"smtp://127.0.0.1:{free_port()}", SENDER, 2))

    assert not failed.is_permanent


@pytest.mark.parametrize(
    "fields",
    [
        {"subject": "Trouble\r\nBcc: thief@example.com"},
        {"subject": "Trouble\nBcc: thief@example.com"},
        {"subject": "Trouble\u2028Bcc: thief@example.com"},
        {"to": ["ops@betrix.example\r\nRCPT TO:<thief@example.com>"]},
        {"to": ["ops@betrix.example, thief@example.com"]},
        {"to": ["ops@betrix.example> <thief@example.com"]},
        {"to": ["not an address"]},
        {"to": []},
        {"to": ["ops@betrix.example"] * 51},
        {"reference": "a> <b"},
        {"replies_to": "a\r\nb"},
        {"body": "half a character: \ud800"},
    ],
)
async def test_headers_cannot_be_smuggled_in(fields: dict[str, object]) -> None:
    """Refused for good, before anybody is called."""
    async with smtp.relay() as relay:
        failed = await failure(mailer(relay), **fields)

    assert (True, []) == (failed.is_permanent, relay.verbs)
    assert "thief" not in str(failed)


@pytest.mark.parametrize(
    "url",
    [
        "http://mail.betrix.example",
        "smtp://",
        "smtp://host:port",
        "smtp://user@host",
        "smtp://host/path",
        "smtp://host?x=1",
        "mail.betrix.example",
    ],
)
def test_a_url_that_is_none_is_found_at_the_start(url: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        Mailer(url, SENDER, 5)


@pytest.mark.parametrize(
    "sender", ["", "nobody", "a@b.example\r\nBcc: c@d.example", "a b@c.example"]
)
def test_a_sender_that_is_none_is_found_at_the_start(sender: str) -> None:
    with pytest.raises(ValueError, match=r"address|line break"):
        Mailer("smtp://127.0.0.1", sender, 5)


def test_credentials_are_never_shown() -> None:
    """Not in a repr, whoever prints it."""
    mail = Mailer("smtp://user:hunter2@mail.betrix.example", SENDER, 5)

    assert "hunter2" not in f"{mail!r}{mail.__dict__!r}"


async def test_no_mail_is_sent_inside_a_transaction(database: db.Database) -> None:
    """Locks are not held while a relay thinks."""
    async with smtp.relay() as relay, database.transaction():
        with pytest.raises(RuntimeError, match="transaction is open"):
            await send(mailer(relay))

    assert [] == relay.verbs


async def test_several_messages_go_at_the_same_time() -> None:
    """A connection each: they do not wait for one another."""
    async with smtp.relay() as relay:
        mail = mailer(relay)
        await asyncio.gather(*(send(mail) for _ in range(5)))

    assert 5 == len(relay.messages)
