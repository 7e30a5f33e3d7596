"""The states of a withdrawal, what moves it, and what must agree before it moves.

Pure decisions: no clock, no database, no network. ``docs/states.md`` is drawn from the
tables below.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from payops.kernel.ids import read_id, show_id
from payops.withdrawals.errors import IllegalTransition

ID_PREFIX = "wd"


class State(StrEnum):
    PENDING = "pending"  # funds held, nothing sent that could have been acted on
    SENDING = "sending"  # an attempt is written down and may be on the wire
    SENT = "sent"  # the rail took it; the result comes later
    UNRESOLVED = "unresolved"  # it may have been paid: ask, never send again, never refund
    REVIEW = "review"  # asking has not settled it: a person must
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REVERSED = "reversed"  # completed, then given back by two people's decision


class Event(StrEnum):
    CLAIMED = "claimed"  # a worker wrote an attempt down and is about to send it
    TURNED_AWAY = "turned_away"  # proof that no attempt so far can have been acted on
    RETRYING = "retrying"  # the rail de-duplicates: the same id goes out again
    TAKEN = "taken"
    DECLINED = "declined"
    GAVE_UP = "gave_up"  # never connected, or the rail stayed away too long
    ANSWER_LOST = "answer_lost"
    REPORTED_PAID = "reported_paid"
    REPORTED_FAILED = "reported_failed"
    STAYED_UNCLEAR = "stayed_unclear"  # asked often enough without a usable answer
    CANCELLED = "cancelled"
    REFUNDED = "refunded"
    DOUBTED = "doubted"  # it may have been sent by a process whose record of it is lost


_S, _E = State, Event

TRANSITIONS: Mapping[tuple[State, Event], State] = MappingProxyType(
    {
        (_S.PENDING, _E.CLAIMED): _S.SENDING,
        (_S.PENDING, _E.CANCELLED): _S.CANCELLED,
        (_S.PENDING, _E.GAVE_UP): _S.FAILED,
        # After a failover or a restore "nothing was sent" is what we know, not what happened.
        (_S.PENDING, _E.DOUBTED): _S.UNRESOLVED,
        (_S.SENDING, _E.TURNED_AWAY): _S.PENDING,
        (_S.SENDING, _E.RETRYING): _S.SENDING,
        (_S.SENDING, _E.CLAIMED): _S.SENDING,
        (_S.SENDING, _E.TAKEN): _S.SENT,
        (_S.SENDING, _E.DECLINED): _S.FAILED,
        (_S.SENDING, _E.GAVE_UP): _S.FAILED,
        (_S.SENDING, _E.ANSWER_LOST): _S.UNRESOLVED,
        # A callback can overtake the reply to the request that caused it.
        (_S.SENDING, _E.REPORTED_PAID): _S.COMPLETED,
        (_S.SENDING, _E.REPORTED_FAILED): _S.FAILED,
        (_S.SENT, _E.ANSWER_LOST): _S.UNRESOLVED,
        (_S.SENT, _E.REPORTED_PAID): _S.COMPLETED,
        (_S.SENT, _E.REPORTED_FAILED): _S.FAILED,
        (_S.SENT, _E.STAYED_UNCLEAR): _S.REVIEW,
        # The lease can end before an answer that then arrives after all.
        (_S.UNRESOLVED, _E.TAKEN): _S.SENT,
        (_S.UNRESOLVED, _E.REPORTED_PAID): _S.COMPLETED,
        (_S.UNRESOLVED, _E.REPORTED_FAILED): _S.FAILED,
        (_S.UNRESOLVED, _E.STAYED_UNCLEAR): _S.REVIEW,
        (_S.REVIEW, _E.TAKEN): _S.SENT,
        (_S.REVIEW, _E.REPORTED_PAID): _S.COMPLETED,
        (_S.REVIEW, _E.REPORTED_FAILED): _S.FAILED,
        (_S.COMPLETED, _E.REFUNDED): _S.REVERSED,
    }
)

# True, late, and changing nothing. Whatever is in neither table is a contradiction.
ECHOES = frozenset(
    {
        # What the sender learns after a callback, a question or the end of its lease.
        (_S.SENT, _E.TAKEN),
        (_S.SENT, _E.RETRYING),
        (_S.UNRESOLVED, _E.ANSWER_LOST),
        (_S.UNRESOLVED, _E.RETRYING),
        (_S.UNRESOLVED, _E.TURNED_AWAY),
        (_S.REVIEW, _E.ANSWER_LOST),
        (_S.REVIEW, _E.RETRYING),
        (_S.REVIEW, _E.STAYED_UNCLEAR),
        (_S.COMPLETED, _E.TAKEN),
        (_S.COMPLETED, _E.RETRYING),
        (_S.COMPLETED, _E.ANSWER_LOST),
        (_S.COMPLETED, _E.REPORTED_PAID),
        (_S.FAILED, _E.TAKEN),
        (_S.FAILED, _E.RETRYING),
        (_S.FAILED, _E.DECLINED),
        (_S.FAILED, _E.ANSWER_LOST),
        (_S.FAILED, _E.REPORTED_FAILED),
        (_S.REVERSED, _E.REPORTED_PAID),
        (_S.REVERSED, _E.TAKEN),
    }
)

FINAL = frozenset({_S.COMPLETED, _S.FAILED, _S.CANCELLED, _S.REVERSED})


def advance(state: State, event: Event) -> State:
    """Where ``event`` takes ``state``; an echo leaves it where it is.

    Raises:
        IllegalTransition: the two contradict each other, for example a failure
            reported after a payment. A person must look; no code may choose.
    """
    if (state, event) in ECHOES:
        return state
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalTransition(state, event) from None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why no money moved: our code, words that may be shown, the rail's own code."""

    code: str
    message: str
    provider_code: str = ""


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """One withdrawal as it stands. Amounts are KES cents; times are the database's.

    ``due_at`` is when something must look at it again: to send (``pending``, or ``sending``
    between two attempts), to end its lease (``sending`` with an open attempt), or to ask
    (``sent``, ``unresolved``). ``None``: nothing is due.
    """

    user_id: str
    id: UUID
    state: State
    amount_minor: int
    rail: str
    hold_id: UUID  # the journal that set the money aside
    phone_sealed: bytes  # empty once it was erased
    phone_index: bytes
    phone_masked: str
    caller: str
    created_at: datetime
    updated_at: datetime
    due_at: datetime | None
    request_id: str | None = None
    attempts: int = 0  # sends begun
    tries: int = 0  # of these, the ones that count towards the retry limit
    is_doubtful: bool = False  # an attempt may have been acted on
    questions: int = 0  # status answers since the last send
    unknown_answers: int = 0  # spaced "not known" answers
    unknown_at: datetime | None = None  # when the last of them came
    first_sent_at: datetime | None = None
    provider_reference: str | None = None
    receipt: str | None = None
    failure: Failure | None = None

    @property
    def txid(self) -> str:
        return show(self.id)

    @property
    def is_phone_erased(self) -> bool:
        return not self.phone_sealed


def show(withdrawal_id: UUID) -> str:
    """The transaction id: ``wd_…``; also the reference the rail de-duplicates on."""
    return show_id(ID_PREFIX, withdrawal_id)


def read(txid: str) -> UUID:
    """Raises ``ValueError`` for anything ``show`` does not write."""
    return read_id(ID_PREFIX, txid)
