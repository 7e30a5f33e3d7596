"""What an answer of the rail means for a withdrawal. Pure.

The rules, in one place: a definitive no releases the hold only while nothing else may have
been acted on; a lost answer is repeated only where the rail de-duplicates on our id; "not
known" never fails a payout.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never
from uuid import UUID

from payops.kernel.retrying import Backoff, doubling
from payops.pii.domain import scrub
from payops.withdrawals.domain import FINAL, Event, Failure, State, Withdrawal
from payops.withdrawals.ports import (
    Answer,
    AnswerLost,
    CredentialRefused,
    Declined,
    NoAnswer,
    NotDelivered,
    NotKnown,
    Outcome,
    Report,
    Taken,
)

# How often a contradiction of a final one is asked about while nobody answers: about a day.
FINAL_QUESTIONS_MAX = 24

_ASK_MOST = timedelta(hours=1)
_PROVIDER_CODE_MAX = 64
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,32}", re.ASCII)
_LONG_NUMBER = re.compile(r"[0-9]{7}", re.ASCII)
_MOBILE_NUMBER = re.compile(r"[17][0-9]{8}", re.ASCII)  # however it begins: 254, 0, or so

# A send has its own due time, the lease or the next attempt: a question leaves it.
_BEING_SENT = frozenset({State.PENDING, State.SENDING})
# "Not known" counts only of what may have been paid and is not settled.
_NOT_FOR_QUESTIONS = _BEING_SENT | FINAL

UNAVAILABLE = Failure("provider_unavailable", "The payment provider could not be reached.")


@dataclass(frozen=True, slots=True)
class Policy:
    """The timings a decision needs; from the settings."""

    retry: Backoff
    first_ask: timedelta
    ask_every: timedelta
    sent_grace: timedelta
    unknown_answers_max: int


class Bearer(StrEnum):
    """Whose loss a refund is."""

    HOUSE = "house"  # the rail paid, or has yet to admit that it did not
    RAIL = "rail"  # the rail has put the money back into our float


@dataclass(frozen=True, slots=True)
class Refund:
    """People decided to give back what the journal ``paid`` took."""

    paid: UUID
    bearer: Bearer


@dataclass(frozen=True, slots=True)
class Observation:
    """What was learned about one withdrawal.

    ``event`` is ``None`` when the state cannot change (a question without answer). A
    ``None`` in the other fields leaves what the withdrawal has.
    """

    event: Event | None
    actor: str
    due_in: timedelta | None = None  # when to look again, if it is not at rest then
    tries: int | None = None
    is_doubtful: bool = False  # from now on; never unset
    questions: int | None = None
    unknown_answers: int | None = None
    reference: str | None = None
    receipt: str | None = None
    failure: Failure | None = None
    refund: Refund | None = None
    detail: Mapping[str, object] = field(default_factory=dict)


def of_answer(
    withdrawal: Withdrawal,
    answer: Answer,
    policy: Policy,
    *,
    deduplicates: bool,
    breaker_wait: timedelta | None,
    is_only: bool,
) -> Observation:
    """What the reply to a send means; ``breaker_wait`` is given while the breaker is open.

    ``is_only``: no send before this one can have been acted on.
    """
    actor = f"rail:{withdrawal.rail}"
    if is_only and _denies_payment(withdrawal, answer):
        # No echo: with DECLINED, the table finds the contradiction.
        return Observation(Event.DECLINED, actor)
    match answer:
        case Taken(reference):
            return Observation(
                Event.TAKEN,
                actor,
                due_in=policy.sent_grace,
                tries=withdrawal.tries + 1,
                is_doubtful=True,
                questions=0,
                reference=reference,
            )
        case Declined(code, message):
            if withdrawal.is_doubtful:
                # An earlier send may still be acted on: its fate is asked, not assumed.
                return _lost(withdrawal, actor, policy)
            failure = Failure(
                "declined",
                scrub(message) or "The payment provider declined the payout.",
                shown_code(code),
            )
            return Observation(Event.DECLINED, actor, tries=withdrawal.tries + 1, failure=failure)
        case CredentialRefused():
            return _turned_away(withdrawal, actor, breaker_wait or policy.retry.base)
        case NotDelivered():
            return _not_delivered(withdrawal, actor, policy, breaker_wait)
        case AnswerLost(_, retry_after, repeatable):
            tries = withdrawal.tries + 1
            if deduplicates and repeatable and tries < policy.retry.attempts_max:
                wait = policy.retry.wait_after(tries, at_least=retry_after)
                return Observation(
                    Event.RETRYING,
                    actor,
                    due_in=max(wait, breaker_wait or wait),
                    tries=tries,
                    is_doubtful=True,
                )
            return _lost(withdrawal, actor, policy)
        case _:
            assert_never(answer)


def shown_code(code: str) -> str:
    """A rail's code as it may be kept and shown: as it is, unless a person's number is in it.

    ``E17`` or ``500.001.1001`` tell support more than a mask does. Whatever does not look
    like a code is scrubbed like the words beside it.
    """
    bare = re.sub(r"[_.-]", "", code)
    if _CODE.fullmatch(code) and not (_LONG_NUMBER.search(code) or _MOBILE_NUMBER.search(bare)):
        return code
    return scrub(code)[:_PROVIDER_CODE_MAX]


def of_silence(withdrawal: Withdrawal, policy: Policy) -> Observation:
    """The lease ended without an answer: the process that sent it is gone."""
    return _lost(withdrawal, "system:lease", policy)


def of_doubt(
    actor: str,
    detail: Mapping[str, object],
    *,
    reference: str | None = None,
    receipt: str | None = None,
) -> Observation:
    """What is queued may have been sent by a process whose record is lost: ask now, never send."""
    return Observation(
        Event.DOUBTED,
        actor,
        due_in=timedelta(),
        is_doubtful=True,
        questions=0,
        reference=reference,
        receipt=receipt,
        detail=detail,
    )


def of_report(withdrawal: Withdrawal, report: Report, policy: Policy, actor: str) -> Observation:
    """What a matching report means, whether it was called back or asked for.

    Of one that is queued, "paid" and "on its way" are believed as far as that it was sent.
    """
    if withdrawal.state is State.PENDING and report.outcome is not Outcome.FAILED:
        detail = {"reported": report.outcome.value}
        return of_doubt(actor, detail, reference=report.reference, receipt=report.receipt)
    match report.outcome:
        case Outcome.PAID:
            event, failure = Event.REPORTED_PAID, None
        case Outcome.FAILED:
            event = Event.REPORTED_FAILED
            failure = Failure(
                "payout_failed",
                scrub(report.message) or "The payment provider reported that the payout failed.",
                shown_code(report.code),
            )
        case Outcome.PENDING:
            event, failure = Event.TAKEN, None
        case _:
            assert_never(report.outcome)
    return Observation(
        event,
        actor,
        due_in=_next_question(withdrawal, policy, at_least=policy.ask_every),
        is_doubtful=True,
        questions=withdrawal.questions + 1,
        reference=report.reference,
        receipt=report.receipt,
        failure=failure,
    )


def of_no_report(
    withdrawal: Withdrawal, answer: NotKnown | NoAnswer, policy: Policy, now: datetime
) -> Observation:
    """What a question without a report means: patience, then a person; never a refund."""
    waiting = Observation(
        None,
        f"rail:{withdrawal.rail}",
        due_in=_ask_again(withdrawal, answer, policy),
        questions=withdrawal.questions + 1,
        detail={"answer": "not_known" if isinstance(answer, NotKnown) else "no_answer"},
    )
    if isinstance(answer, NoAnswer) or withdrawal.state in _NOT_FOR_QUESTIONS:
        return waiting
    if withdrawal.unknown_at is not None and now - withdrawal.unknown_at < policy.ask_every:
        return waiting  # asked twice in one breath is one answer
    unknown_answers = withdrawal.unknown_answers + 1
    stayed = unknown_answers >= policy.unknown_answers_max
    return Observation(
        Event.STAYED_UNCLEAR if stayed and withdrawal.state is not State.REVIEW else None,
        waiting.actor,
        due_in=waiting.due_in,
        questions=waiting.questions,
        unknown_answers=unknown_answers,
        detail=waiting.detail,
    )


def of_disbelief(withdrawal: Withdrawal, policy: Policy) -> Observation:
    """The rail's own answer cannot be true: asked again later; of a final one, people decide."""
    is_over = withdrawal.state in FINAL
    return Observation(
        None,
        f"rail:{withdrawal.rail}",
        due_in=None if is_over else _ask_again(withdrawal, NoAnswer("not believed"), policy),
        questions=withdrawal.questions + 1,
    )


def of_ambiguity(withdrawal: Withdrawal, candidates: int) -> Observation:
    """More than one payout could be this one: only a person may choose."""
    return Observation(
        Event.STAYED_UNCLEAR,
        f"rail:{withdrawal.rail}",
        questions=withdrawal.questions + 1,
        detail={"candidates": candidates},
    )


def _not_delivered(
    withdrawal: Withdrawal, actor: str, policy: Policy, breaker_wait: timedelta | None
) -> Observation:
    tries = withdrawal.tries + 1
    if tries >= policy.retry.attempts_max:
        if withdrawal.is_doubtful:
            return _lost(withdrawal, actor, policy)
        return Observation(Event.GAVE_UP, actor, tries=tries, failure=UNAVAILABLE)
    if breaker_wait is not None and not withdrawal.is_doubtful:
        return Observation(Event.TURNED_AWAY, actor, due_in=breaker_wait, tries=tries)
    wait = policy.retry.wait_after(tries)
    return Observation(Event.RETRYING, actor, due_in=max(wait, breaker_wait or wait), tries=tries)


def _turned_away(withdrawal: Withdrawal, actor: str, wait: timedelta) -> Observation:
    """Our key was refused: not the customer's fault, so it costs none of their tries."""
    event = Event.RETRYING if withdrawal.is_doubtful else Event.TURNED_AWAY
    return Observation(event, actor, due_in=wait)


def _lost(withdrawal: Withdrawal, actor: str, policy: Policy) -> Observation:
    return Observation(
        Event.ANSWER_LOST,
        actor,
        due_in=policy.first_ask,
        tries=withdrawal.tries + 1,
        is_doubtful=True,
        questions=0,
    )


def _denies_payment(withdrawal: Withdrawal, answer: Answer) -> bool:
    """It was reported as paid, and the reply to the send says that it cannot have been."""
    is_paid = withdrawal.state in (State.COMPLETED, State.REVERSED)
    return is_paid and isinstance(answer, Declined | CredentialRefused | NotDelivered)


def _ask_again(
    withdrawal: Withdrawal, answer: NotKnown | NoAnswer, policy: Policy
) -> timedelta | None:
    """When a question that brought no report is put again; ``None`` leaves the due time alone."""
    if withdrawal.state in _BEING_SENT:
        return None
    if withdrawal.state in FINAL:
        goes_on = isinstance(answer, NoAnswer) and withdrawal.questions + 1 < FINAL_QUESTIONS_MAX
        return _next_question(withdrawal, policy) if goes_on else None
    return _next_question(withdrawal, policy)


def _next_question(
    withdrawal: Withdrawal, policy: Policy, *, at_least: timedelta = timedelta()
) -> timedelta:
    return max(doubling(policy.ask_every, withdrawal.questions, most=_ASK_MOST), at_least)
