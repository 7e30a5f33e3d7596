"""What a user has at stake, in shillings: above a limit, one person does not unblock alone."""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from payops.deposits.errors import RateUnavailable
from payops.deposits.service.rates import Rates
from payops.infra.db import Tx
from payops.kernel.money import KES, USD
from payops.ledger import service as ledger


@dataclass(frozen=True, slots=True)
class Stakes:
    """``alone_max_minor`` is in cents of a shilling. One per process."""

    alone_max_minor: int
    rates: Rates

    async def need_two(self, tx: Tx, user_id: str) -> bool:
        """Whether available and held together are above the limit.

        Dollars count at the rate of today; without one, having any is above every limit.
        """
        total = 0
        for wallet in await ledger.wallets(tx, user_id):
            minor = wallet.available + wallet.held
            if wallet.owner.currency == KES.code:
                total += minor
            elif minor:
                try:
                    total += await self._in_shillings(tx, minor, wallet.owner.currency)
                except RateUnavailable:
                    return True
        return total > self.alone_max_minor

    async def _in_shillings(self, tx: Tx, minor: int, currency: str) -> int:
        if currency != USD.code:
            raise RateUnavailable
        rate = (await self.rates.current(tx)).rate
        return ceil(minor * Fraction(rate))
