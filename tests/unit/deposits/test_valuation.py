"""What an arrival is worth: exact, never above its share, and larger for more."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payops.deposits.domain.valuation import (
    Quote,
    at_market,
    pro_rata,
    usd_cents_for,
    with_spread,
)

prices = st.integers(1, 10**12)
coins = st.decimals(
    min_value="1e-18", max_value="1e12", places=18, allow_nan=False, allow_infinity=False
).filter(bool)
rates = st.decimals(min_value="0.00000001", max_value="999999.99999999", places=8).filter(bool)
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@given(price=prices, arrived=coins, asked=coins)
def test_a_share_of_the_price_is_exact_and_rounded_down_once(
    price: int, arrived: Decimal, asked: Decimal
) -> None:
    """The same as in fractions, whatever the digits: no context of decimals cuts anything off."""
    exact = price * Fraction(arrived) / Fraction(asked)

    assert floor(exact) == pro_rata(price, arrived, asked)
    assert 0 <= exact - pro_rata(price, arrived, asked) < 1


@given(price=prices, asked=coins)
def test_what_was_asked_for_is_worth_the_price(price: int, asked: Decimal) -> None:
    """To the last cent, and a hair less than asked for is never the whole price."""
    assert price == pro_rata(price, asked, asked)
    with localcontext(prec=60):
        less = asked - Decimal("1e-18")
    assert less <= 0 or pro_rata(price, less, asked) < price


@given(price=prices, one=coins, other=coins, asked=coins)
def test_more_coins_are_never_worth_less(
    price: int, one: Decimal, other: Decimal, asked: Decimal
) -> None:
    """Monotone; and two arrivals apart are never worth more than together."""
    parts = [pro_rata(price, part, asked) for part in (one, other)]
    together = floor(price * (Fraction(one) + Fraction(other)) / Fraction(asked))

    assert (one <= other) == (one <= other and parts[0] <= parts[1])
    assert sum(parts) <= together


@pytest.mark.parametrize(
    ("arrived", "asked"), [("0", "1"), ("1", "0"), ("-1", "1"), ("1", "-1"), ("0", "0")]
)
def test_nothing_and_less_than_nothing_have_no_worth(arrived: str, asked: str) -> None:
    """A quote and an arrival are positive, or somebody has erred."""
    with pytest.raises(ValueError, match="positive"):
        pro_rata(100, Decimal(arrived), Decimal(asked))


@given(usd=coins, rate=st.none() | rates)
def test_at_the_market_a_value_is_rounded_down_once(usd: Decimal, rate: Decimal | None) -> None:
    """In dollars, or in shillings at the rate."""
    exact = Fraction(usd) * (Fraction(rate) if rate is not None else 1) * 100

    assert floor(exact) == at_market(usd, rate)


@given(kes=st.integers(1, 10**13), rate=rates)
def test_a_price_in_dollars_is_never_worth_less_than_the_shillings(kes: int, rate: Decimal) -> None:
    """The house asks for a cent more rather than for a cent less than it credits."""
    cents = usd_cents_for(kes, rate)

    assert ceil(Fraction(kes) / Fraction(rate)) == cents
    assert cents * Fraction(rate) >= kes > (cents - 1) * Fraction(rate)


@given(rate=rates, bps=st.integers(0, 2_000))
def test_a_spread_only_takes(rate: Decimal, bps: int) -> None:
    """Fewer shillings a dollar, and all of them without one."""
    assert with_spread(rate, bps) <= rate
    assert with_spread(rate, 0) == rate


@pytest.mark.parametrize(
    ("ends_in", "covered"), [(timedelta(0), True), (timedelta(seconds=-1), False), (None, False)]
)
def test_a_quote_covers_what_came_until_its_end(ends_in: timedelta | None, covered: bool) -> None:  # noqa: FBT001 - a parameter of a table
    """The last moment counts; a quote whose end nobody knows covers nothing."""
    quote = Quote(Decimal(1), NOW + ends_in if ends_in is not None else None)

    assert covered == quote.covers(NOW)
