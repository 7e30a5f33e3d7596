"""Journals that cannot exist unbalanced, and the reading of them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from payops.kernel.ids import new_id, read_id, show_id
from payops.kernel.money import Currency, Money

ID_PREFIX = "jrn"

# The owner of journals that concern no user; no user id can look like it.
HOUSE = "@house"

AVAILABLE = "wallet:available"
HELD = "wallet:held"
MPESA_CLEARING = "mpesa:clearing"
PLATFORM = "platform"
SUSPENSE = "suspense"  # money whose owner people have yet to decide on


def clearing(provider: str) -> str:
    """What a provider of deposits owes us."""
    return f"{provider}:clearing"


def fees(provider: str) -> str:
    """What a provider of deposits has kept for itself."""
    return f"fees:{provider}"


def losses(provider: str) -> str:
    """What the house bears of money that went wrong at a provider."""
    return f"losses:{provider}"


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose wallet: one per user and currency."""

    user_id: str
    currency: str


@dataclass(frozen=True, slots=True)
class Wallet:
    """A balance as locked or read, in minor units."""

    owner: Owner
    available: int
    held: int


@dataclass(frozen=True, slots=True)
class Posting:
    account: str
    amount: Money  # signed: what the account gains


@dataclass(frozen=True, slots=True)
class Journal:
    """One movement of money. ``(user_id, kind, reference)`` happens once.

    ``closes`` names the journal this one ends: a hold captured or released, a journal
    reversed. A journal is closed at most once.
    """

    user_id: str
    kind: str
    reference: str
    postings: tuple[Posting, ...]
    reason: str = ""
    closes: UUID | None = None
    id: UUID = field(default_factory=new_id)

    def __post_init__(self) -> None:
        sums: Counter[str] = Counter()
        for posting in self.postings:
            if not posting.amount.minor:
                raise ValueError(f"{self.kind} has an empty line on {posting.account}")
            sums[posting.amount.currency.code] += posting.amount.minor
        if not self.postings or any(sums.values()):
            raise ValueError(f"{self.kind} {self.reference} does not balance: {dict(sums)}")


@dataclass(frozen=True, slots=True)
class Posted:
    """A journal as it stands in the books."""

    user_id: str
    id: UUID
    kind: str
    reference: str
    reason: str
    posted_at: datetime
    postings: tuple[Posting, ...]
    closes: UUID | None = None

    def moved(self, account: str, currency: Currency) -> int:
        """What the journal did to ``account``, in minor units."""
        return sum(
            p.amount.minor
            for p in self.postings
            if p.account == account and p.amount.currency == currency
        )


@dataclass(frozen=True, slots=True)
class Invariant:
    """A truth about the books, as a query that returns the rows that break it."""

    name: str
    meaning: str
    sql: str


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that does not hold, with the first rows that show it."""

    name: str
    meaning: str
    rows: tuple[Mapping[str, object], ...]


def wallet_changes(journals: Iterable[Journal]) -> dict[Owner, tuple[int, int]]:
    """What ``journals`` together do to each wallet: ``(available, held)``."""
    changes: dict[Owner, tuple[int, int]] = {}
    for journal in journals:
        for posting in journal.postings:
            if posting.account not in (AVAILABLE, HELD):
                continue
            owner = Owner(journal.user_id, posting.amount.currency.code)
            available, held = changes.get(owner, (0, 0))
            if posting.account == AVAILABLE:
                available += posting.amount.minor
            else:
                held += posting.amount.minor
            changes[owner] = available, held
    return changes


def show(journal_id: UUID) -> str:
    return show_id(ID_PREFIX, journal_id)


def parse_journal_id(text: str) -> UUID:
    """Raises ``ValueError`` for anything ``show`` does not write."""
    return read_id(ID_PREFIX, text)
