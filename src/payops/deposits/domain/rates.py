"""The dated exchange rates that operations record."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from payops.deposits.domain.valuation import with_spread

ID_PREFIX = "fx"
USD_KES = "USD/KES"


@dataclass(frozen=True, slots=True)
class Rate:
    """Shillings for one dollar, and the house's spread in hundredths of a percent."""

    pair: str
    rate: Decimal
    spread_bps: int
    set_at: datetime | None  # None: from the configuration, which has no date
    set_by: str
    id: UUID | None = None
    reason: str = ""

    @property
    def for_payer(self) -> Decimal:
        return with_spread(self.rate, self.spread_bps)
