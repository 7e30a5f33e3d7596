"""Prices as providers state them: also such as none of ours can be."""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TypeAlias

from payops.kernel.money import CURRENCIES, MINOR_MAX, Money


@dataclass(frozen=True, slots=True)
class OtherPrice:
    """A price in a currency that we have no books in, or finer than a minor unit, as stated.

    We never ask for one, so it differs from whatever was asked for.
    """

    amount: Decimal
    currency: str


StatedPrice: TypeAlias = Money | OtherPrice


def stated(amount: Decimal, currency: str) -> StatedPrice:
    """The price that ``amount`` of ``currency`` is; its code counts in any case.

    Nothing is rounded: a fraction of a cent is another price than the one without it.
    """
    code = currency.upper()
    known = CURRENCIES.get(code)
    if known is None:
        return OtherPrice(amount, code)
    minor = Fraction(amount) * 10**known.exponent
    if minor.denominator != 1 or abs(minor) > MINOR_MAX:
        return OtherPrice(amount, code)
    return Money(int(minor), known)
