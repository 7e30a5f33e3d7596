"""What an arrival is worth: exact fractions, rounded down once, never what a callback says.

An arrival inside the window of its quote is worth its share of the price. Outside it the
quote would be a free option for the payer, so a fresh rate is asked for and recorded.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from math import ceil, floor


class Method(StrEnum):
    QUOTE = "quote"  # its share of the invoice's price, at the provider's quote
    MARKET = "market"  # at a rate asked for when it settled
    DECISION = "decision"  # two people decided


@dataclass(frozen=True, slots=True)
class Quote:
    """The provider asked for ``pay_amount`` coins for the whole price until ``expires_at``."""

    pay_amount: Decimal
    expires_at: datetime | None  # None: nobody knows until when

    def covers(self, arrived_at: datetime) -> bool:
        """Whether it stood. One whose end nobody knows is not honoured: it may be days old."""
        return self.expires_at is not None and arrived_at <= self.expires_at


def pro_rata(price_minor: int, arrived: Decimal, pay_amount: Decimal) -> int:
    """``floor(price × arrived / pay_amount)`` in the price's minor units.

    Raises:
        ValueError: the quote or the arrival is not positive.
    """
    if pay_amount <= 0 or arrived <= 0:
        raise ValueError("a quote and an arrival are positive")
    value: int = floor(price_minor * Fraction(arrived) / Fraction(pay_amount))
    return value


def at_market(usd: Decimal, kes_per_usd: Decimal | None, exponent: int = 2) -> int:
    """What ``usd`` dollars are in minor units of the wallet; ``kes_per_usd`` for a KES wallet."""
    value = Fraction(usd) * (Fraction(kes_per_usd) if kes_per_usd is not None else 1)
    minor: int = floor(value * 10**exponent)
    return minor


def usd_cents_for(kes_minor: int, kes_per_usd: Decimal) -> int:
    """The price in US cents of ``kes_minor`` cents of a shilling, rounded up: the house never
    asks for less than it credits.
    """
    cents: int = ceil(Fraction(kes_minor) / Fraction(kes_per_usd))
    return cents


def with_spread(kes_per_usd: Decimal, spread_bps: int) -> Decimal:
    """The rate a payer gets: fewer shillings a dollar by ``spread_bps`` hundredths of a percent."""
    return kes_per_usd * (10_000 - spread_bps) / 10_000
