"""A payout rail that does as it is told and keeps a book of what it paid.

It has the faults of a real one: it loses answers after acting on them, does not connect,
takes its time, forgets. Its book is the other side of ours: what it says was paid, was.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from payops.pii.domain import Msisdn
from payops.withdrawals.ports import (
    Answer,
    AnswerLost,
    Candidates,
    CredentialRefused,
    Declined,
    NotDelivered,
    NotKnown,
    Outcome,
    Payout,
    Question,
    Report,
    StatusAnswer,
    Taken,
)

NEVER_CONNECTED = NotDelivered("connection refused")
WRONG_KEY = CredentialRefused("401")
NO = Declined("INVALID_PHONE", "The phone number is not registered")
OUTAGE = AnswerLost("503", is_outage=True)
UNCLEAR = AnswerLost("2xx that says failed", repeatable=False)


@dataclass(slots=True)
class Booked:
    """One payout in the rail's own book."""

    reference: str
    txid: str
    phone: Msisdn
    amount_kes: int
    outcome: Outcome = Outcome.PENDING


@dataclass(slots=True)
class FakeRail:
    """Answers each send by the script, else takes it; acts on whatever may have arrived."""

    deduplicates: bool = True
    name: str = "lipana"
    book: list[Booked] = field(default_factory=list)
    sends: list[str] = field(default_factory=list)  # txids, in the order they arrived
    questions: list[str] = field(default_factory=list)
    _script: deque[tuple[Answer, bool]] = field(default_factory=deque)
    _replies: deque[StatusAnswer] = field(default_factory=deque)
    _open: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._open.set()

    def answers(self, *script: Answer) -> None:
        """What the next sends are answered; a lost answer was acted on: the worst case."""
        self._script.extend((one, isinstance(one, AnswerLost)) for one in script)

    def ignores(self, *script: Answer) -> None:
        """Likewise, but nothing of it ever reached the book."""
        self._script.extend((one, False) for one in script)

    def says(self, *replies: StatusAnswer) -> None:
        """What the next questions are answered, instead of what the book says."""
        self._replies.extend(replies)

    def holds(self) -> None:
        """From now on calls hang until ``goes_on``."""
        self._open.clear()

    def goes_on(self) -> None:
        self._open.set()

    def pays(self, txid: str) -> None:
        self._booked(txid).outcome = Outcome.PAID

    def fails(self, txid: str) -> None:
        self._booked(txid).outcome = Outcome.FAILED

    def payouts_of(self, txid: str) -> list[Booked]:
        return [one for one in self.book if one.txid == txid]

    async def send(self, payout: Payout) -> Answer:
        self.sends.append(payout.txid)
        answer, acts = self._script.popleft() if self._script else (None, True)
        if acts or answer is None:
            booked = self._book(payout)
            answer = answer or Taken(booked.reference)
        await self._open.wait()
        return answer

    async def ask(self, question: Question) -> StatusAnswer:
        self.questions.append(question.txid)
        await self._open.wait()
        if self._replies:
            return self._replies.popleft()
        if self.deduplicates:
            found = self.payouts_of(question.txid)
            return report_of(found[0], by_txid=True) if found else NotKnown()
        return self._searched(question)

    def _searched(self, question: Question) -> StatusAnswer:
        found = [
            one
            for one in self.book
            if (one.phone, one.amount_kes) == (question.phone, question.amount_kes)
            and question.reference in (None, one.reference)
        ]
        if question.reference and found:
            return report_of(found[0], by_txid=False)
        return candidates(found) if found else NotKnown()

    def _book(self, payout: Payout) -> Booked:
        known = self.payouts_of(payout.txid)
        if known and self.deduplicates:
            return known[0]
        booked = Booked(f"po_{len(self.book) + 1}", payout.txid, payout.phone, payout.amount_kes)
        self.book.append(booked)
        return booked

    def _booked(self, txid: str) -> Booked:
        (booked,) = self.payouts_of(txid)
        return booked


def report_of(booked: Booked, *, by_txid: bool) -> Report:
    """What the rail says of ``booked``; ``by_txid`` when it knows our id."""
    return Report(
        booked.outcome,
        txid=booked.txid if by_txid else None,
        reference=booked.reference,
        amount_minor=booked.amount_kes * 100,
        phone=booked.phone,
        receipt=f"RCPT{booked.reference[3:]}" if booked.outcome is Outcome.PAID else None,
    )


def candidates(found: Sequence[Booked]) -> Candidates:
    return Candidates(tuple(report_of(one, by_txid=False) for one in found))
