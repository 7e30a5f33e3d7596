"""Exact amounts: whole minor units and a currency; nothing is rounded, nothing is a float."""

import re
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Final

_DECIMAL_TEXT = re.compile(r"(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,8})?", re.ASCII)

# The largest amount a request may name: far above any payment, far below what a
# BIGINT column can add up without overflow.
MINOR_MAX: Final = 10**15


@dataclass(frozen=True, slots=True)
class Currency:
    """A ledger currency: ``exponent`` decimals, so 10 ** exponent minor units make one."""

    code: str
    exponent: int


KES: Final = Currency("KES", 2)
USD: Final = Currency("USD", 2)

CURRENCIES: Final = MappingProxyType({c.code: c for c in (KES, USD)})


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount, in whole minor units: KES 12.50 is ``Money(1250, KES)``."""

    minor: int
    currency: Currency

    @classmethod
    def parse(cls, text: str, currency: Currency) -> "Money":
        """Read a plain decimal such as ``"12.50"``: ASCII digits, no sign, no exponent.

        Raises:
            ValueError: written otherwise, finer than one minor unit, or beyond
                ``MINOR_MAX``. What a client sent is never rounded.
        """
        if not _DECIMAL_TEXT.fullmatch(text):
            raise ValueError("not a plain decimal number")
        minor = Decimal(text).scaleb(currency.exponent)
        if minor != minor.to_integral_value():
            raise ValueError(f"more than {currency.exponent} decimals")
        if minor > MINOR_MAX:
            raise ValueError("too large")
        return cls(int(minor), currency)

    @classmethod
    def whole(cls, units: int, currency: Currency) -> "Money":
        """``units`` whole shillings, dollars, …"""
        return cls(units * 10**currency.exponent, currency)

    @property
    def text(self) -> str:
        """The amount with all its decimals: ``"12.50"``."""
        sign, digits = "-" * (self.minor < 0), str(abs(self.minor))
        if not self.currency.exponent:
            return sign + digits
        digits = digits.rjust(self.currency.exponent + 1, "0")
        cut = -self.currency.exponent
        return f"{sign}{digits[:cut]}.{digits[cut:]}"

    def __str__(self) -> str:
        return f"{self.currency.code} {self.text}"

    def __add__(self, other: "Money") -> "Money":
        if self.currency != other.currency:
            raise ValueError(f"cannot add {other.currency.code} to {self.currency.code}")
        return Money(self.minor + other.minor, self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.minor, self.currency)
