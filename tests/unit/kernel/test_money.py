"""Exact amounts: what a client wrote is read as it stands, or refused."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payops.kernel.money import KES, MINOR_MAX, USD, Currency, Money

SATOSHI = Currency("BTC", 8)
YEN = Currency("JPY", 0)


@pytest.mark.parametrize(
    ("text", "minor"),
    [("0", 0), ("1", 100), ("12.5", 1250), ("12.50", 1250), ("12.500", 1250), ("0.01", 1)],
)
def test_a_plain_decimal_is_read_exactly(text: str, minor: int) -> None:
    """Trailing zeros past the currency's decimals change nothing."""
    assert Money(minor, KES) == Money.parse(text, KES)


@pytest.mark.parametrize(
    "text",
    ["", "-1", "+1", "01", "1e3", "5_000", "1,000", ".5", "5.", " 1", "1\n", "١", "NaN", "0x1"],
)
def test_anything_but_a_plain_decimal_is_refused(text: str) -> None:
    """No sign, exponent, separator, blank or foreign digit is guessed at."""
    with pytest.raises(ValueError, match="not a plain decimal"):
        Money.parse(text, KES)


def test_what_is_finer_than_a_cent_is_refused_rather_than_rounded() -> None:
    """Half a cent is nobody's to keep."""
    with pytest.raises(ValueError, match="more than 2 decimals"):
        Money.parse("0.005", KES)

    assert Money(1, SATOSHI) == Money.parse("0.00000001", SATOSHI)


def test_the_largest_amount_is_accepted_and_one_cent_more_is_not() -> None:
    """The bound stands at the edge it names."""
    assert Money(MINOR_MAX, KES) == Money.parse("10000000000000.00", KES)

    with pytest.raises(ValueError, match="too large"):
        Money.parse("10000000000000.01", KES)


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (Money(5, KES), "0.05"),
        (Money(-5, KES), "-0.05"),
        (Money(150_000, KES), "1500.00"),
        (Money(7, YEN), "7"),
        (Money(-123, SATOSHI), "-0.00000123"),
    ],
)
def test_an_amount_is_shown_with_all_its_decimals(money: Money, text: str) -> None:
    """The sign stands before the first digit, whatever the size."""
    assert text == money.text


@given(st.integers(0, MINOR_MAX), st.sampled_from([KES, SATOSHI, YEN]))
def test_what_is_shown_is_read_back(minor: int, currency: Currency) -> None:
    """Text and amount say the same, for every amount and every exponent."""
    money = Money(minor, currency)

    assert money == Money.parse(money.text, currency)
    assert Fraction(minor, 10**currency.exponent) == Fraction(money.text)


def test_two_currencies_are_never_added() -> None:
    """A sum over currencies is not an amount."""
    with pytest.raises(ValueError, match="cannot add USD to KES"):
        Money(1, KES) + Money(1, USD)

    assert Money(0, KES) == Money(5, KES) + -Money(5, KES)
    assert Money(300, KES) == Money.whole(3, KES)
