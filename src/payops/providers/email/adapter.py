"""Alerts by e-mail: one thread an episode, and the same Message-ID on every copy."""

from collections.abc import Sequence
from typing import Final

from payops.alerts.domain import NoticeKind
from payops.alerts.ports import Delivered, Delivery, Failed, Notice, Refused
from payops.infra.mail import Mailer, MailFailed, checked_address

_SUBJECT_LENGTH_MAX: Final = 150
# Those that somebody should say they are at.
_ASKING: Final = frozenset(
    {NoticeKind.RAISED, NoticeKind.WORSENED, NoticeKind.RENEWED, NoticeKind.ESCALATED}
)


class EmailNotifier:
    """Writes to all of ``to`` at once.

    Raises:
        ValueError: one of the addresses cannot be written to; the text does not repeat it.
    """

    name = "email"

    def __init__(self, mailer: Mailer, *, to: Sequence[str], source: str) -> None:
        self._mailer = mailer
        self._to = [checked_address(address) for address in to]
        self._source = source

    async def deliver(self, notice: Notice) -> Delivery:
        is_first = notice.thread == notice.reference
        try:
            await self._mailer.send(
                to=self._to,
                subject=subject_of(notice, self._source),
                body=body_of(notice, self._source),
                reference=notice.reference,
                replies_to=None if is_first else notice.thread,
            )
        except MailFailed as error:
            return Refused(str(error)) if error.is_permanent else Failed(str(error))
        return Delivered()


def subject_of(notice: Notice, source: str) -> str:
    subject = " ".join(f"[{source}] {notice.severity.value}: {notice.headline}".split())
    if len(subject) <= _SUBJECT_LENGTH_MAX:
        return subject
    return f"{subject[: _SUBJECT_LENGTH_MAX - 1]}…"


def body_of(notice: Notice, source: str) -> str:
    lines = [notice.headline, ""]
    lines += [f"{name}: {text}" for name, text in notice.facts]
    lines += [
        "",
        f"From: {source}",
        f"Alert: {notice.alert_id} ({notice.alert_kind}, {notice.severity.value})",
        f"Raised: {notice.raised_at:%Y-%m-%d %H:%M:%S} UTC",
    ]
    if notice.runbook:
        lines.append(f"Runbook: {notice.runbook}")
    if notice.kind in _ASKING:
        lines.append(f"To say that you are at it: payops alerts acknowledge {notice.alert_id}")
    return "\n".join(lines) + "\n"
