"""Short ways to fill and read the books in ledger tests."""

from typing import Any

from payops.infra.db import Database, Tx
from payops.kernel.ids import new_id
from payops.kernel.money import KES, Currency, Money
from payops.ledger import entries, service
from payops.ledger.domain import Journal, Owner

USER = "usr_1"
OTHER = "usr_2"
TXID = "wd_01h455vb4pex5vsknk084sn02q"


def kes(units: int) -> Money:
    return Money.whole(units, KES)


def funding(units: int, *, user: str = USER, reference: str = "") -> Journal:
    return entries.credit(user, kes(units), reference=reference or str(new_id()), reason="test")


async def post(database: Database, *journals: Journal) -> None:
    """In one transaction, wallets made as needed."""

    async def work(tx: Tx) -> None:
        owners = {Owner(j.user_id, p.amount.currency.code) for j in journals for p in j.postings}
        await service.lock(tx, owners, create=owners)
        await service.post(tx, journals)

    await database.run(work)


async def balance(
    database: Database, user: str = USER, currency: Currency = KES
) -> tuple[int, int] | None:
    """Available and held in minor units; ``None`` when there is no such wallet."""
    async with database.transaction(read_only=True) as tx:
        for wallet in await service.wallets(tx, user):
            if wallet.owner.currency == currency.code:
                return wallet.available, wallet.held
    return None


async def broken(database: Database, *invariants: Any) -> set[str]:
    """The names of the invariants that do not hold."""
    found = (
        await service.verify(database, invariants) if invariants else await service.verify(database)
    )
    return {violation.name for violation in found}
