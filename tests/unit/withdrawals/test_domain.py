"""The table of states and events, complete and safe by enumeration."""

from itertools import product

import pytest

from payops.withdrawals.domain import (
    ECHOES,
    FINAL,
    TRANSITIONS,
    Event,
    State,
    advance,
)
from payops.withdrawals.errors import IllegalTransition

EVERY_PAIR = list(product(State, Event))

# Every pair that is neither: a person must look. Written out, so that a change is seen.
CONTRADICTIONS = {
    State.PENDING: "turned_away retrying taken declined answer_lost reported_paid"
    " reported_failed stayed_unclear refunded",
    State.SENDING: "stayed_unclear cancelled refunded doubted",
    State.SENT: "claimed turned_away declined gave_up cancelled refunded doubted",
    State.UNRESOLVED: "claimed declined gave_up cancelled refunded doubted",
    State.REVIEW: "claimed turned_away declined gave_up cancelled refunded doubted",
    State.COMPLETED: "claimed turned_away declined gave_up reported_failed stayed_unclear"
    " cancelled doubted",
    State.FAILED: "claimed turned_away gave_up reported_paid stayed_unclear cancelled refunded"
    " doubted",
    State.CANCELLED: "claimed turned_away retrying taken declined gave_up answer_lost"
    " reported_paid reported_failed stayed_unclear cancelled refunded doubted",
    State.REVERSED: "claimed turned_away retrying declined gave_up answer_lost"
    " reported_failed stayed_unclear cancelled refunded doubted",
}


def is_contradiction(state: State, event: Event) -> bool:
    return event.value in CONTRADICTIONS[state].split()


@pytest.mark.parametrize(("state", "event"), EVERY_PAIR)
def test_every_pair_is_a_transition_an_echo_or_a_contradiction(state: State, event: Event) -> None:
    """Exactly one of the three, and ``advance`` does what the tables say."""
    kinds = [
        (state, event) in TRANSITIONS,
        (state, event) in ECHOES,
        is_contradiction(state, event),
    ]

    assert [True] == [kind for kind in kinds if kind]
    if is_contradiction(state, event):
        with pytest.raises(IllegalTransition) as caught:
            advance(state, event)
        assert (state, event) == (caught.value.state, caught.value.event)
    else:
        assert TRANSITIONS.get((state, event), state) == advance(state, event)


def test_only_a_refund_leaves_a_final_state() -> None:
    """What is final stays final, whatever is reported later."""
    leaving = {(state, event) for state, event in TRANSITIONS if state in FINAL}

    assert {(State.COMPLETED, Event.REFUNDED)} == leaving


def test_only_a_report_ends_a_payout_that_may_have_been_paid() -> None:
    """Out of doubt no hold is released by a reply, the clock or a decision of ours."""
    doubtful = (State.SENT, State.UNRESOLVED, State.REVIEW)
    endings = {
        event for (state, event), end in TRANSITIONS.items() if state in doubtful and end in FINAL
    }

    assert {Event.REPORTED_PAID, Event.REPORTED_FAILED} == endings


def test_nothing_that_was_sent_becomes_cancellable_or_queued_again() -> None:
    """``pending`` is reached only by proof that nothing was acted on."""
    into_pending = {pair for pair, end in TRANSITIONS.items() if end is State.PENDING}
    into_cancelled = {pair for pair, end in TRANSITIONS.items() if end is State.CANCELLED}

    assert {(State.SENDING, Event.TURNED_AWAY)} == into_pending
    assert {(State.PENDING, Event.CANCELLED)} == into_cancelled


def test_what_is_queued_can_be_put_in_doubt_and_nothing_else_can() -> None:
    """Of the others it is known that they may have been sent, or that they are settled."""
    doubted = {state: end for (state, event), end in TRANSITIONS.items() if event is Event.DOUBTED}

    assert {State.PENDING: State.UNRESOLVED} == doubted


def test_every_state_can_be_reached_from_the_first() -> None:
    """No state is a dead name, and every one that holds money can let go of it."""
    reached = {State.PENDING}
    while found := {TRANSITIONS[pair] for pair in TRANSITIONS if pair[0] in reached} - reached:
        reached |= found
    assert set(State) == reached

    ending = set(FINAL)
    while found := {s for (s, _), end in TRANSITIONS.items() if end in ending} - ending:
        ending |= found
    assert set(State) == ending
