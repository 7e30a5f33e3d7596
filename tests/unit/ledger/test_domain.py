"""A journal that does not balance cannot exist."""

from collections import Counter
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payops.kernel.money import KES, USD, Money
from payops.ledger import entries
from payops.ledger.domain import (
    AVAILABLE,
    HELD,
    PLATFORM,
    Journal,
    Owner,
    Posted,
    Posting,
    parse_journal_id,
    show,
    wallet_changes,
)

HOLD = UUID(int=7)
AMOUNT = Money(1_250, KES)
EVERY_JOURNAL = [
    entries.credit("u", AMOUNT, reference="r", reason="why"),
    entries.debit("u", AMOUNT, reference="r", reason="why"),
    entries.withdrawal_held("u", AMOUNT, reference="wd_1"),
    entries.withdrawal_paid("u", AMOUNT, reference="wd_1", hold=HOLD),
    entries.withdrawal_released("u", AMOUNT, reference="wd_1", hold=HOLD),
]


def posting(account: str, minor: int, currency: str = "KES") -> Posting:
    return Posting(account, Money(minor, KES if currency == "KES" else USD))


@pytest.mark.parametrize(
    "postings",
    [
        (),
        (posting(AVAILABLE, 1),),
        (posting(AVAILABLE, 1), posting(PLATFORM, -2)),
        (posting(AVAILABLE, 1), posting(PLATFORM, -1, "USD")),
        (posting(AVAILABLE, 0), posting(PLATFORM, 0)),
        (posting(AVAILABLE, 1), posting(PLATFORM, -1), posting(HELD, 0)),
    ],
)
def test_an_unbalanced_or_empty_journal_is_refused(postings: tuple[Posting, ...]) -> None:
    """Per currency, with no line that says nothing."""
    with pytest.raises(ValueError, match=r"does not balance|empty line"):
        Journal("u", "credit", "r", postings)


@pytest.mark.parametrize("journal", EVERY_JOURNAL, ids=lambda j: j.kind)
def test_every_journal_we_can_make_balances_and_can_be_undone(journal: Journal) -> None:
    """Its reversal moves every account back."""
    posted = Posted(
        "u", journal.id, journal.kind, "r", "", datetime(2026, 1, 1, tzinfo=UTC), journal.postings
    )
    reversal = entries.reversal(posted, reason="a mistake")

    moved: Counter[str] = Counter()
    for line in (*journal.postings, *reversal.postings):
        moved[line.account] += line.amount.minor
    assert {0} == set(moved.values())
    assert (journal.id, str(journal.id)) == (reversal.closes, reversal.reference)


def test_a_payout_takes_only_what_was_held() -> None:
    """Capture and release both close the hold; only one of them gives back."""
    changes = {j.kind: wallet_changes([j])[Owner("u", "KES")] for j in EVERY_JOURNAL}

    assert {
        "credit": (1_250, 0),
        "debit": (-1_250, 0),
        "withdrawal_held": (-1_250, 1_250),
        "withdrawal_paid": (0, -1_250),
        "withdrawal_released": (1_250, -1_250),
    } == changes
    assert {HOLD} == {
        j.closes for j in EVERY_JOURNAL if j.kind.startswith("withdrawal_") and j.closes
    }


@given(st.lists(st.sampled_from(EVERY_JOURNAL)))
def test_wallet_changes_are_the_sums_of_the_entries(journals: list[Journal]) -> None:
    """However many journals a batch holds."""
    sums: Counter[str] = Counter()
    for journal in journals:
        for line in journal.postings:
            sums[line.account] += line.amount.minor

    changes = wallet_changes(journals)

    expected = {Owner("u", "KES"): (sums[AVAILABLE], sums[HELD])} if journals else {}
    assert expected == changes


def test_currencies_and_users_are_counted_apart() -> None:
    """One wallet per user and currency; house accounts are no wallets."""
    journals = [
        entries.credit("a", Money(1, KES), reference="r", reason="x"),
        entries.credit("a", Money(2, USD), reference="s", reason="x"),
        entries.credit("b", Money(3, KES), reference="r", reason="x"),
    ]

    assert {
        Owner("a", "KES"): (1, 0),
        Owner("a", "USD"): (2, 0),
        Owner("b", "KES"): (3, 0),
    } == wallet_changes(journals)


def test_a_journal_id_has_one_spelling() -> None:
    """And a withdrawal's id is not one."""
    assert parse_journal_id(show(HOLD)) == HOLD
    with pytest.raises(ValueError, match="not a jrn id"):
        parse_journal_id(show(HOLD).replace("jrn", "wd"))
