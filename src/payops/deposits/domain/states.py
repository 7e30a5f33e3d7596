"""What can become of a provider's payment, and what its invoice shows for it.

A provider's notifications come late, twice and out of order, so a state has a rank and
never moves down on an older message. ``expired`` and ``failed`` are soft: money that
arrives after all opens them again. ``docs/states.md`` is drawn from the table below.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class State(StrEnum):
    """Of an invoice; a payment is in one of those from ``WAITING`` on."""

    CREATING = "creating"  # the intent is written down, the provider may have been asked
    UNKNOWN = "unknown"  # the provider was asked and its answer was lost
    WAITING = "waiting"  # there is an address or a page, nothing was seen yet
    CONFIRMING = "confirming"  # seen on chain
    CONFIRMED = "confirmed"  # enough confirmations; the provider has yet to settle
    SENDING = "sending"  # the provider is settling
    FINISHED = "finished"
    PARTIALLY_PAID = "partially_paid"  # settled, with less than was asked for
    FAILED = "failed"
    EXPIRED = "expired"
    REFUNDED = "refunded"  # the provider gave the money back before it was credited
    REVIEW = "review"  # a person must decide


_S = State

UNBORN: Final = frozenset({_S.CREATING, _S.UNKNOWN})
SETTLED: Final = frozenset({_S.FINISHED, _S.PARTIALLY_PAID})
SOFT: Final = frozenset({_S.FAILED, _S.EXPIRED})
MONEY_SEEN: Final = frozenset({_S.CONFIRMING, _S.CONFIRMED, _S.SENDING})
FINAL: Final = SETTLED | SOFT | {_S.REFUNDED}

_UNSETTLED: Final = (_S.WAITING, _S.CONFIRMING, _S.CONFIRMED, _S.SENDING)

# What a payment may become, read back from its provider. Any forward jump: notifications
# get lost. Whatever is not here is an older message and changes nothing.
TRANSITIONS: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        _S.WAITING: frozenset({*_UNSETTLED[1:], *SETTLED, *SOFT, _S.REFUNDED}),
        _S.CONFIRMING: frozenset({*_UNSETTLED[2:], *SETTLED, *SOFT, _S.REFUNDED}),
        _S.CONFIRMED: frozenset({_S.SENDING, *SETTLED, _S.FAILED, _S.REFUNDED}),
        _S.SENDING: frozenset({*SETTLED, _S.FAILED, _S.REFUNDED}),
        _S.PARTIALLY_PAID: frozenset({_S.FINISHED, _S.REFUNDED}),
        _S.FINISHED: frozenset({_S.REFUNDED}),
        _S.EXPIRED: frozenset({*_UNSETTLED[1:], *SETTLED, _S.FAILED, _S.REFUNDED}),
        _S.FAILED: frozenset({*_UNSETTLED[1:], *SETTLED, _S.REFUNDED}),
        _S.REFUNDED: frozenset(),
    }
)

# The first that any payment of an invoice is in is what the invoice shows.
_SHOWN_FIRST: Final = (
    _S.FINISHED,
    _S.PARTIALLY_PAID,
    _S.SENDING,
    _S.CONFIRMED,
    _S.CONFIRMING,
    _S.WAITING,
    _S.REFUNDED,
    _S.FAILED,
    _S.EXPIRED,
)


def advance(state: State, seen: State) -> State:
    """Where a payment in ``state`` is after its provider said ``seen``."""
    return seen if seen in TRANSITIONS[state] else state


def shown(payments: Iterable[State], *, needs_review: bool, otherwise: State) -> State:
    """What an invoice shows for its payments.

    ``payments`` are those the invoice was made for: the one behind its address, or all that
    a hosted page brought. Repeated deposits and orphans do not change what is shown, unless
    a person must look at them. ``otherwise`` is shown while there is no payment.
    """
    if needs_review:
        return State.REVIEW
    found = set(payments)
    return next((state for state in _SHOWN_FIRST if state in found), otherwise)
