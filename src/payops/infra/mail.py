"""The one way out by e-mail: one message a call, handed to one relay, bounded in time.

No other module imports aiosmtplib. A relay that took the message is answerable for it from
then on; whether it reached anybody is not ours to know. Nothing is sent again from here:
only the caller knows whether a second copy is better than none.
"""

import asyncio
import re
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import SMTP as WIRE
from email.utils import format_datetime, getaddresses, make_msgid
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

import aiosmtplib
import structlog

from payops.infra.db import require_no_transaction
from payops.kernel.clock import SystemClock

log = structlog.get_logger(__name__)

_PORTS: Final = {"smtps": 465, "smtp": 587}
_RELAY_PORT: Final = 25  # without credentials: a relay of the house's own
_QUIT_SECONDS: Final = 2
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_RECIPIENTS_MAX: Final = 50

# Narrower than RFC 5321 on purpose: quoted and international local parts are not used by
# anybody we write to, and every character outside this set has a meaning somewhere.
_ADDRESS = re.compile(
    r"[0-9A-Za-z.!#$%&'*+/=?^_`{|}~-]{1,64}@[0-9A-Za-z-]{1,63}(?:\.[0-9A-Za-z-]{1,63})*", re.ASCII
)
_REFERENCE = re.compile(r"[0-9A-Za-z._-]{1,128}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class MailFailed(Exception):
    """The relay does not have the message, or nobody knows whether it has.

    The text names the kind of failure and the relay's code only: no address, no subject.
    ``is_permanent`` says that the message itself was refused, and would be again. A relay
    that is down, or that turns our credentials or our sender away, may yet be put right.
    """

    def __init__(self, why: str, *, is_permanent: bool) -> None:
        super().__init__(why)
        self.is_permanent = is_permanent


@dataclass(frozen=True, slots=True)
class _Relay:
    """Where messages are handed over. Never printed: it holds a password."""

    host: str
    port: int
    is_tls: bool
    username: str | None
    password: str | None

    def __repr__(self) -> str:
        return f"_Relay(port={self.port})"


class Mailer:
    """Hands messages to the relay of ``smtp_url``, a connection each.

    ``smtps://`` speaks TLS from the first byte; ``smtp://`` changes to it when the relay
    offers STARTTLS, and must when credentials are to be sent to another machine. They stand
    in the URL, percent-encoded: ``smtp://user:pass@host:587``. ``timeout_seconds`` is for one
    whole message. ``sender`` is an address, with a name before it if wanted.

    Raises:
        ValueError: the URL or the sender cannot be used; the text repeats neither.
    """

    def __init__(
        self,
        smtp_url: str,
        sender: str,
        timeout_seconds: int,
        *,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._relay = _relay_of(smtp_url)
        if _CONTROL.search(sender):
            raise ValueError("the sender holds a line break")
        ((_, address),) = getaddresses([sender])[:1] or [("", "")]
        self._address = checked_address(address)
        self._sender = sender
        self._domain = self._address.rpartition("@")[2]
        self._timeout_seconds = timeout_seconds
        self._tls = tls
        self._clock = SystemClock()

    async def send(
        self,
        *,
        to: Sequence[str],
        subject: str,
        body: str,
        reference: str | None = None,
        replies_to: str | None = None,
    ) -> None:
        """Hand one message over, for all of ``to``. It is plain text.

        A ``reference`` makes the Message-ID, so that many readers show two copies of one
        message as one; ``replies_to`` is the reference of the message it belongs under.

        Raises:
            MailFailed: it was not taken, or the answer was lost.
        """
        require_no_transaction("use the network")
        recipients = _recipients(to)
        message = self._message(recipients, subject, body)
        message["Message-ID"] = self._message_id(reference)
        if replies_to is not None:
            message["In-Reply-To"] = message["References"] = self._message_id(replies_to)
        await self._hand_over(message, recipients)

    async def _hand_over(self, message: EmailMessage, recipients: list[str]) -> None:
        client = self._client()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await client.connect()
                refused, _ = await client.send_message(
                    message, sender=self._address, recipients=recipients
                )
            if refused:
                codes = sorted({code for code, _ in refused.values()})
                log.warning("mail.recipients_refused", count=len(refused), codes=codes)
            # It has been taken: what goes wrong now is no failure.
            with suppress(aiosmtplib.SMTPException, OSError):
                await client.quit(timeout=_QUIT_SECONDS)
        except (aiosmtplib.SMTPException, OSError, ValueError, MessageError) as error:
            # Not chained: the library's errors repeat the addresses.
            raise _failure(error) from None
        finally:
            client.close()

    def _message(self, recipients: list[str], subject: str, body: str) -> EmailMessage:
        if _CONTROL.search(subject):
            raise MailFailed("the subject holds a line break", is_permanent=True)
        if any("\ud800" <= letter <= "\udfff" for letter in subject + body):
            raise MailFailed("half a character cannot be sent", is_permanent=True)
        message = EmailMessage(policy=WIRE)
        message["From"] = self._sender
        message["To"] = ", ".join(recipients)
        message["Subject"] = subject
        message["Date"] = format_datetime(self._clock.now())
        # Nobody's holiday notice is wanted, and no reply to one either.
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(body)
        return message

    def _message_id(self, reference: str | None) -> str:
        if reference is None:
            # With a domain of its own it does not ask the resolver what this machine is called.
            return make_msgid(domain=self._domain)
        if not _REFERENCE.fullmatch(reference):
            raise MailFailed("the reference cannot stand in a header", is_permanent=True)
        return f"<{reference}@{self._domain}>"

    def _client(self) -> aiosmtplib.SMTP:
        relay = self._relay
        return aiosmtplib.SMTP(
            hostname=relay.host,
            port=relay.port,
            username=relay.username,
            password=relay.password,
            local_hostname=self._domain,
            timeout=self._timeout_seconds,
            use_tls=relay.is_tls,
            start_tls=_must_start_tls(relay),
            tls_context=self._tls,
        )


def checked_address(address: str) -> str:
    """``address`` if it can be written to.

    Raises:
        ValueError: it cannot; the text does not repeat it.
    """
    if not _ADDRESS.fullmatch(address):
        raise ValueError("not an e-mail address")
    return address


def _recipients(to: Sequence[str]) -> list[str]:
    if not to or len(to) > _RECIPIENTS_MAX:
        raise MailFailed("nobody to write to, or too many", is_permanent=True)
    try:
        return [checked_address(address) for address in to]
    except ValueError as error:
        raise MailFailed(str(error), is_permanent=True) from None


def _relay_of(url: str) -> _Relay:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("not a URL") from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("not an smtp or smtps URL")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("an SMTP URL has no path, query or fragment")
    if (parts.username is None) != (parts.password is None):
        raise ValueError("an SMTP URL has a user and a password, or neither")
    return _Relay(
        host=parts.hostname,
        port=port or _default_port(parts),
        is_tls=parts.scheme == "smtps",
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
    )


def _default_port(parts: SplitResult) -> int:
    if parts.scheme == "smtp" and parts.username is None:
        return _RELAY_PORT
    return _PORTS[parts.scheme]


def _must_start_tls(relay: _Relay) -> bool | None:
    """``None``: if it is offered. A stripped offer must not bring a password into the open."""
    if relay.is_tls:
        return False
    return True if relay.username and relay.host not in _LOOPBACK else None


def _failure(error: Exception) -> MailFailed:
    why = type(error).__name__
    match error:
        case aiosmtplib.SMTPRecipientsRefused():
            codes = [refusal.code for refusal in error.recipients]
            return MailFailed(f"{why} {min(codes)}", is_permanent=min(codes) >= 500)
        case aiosmtplib.SMTPDataError():
            return MailFailed(f"{why} {error.code}", is_permanent=error.code >= 500)
        case aiosmtplib.SMTPResponseException():
            return MailFailed(f"{why} {error.code}", is_permanent=False)
        case _:
            return MailFailed(why, is_permanent=isinstance(error, ValueError | MessageError))
