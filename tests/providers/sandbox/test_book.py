"""The book by itself: whatever happens to it, it adds up."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payops.sandbox.lipana.book import (
    AlreadyFinal,
    Book,
    BookError,
    FloatTooLow,
    Names,
    Order,
    OtherOrder,
    Payout,
    Status,
)
from payops.sandbox.lipana.scripts import SCRIPTS

PHONE = "254711000000"


def book_of(float_kes: int) -> Book:
    return Book(float_kes, Names(seed=1))


def accepted(book: Book, amount_kes: int, transaction_id: str | None = None) -> Payout:
    return book.accept(Order(PHONE, amount_kes, transaction_id), SCRIPTS["00"])


def test_money_is_received_at_one_moment_and_once() -> None:
    """
    Acceptance reserves, payment moves; a second payment or a failure is refused.
    """
    book = book_of(100)
    payout = accepted(book, 60)
    assert (40, 60, 0) == (book.available_kes, book.reserved_kes, payout.received_kes)

    book.pay(payout)

    assert (40, 0, 60) == (book.available_kes, book.reserved_kes, payout.received_kes)
    with pytest.raises(AlreadyFinal):
        book.pay(payout)
    with pytest.raises(AlreadyFinal):
        book.fail(payout, "too late")
    assert {PHONE: 60} == book.received_by_phone


def test_a_failed_payout_cannot_be_paid() -> None:
    """
    After a failure the float is whole again and the payout stays failed.
    """
    book = book_of(100)
    payout = accepted(book, 60)
    book.fail(payout, "no wallet")

    with pytest.raises(AlreadyFinal):
        book.pay(payout)

    assert (100, Status.FAILED) == (book.available_kes, payout.status)
    assert {} == book.received_by_phone


def test_an_order_beyond_the_float_writes_nothing() -> None:
    """
    A refused order leaves no payout and no reservation.
    """
    book = book_of(100)

    with pytest.raises(FloatTooLow):
        accepted(book, 101, "wd_1")

    assert 0 == len(book)
    assert book.find("wd_1") is None


def test_a_known_order_is_found_and_a_different_one_is_refused() -> None:
    """
    The same id, phone and amount is the first payout; anything else under the id is an error.
    """
    book = book_of(100)
    payout = accepted(book, 60, "wd_1")

    assert payout is book.known(Order(PHONE, 60, "wd_1"))
    assert book.known(Order(PHONE, 60, "wd_2")) is None
    assert book.known(Order(PHONE, 60)) is None
    with pytest.raises(OtherOrder):
        book.known(Order(PHONE, 61, "wd_1"))


def test_a_book_that_was_tampered_with_says_so() -> None:
    """
    The checks are no formality: a payment beside ``pay`` is found.
    """
    book = book_of(100)
    payout = accepted(book, 60)
    book.pay(payout)

    payout.received_kes += 60
    book.received_by_phone[PHONE] += 60

    assert {"float = available + reserved + received", "paid in full or not at all"} == set(
        book.violations()
    )


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["accept", "pay", "fail", "start", "top_up"]),
            st.integers(0, 5),
            st.integers(-80, 80),
        )
    )
)
def test_any_sequence_of_operations_leaves_a_sound_book(
    operations: list[tuple[str, int, int]],
) -> None:
    """
    Whatever is done in whatever order, the book adds up after each step.
    """
    book = book_of(200)
    for what, which, amount in operations:
        try:
            if what == "accept":
                accepted(book, abs(amount))
            elif what == "top_up":
                book.top_up(amount)
            elif which < len(book):
                act(book, what, book.payouts[which])
        except BookError:
            pass
        assert [] == book.violations()


def act(book: Book, what: str, payout: Payout) -> None:
    if what == "pay":
        book.pay(payout)
    elif what == "fail":
        book.fail(payout, "because")
    else:
        book.start(payout)


def test_names_do_not_repeat() -> None:
    """
    Ten thousand ids and receipts are all different, and of the right shape.
    """
    names, now = Names(seed=1), datetime(2026, 11, 22, tzinfo=UTC)

    ids = {names.payout_id(now) for _ in range(10_000)}
    receipts = {names.receipt(now) for _ in range(10_000)}

    assert (10_000, 10_000) == (len(ids), len(receipts))
    assert {24} == {len(name) for name in ids}
    assert {"UKM"} == {receipt[:3] for receipt in receipts}
    assert {10} == {len(receipt) for receipt in receipts}
