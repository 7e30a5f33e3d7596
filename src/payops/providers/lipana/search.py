"""Looking for a payout in the rail's list, where asking for it by id is no use.

The list's order and length are not documented. It counts as read to the end only if the rail
says so, or if it was seen to run from new to old and to have passed the time in question.
What was not read to the end proves nothing: the answer is then no answer.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from payops.kernel.money import KES, Money
from payops.providers.lipana import wire
from payops.providers.lipana.client import LipanaClient, NotFound, Unanswered
from payops.providers.reading import NotUnderstood, Object
from payops.withdrawals.ports import (
    Candidates,
    NoAnswer,
    NotKnown,
    Question,
    Report,
    StatusAnswer,
)

PAGES_MAX: Final = 50

# The rail's clock may be behind ours, and sending may have been tried again for an hour.
BEFORE_FIRST_SEND: Final = timedelta(minutes=2)
AFTER_FIRST_SEND: Final = timedelta(hours=2)

_OTHER_METHODS = ("till", "bank", "paybill")


@dataclass(slots=True)
class _Reading:
    """What was seen of the list so far."""

    floor: datetime
    seen: set[str] = field(default_factory=set)
    last_created_at: datetime | None = None
    is_newest_first: bool = True

    def add(self, payouts: tuple[Object, ...]) -> bool:
        """Whether the page brought anything new."""
        before = len(self.seen)
        for payout in payouts:
            created_at = wire.created_at_of(payout)
            if created_at is None or (self.last_created_at and created_at > self.last_created_at):
                self.is_newest_first = False
            self.last_created_at = created_at
            self.seen.add(repr(payout.get("id")))
        return len(self.seen) > before

    @property
    def has_passed_the_floor(self) -> bool:
        last = self.last_created_at
        return self.is_newest_first and last is not None and last < self.floor


async def candidates(client: LipanaClient, question: Question) -> StatusAnswer:
    """All payouts to the phone, of the amount, made around the time in question."""
    found: dict[str, Report] = {}

    def look(payout: Object) -> bool:
        report = _candidate(payout, question)
        if report is not None and report.reference is not None:
            found.setdefault(report.reference, report)
        return False

    why = await _read(client, question, look)
    if why is not None:
        return NoAnswer(why)
    return Candidates(tuple(found.values())) if found else NotKnown()


async def by_id(client: LipanaClient, question: Question) -> StatusAnswer:
    """The payout with one of the ids in question. Not finding it proves nothing here."""
    found: list[Report] = []

    def look(payout: Object) -> bool:
        if _is_named(payout, question):
            found.append(report_of(payout))
        return bool(found)

    why = await _read(client, question, look)
    return found[0] if found else NoAnswer(why or "not in the list")


def report_of(payout: Object) -> Report:
    """What the rail's own record of a payout says.

    Its user id is left out: in a payout it may be the merchant's account with the rail.

    Raises:
        NotUnderstood: no id, no known status, or a value that cannot be.
    """
    ids = wire.ids_of_answer(payout)
    if ids.txid is None and ids.reference is None:
        raise NotUnderstood("no id")
    try:
        phone = wire.phone_of(payout)
    except NotUnderstood:
        phone = None
    return Report(
        outcome=wire.outcome_of(payout.get("status")),
        txid=ids.txid,
        reference=ids.reference,
        amount_minor=wire.amount_minor_of(payout),
        phone=phone,
        receipt=wire.receipt_of(payout),
        code=wire.code_of(payout),
        message=wire.message_of(payout),
    )


async def _read(
    client: LipanaClient, question: Question, look: Callable[[Object], bool]
) -> str | None:
    """Show each payout to ``look`` until it has enough; why the end was not reached, or None."""
    reading = _Reading(question.first_sent_at - BEFORE_FIRST_SEND)
    try:
        for number in range(1, PAGES_MAX + 1):
            page = await client.page(number)
            if any(look(payout) for payout in page.payouts):
                return None
            is_new = reading.add(page.payouts)
            if page.is_last or reading.has_passed_the_floor:
                return None
            if not is_new:
                return "the list does not go on as it should"
    except (NotFound, Unanswered) as error:
        return f"list: {error}"
    except NotUnderstood as error:
        return f"list: {error} unreadable"
    return f"the list is longer than {PAGES_MAX} pages"


def _candidate(payout: Object, question: Question) -> Report | None:
    """A report if ``payout`` may be the one asked about, None if it cannot be.

    Raises:
        NotUnderstood: it cannot be told. The asker must then not conclude anything.
    """
    created_at = wire.created_at_of(payout)
    begin = question.first_sent_at - BEFORE_FIRST_SEND
    end = question.first_sent_at + AFTER_FIRST_SEND
    if created_at is not None and not begin <= created_at <= end:
        return None
    if payout.get("payoutMethod") in _OTHER_METHODS:
        return None
    amount_minor = wire.amount_minor_of(payout)
    if amount_minor not in {None, Money.whole(question.amount_kes, KES).minor}:
        return None
    phone = wire.phone_of(payout)
    if phone not in {None, question.phone}:
        return None
    report = report_of(payout)
    if created_at is None or amount_minor is None or phone is None or report.reference is None:
        raise NotUnderstood("a payout that may be the one")
    return report


def _is_named(payout: Object, question: Question) -> bool:
    try:
        ids = wire.ids_of_answer(payout)
    except NotUnderstood:
        return False
    return ids.txid == question.txid or (
        ids.reference is not None and ids.reference == question.reference
    )
