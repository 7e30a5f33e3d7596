"""States never go back, whatever order their messages come in."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from payops.deposits.domain.states import (
    FINAL,
    MONEY_SEEN,
    SETTLED,
    SOFT,
    TRANSITIONS,
    UNBORN,
    State,
    advance,
    shown,
)

OF_PAYMENTS = sorted(TRANSITIONS)
RANK = {
    State.WAITING: 0,
    State.CONFIRMING: 1,
    State.CONFIRMED: 2,
    State.SENDING: 3,
    State.PARTIALLY_PAID: 4,
    State.FINISHED: 5,
    State.REFUNDED: 6,
}
messages = st.lists(st.sampled_from(OF_PAYMENTS), max_size=12)


def heard(said: list[State]) -> list[State]:
    """Where a payment is after each message."""
    found = [State.WAITING]
    for state in said:
        found.append(advance(found[-1], state))
    return found


@given(said=messages)
def test_a_rank_never_falls(said: list[State]) -> None:
    """Only expired and failed are left again, and then forward."""
    for before, after in pairwise(heard(said)):
        if before in RANK and after in RANK:
            assert RANK[before] <= RANK[after]
        if after is State.WAITING:
            assert before is State.WAITING


@given(said=messages, data=st.data())
def test_any_order_that_ends_settled_ends_the_same(said: list[State], data: st.DataObject) -> None:
    """What is read back last decides, however the ones before it were shuffled and doubled."""
    end = data.draw(st.sampled_from(sorted(SETTLED)))
    before = [state for state in said if state is not State.REFUNDED and state not in SETTLED]
    shuffled = data.draw(st.permutations([*before, *before]))

    assert end == heard([*before, end])[-1] == heard([*shuffled, end])[-1]


@given(said=messages)
def test_hearing_it_twice_changes_nothing(said: list[State]) -> None:
    """Each message once or three times in a row: the same end."""
    tripled = [state for state in said for _ in range(3)]

    assert heard(said)[-1] == heard(tripled)[-1]


@given(said=messages)
def test_what_is_settled_or_refunded_is_not_expired_or_failed_by_an_older_word(
    said: list[State],
) -> None:
    """Settled stays settled, or is refunded; refunded is the end."""
    path = heard([*said, State.PARTIALLY_PAID])
    after = heard([State.FINISHED, *said])

    assert path[-1] in {State.PARTIALLY_PAID, State.FINISHED, State.REFUNDED}
    assert set(after[1:]) <= {State.FINISHED, State.REFUNDED}


def test_money_may_come_after_expiry_and_failure() -> None:
    """Both are soft: every state with money in it can follow them."""
    for state in SOFT:
        assert MONEY_SEEN | SETTLED <= TRANSITIONS[state]


def test_every_state_of_a_payment_is_in_the_table() -> None:
    """What is not is of the invoice only."""
    assert set(State) - set(TRANSITIONS) == UNBORN | {State.REVIEW}
    assert set(TRANSITIONS) >= FINAL
    assert all(state not in reached for state, reached in TRANSITIONS.items())


@given(states=st.lists(st.sampled_from(OF_PAYMENTS), max_size=5))
def test_an_invoice_shows_its_best_payment(states: list[State]) -> None:
    """In whatever order they are looked at; a person's attention before all of them."""
    found = shown(states, needs_review=False, otherwise=State.UNKNOWN)

    assert found == shown(reversed(states), needs_review=False, otherwise=State.UNKNOWN)
    assert found in {*states, State.UNKNOWN}
    assert (found is State.UNKNOWN) == (not states)
    assert State.REVIEW == shown(states, needs_review=True, otherwise=State.UNKNOWN)
    if SETTLED & set(states):
        assert found in SETTLED
