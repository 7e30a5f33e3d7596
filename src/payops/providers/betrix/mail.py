"""The code of a verification by e-mail, to the verified address of the user's token."""

from datetime import UTC
from typing import Final

import structlog

from payops.fraud.ports import Delivery, Notice
from payops.infra.mail import Mailer, MailFailed
from payops.kernel.clock import Clock, SystemClock

SUBJECT: Final = "Your BETRIX verification code"

log = structlog.get_logger(__name__)


class MailCourier:
    """Writes to the address of each notice."""

    def __init__(self, mailer: Mailer, clock: Clock | None = None) -> None:
        self._mailer = mailer
        self._clock = clock or SystemClock()

    async def deliver(self, notice: Notice) -> Delivery:
        """An address that takes no mail is refused; a relay that is down may come back."""
        if notice.address is None:
            return Delivery.REFUSED
        try:
            await self._mailer.send(
                to=[notice.address],
                subject=SUBJECT,
                body=self._text(notice),
                reference=notice.verification_id,
            )
        except MailFailed as error:
            log.warning("mail.not_delivered", subject="device code", why=str(error))
            return Delivery.REFUSED if error.is_permanent else Delivery.FAILED
        return Delivery.DELIVERED

    def _text(self, notice: Notice) -> str:
        minutes = max(1, (notice.expires_at - self._clock.now()).seconds // 60)
        until = notice.expires_at.astimezone(UTC)
        return (
            f"Your verification code is {notice.code}\n\n"
            "A withdrawal was requested from a device or network that your account has not used "
            "before. Enter the code to confirm that it was you.\n\n"
            f"It is good for {minutes} minutes, until {until:%H:%M} UTC.\n"
            "If it was not you, do not pass the code on, and tell us.\n"
        )
