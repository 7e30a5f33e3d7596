"""Moving money, reading balances, and checking that the books are right."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from payops.infra.db import Database, Tx
from payops.kernel.ids import floor_id
from payops.kernel.money import Money
from payops.ledger import entries, store
from payops.ledger.domain import Invariant, Journal, Owner, Posted, Violation, Wallet
from payops.ledger.errors import JournalNotFound, NotReversible

# No transaction lives as long as this, so nothing older can still appear.
SETTLED_AFTER = timedelta(minutes=10)

VERIFY_SECONDS_MAX = 900

REVERSIBLE = frozenset({"credit", "debit"})

INVARIANTS = (
    Invariant(
        "journals_sum_to_zero",
        "every journal sums to zero per currency",
        """SELECT user_id, journal_id, currency, sum(amount) AS excess FROM entries
        GROUP BY user_id, journal_id, currency HAVING sum(amount) <> 0""",
    ),
    Invariant(
        "journals_have_entries",
        "every journal has at least two entries",
        """SELECT j.user_id, j.id, count(e.line) AS lines FROM journals j
        LEFT JOIN entries e ON e.user_id = j.user_id AND e.journal_id = j.id
        GROUP BY j.user_id, j.id HAVING count(e.line) < 2""",
    ),
    Invariant(
        "wallets_equal_their_entries",
        "available and held of each wallet are the sums of its entries",
        """SELECT user_id, currency, w.available, w.held, e.available AS entries_available,
            e.held AS entries_held
        FROM wallets w FULL JOIN (
            SELECT user_id, currency,
                coalesce(sum(amount) FILTER (WHERE account = 'wallet:available'), 0) AS available,
                coalesce(sum(amount) FILTER (WHERE account = 'wallet:held'), 0) AS held
            FROM entries WHERE account LIKE 'wallet:%' GROUP BY user_id, currency
        ) AS e USING (user_id, currency)
        WHERE coalesce(w.available, 0) <> coalesce(e.available, 0)
            OR coalesce(w.held, 0) <> coalesce(e.held, 0)""",
    ),
    Invariant(
        "wallets_are_not_negative",
        "no wallet is negative",
        "SELECT user_id, currency, available, held FROM wallets WHERE available < 0 OR held < 0",
    ),
    Invariant(
        "journals_close_once",
        "no journal is closed by more than one other, and only by one of its own user",
        """SELECT c.user_id, c.closes, count(*) AS times FROM journals c
        LEFT JOIN journals j ON j.user_id = c.user_id AND j.id = c.closes
        WHERE c.closes IS NOT NULL
        GROUP BY c.user_id, c.closes HAVING count(*) > 1 OR bool_or(j.id IS NULL)""",
    ),
    Invariant(
        "house_balances_equal_their_entries",
        "each folded house balance is the sum of the entries it was folded from",
        """SELECT account, currency, b.balance, e.balance AS entries_balance
        FROM house_balances b FULL JOIN (
            SELECT account, currency, sum(amount) AS balance FROM entries
            WHERE account NOT LIKE 'wallet:%' AND journal_id < (
                SELECT folded_to FROM house_balances ORDER BY folded_to DESC LIMIT 1)
            GROUP BY account, currency
        ) AS e USING (account, currency)
        WHERE coalesce(b.balance, 0) <> coalesce(e.balance, 0)""",
    ),
)


async def lock(
    tx: Tx, owners: Iterable[Owner], *, create: Collection[Owner] = ()
) -> dict[Owner, Wallet]:
    """The wallets of ``owners`` that exist, locked in one order until the transaction ends.

    Those in ``create`` are made first, empty, if they do not exist.
    """
    wanted = sorted(set(owners), key=lambda owner: (owner.user_id, owner.currency))
    wallets = await store.lock(tx, wanted)
    missing = [owner for owner in wanted if owner in create and owner not in wallets]
    if missing:
        await store.create(tx, missing)
        wallets |= await store.lock(tx, missing)
    return wallets


async def post(tx: Tx, journals: Sequence[Journal]) -> None:
    """Write ``journals`` and move the wallets they touch; all of them or none.

    Raises:
        InsufficientFunds: a wallet would become negative, or does not exist.
        AlreadyPosted: one of them, or another that closes the same journal, exists.
    """
    if journals:
        await store.post(tx, journals)


async def reverse(tx: Tx, user_id: str, journal_id: UUID, *, reason: str) -> Journal:
    """Undo a journal by its opposite, at most once.

    Only of a kind that nothing else closes: the opposite of a hold would give back money
    that is on its way out, and leave a withdrawal whose hold is closed already.

    Raises:
        JournalNotFound: the user has no such journal.
        NotReversible: it is of a kind that has its own way back, or none.
        AlreadyPosted: it was reversed before.
        InsufficientFunds: what it gave has been spent.
    """
    posted = await journal_of(tx, user_id, journal_id)
    if posted.kind not in REVERSIBLE:
        raise NotReversible
    journal = entries.reversal(posted, reason=reason)
    await lock(tx, {Owner(user_id, line.amount.currency.code) for line in journal.postings})
    await post(tx, [journal])
    return journal


async def journal_of(tx: Tx, user_id: str, journal_id: UUID) -> Posted:
    """Raises ``JournalNotFound``."""
    posted = await store.by_id(tx, user_id, journal_id)
    if posted is None:
        raise JournalNotFound
    return posted


async def found(tx: Tx, journal_id: UUID) -> Posted:
    """A journal of whatever user, which costs more than ``journal_of``. Raises the same."""
    user_id = await store.user_of(tx, journal_id)
    if user_id is None:
        raise JournalNotFound
    return await journal_of(tx, user_id, journal_id)


async def closing(tx: Tx, user_id: str, journal_id: UUID) -> Posted:
    """The journal that closes ``journal_id``. Raises ``JournalNotFound`` while none does."""
    posted = await store.closing(tx, user_id, journal_id)
    if posted is None:
        raise JournalNotFound
    return posted


async def by_reference(tx: Tx, names: Collection[tuple[str, str]]) -> dict[tuple[str, str], Posted]:
    """Credits and debits by ``(user_id, reference)``, those that exist."""
    return {(p.user_id, p.reference): p for p in await store.by_reference(tx, names)}


async def wallets(tx: Tx, user_id: str, *, at: datetime | None = None) -> list[Wallet]:
    """The user's wallets, now or as they stood at a past moment."""
    if at is None:
        return await store.wallets_of(tx, user_id)
    return await store.wallets_at(tx, user_id, at)


async def history(tx: Tx, user_id: str, *, before: UUID | None, limit: int) -> list[Posted]:
    """The user's journals, newest first, starting after ``before``."""
    return await store.page(tx, user_id, before=before, limit=limit)


async def house_balances(tx: Tx) -> list[tuple[str, Money]]:
    return await store.house(tx)


async def fold_house(db: Database) -> int:
    """Fold house entries that are surely all visible into the balances; returns accounts moved.

    The house side of a posting is an entry and not a balance row, because one row that
    every transaction locks would cost most of the rate.
    """
    async with db.transaction() as tx:
        now: datetime = await tx.fetchval("SELECT now()")
        return await store.fold(tx, floor_id(now - SETTLED_AFTER))


async def verify(db: Database, invariants: Sequence[Invariant] = INVARIANTS) -> list[Violation]:
    """Check ``invariants`` in one snapshot; what is returned is broken."""
    async with db.transaction(read_only=True, seconds_max=VERIFY_SECONDS_MAX) as tx:
        found = [await store.violations(tx, invariant) for invariant in invariants]
    return [violation for violation in found if violation]
