"""What the machine of deposits knows: the quote, the lies, and what a coin is worth."""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any, Final

from payops.deposits.domain.invoices import Invoice
from payops.deposits.ports import NoAnswer, NotKnown, ReadAnswer
from tests.support.till import Till

MARKET_USD: Final = 2_000  # for a coin; the quote is 1,000
QUOTED_UNTIL: Final = datetime.now(UTC) + timedelta(hours=6)
IN_TIME, TOO_LATE = QUOTED_UNTIL - timedelta(hours=1), QUOTED_UNTIL + timedelta(hours=1)
QUOTE_LASTS: Final = timedelta(minutes=20)  # as configured
COUNTED: Final = ("credited", "reversed")
BAD_READS: Final[Mapping[str, ReadAnswer]] = {
    "html": NoAnswer("unreadable"),
    "outage": NoAnswer("503", is_outage=True),
    "404": NotKnown(),
}
LIES: Final[Mapping[str, dict[str, Any]]] = {
    "address": {"address": "bc1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qccfmv3"},
    "price": {"priceMinor": 1},
    "order": {"order": "inv_00000000000000000000000000"},
}
SEEN: Counter[str] = Counter()  # how often each state and method was met, over all runs


@dataclass(frozen=True, slots=True)
class World:
    """Two replicas on one database, one mint, one event loop: only the users are new in a run."""

    runner: asyncio.Runner
    replicas: tuple[Till, Till]

    def __call__(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)


@dataclass(frozen=True, slots=True)
class Bought:
    """What the model knows of a payment: whose, at which quote, and why it may be credited."""

    invoice: Invoice
    kind: str  # primary, hosted, child, orphan
    pay_amount: Decimal
    quoted_until: datetime | None = QUOTED_UNTIL  # None: its provider lets nobody know
    is_timed: bool = True  # its provider says when money arrives

    def value(self, amount: Decimal, arrived_at: datetime) -> int | None:
        """In minor units; ``None`` if a person must decide."""
        price = self.invoice.price.minor
        if self.quoted_until is not None and arrived_at <= self.quoted_until:
            return floor(price * Fraction(amount) / Fraction(self.pay_amount))
        return None if self.kind == "child" else floor(Fraction(amount) * MARKET_USD * 100)


def quoted(says: str) -> tuple[dict[str, Any], datetime | None]:
    """What a provider says of the quote it makes now, and until when that stands.

    One that names an end also says when money arrives; the others do not.
    """
    now = datetime.now(UTC)
    match says:
        case "end":
            return {"quote_expires_at": QUOTED_UNTIL}, QUOTED_UNTIL
        case "made now":
            return {"opened_at": now}, now + QUOTE_LASTS
        case "made long ago":
            return {"opened_at": now - timedelta(days=5)}, now - timedelta(days=5) + QUOTE_LASTS
        case _:
            return {}, None


def usd(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"
