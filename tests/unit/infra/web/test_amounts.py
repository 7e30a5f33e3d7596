"""Amounts as clients write them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from payops.infra.web.amounts import (
    AmountNotWholeShillings,
    MoneyText,
    WholeShillings,
    money_of,
)
from payops.infra.web.body import parse
from payops.infra.web.wire import Wire
from payops.kernel.errors import Fault, Invalid, Malformed
from payops.kernel.money import KES, MINOR_MAX, USD, Money


class Shillings(Wire):
    amount_kes: WholeShillings = Field(alias="amountKES")


class Sum(Wire):
    amount: MoneyText


def shillings(written: str) -> int:
    return parse(Shillings, b'{"amountKES": %s}' % written.encode()).amount_kes


@pytest.mark.parametrize(
    ("written", "expected"),
    [("10", 10), ('"10"', 10), ('"10.0"', 10), ('"10.00"', 10), ('"250000"', 250_000)],
)
def test_whole_shillings_are_read_however_many_zeros_follow(written: str, expected: int) -> None:
    """Integers and decimal strings without cents are whole shillings."""
    assert expected == shillings(written)


@pytest.mark.parametrize("written", ['"10.50"', '"0.01"', '"10.005"', '"1500.5"'])
def test_cents_have_an_error_of_their_own(written: str) -> None:
    """Cents are never rounded away: the client is told about them."""
    with pytest.raises(AmountNotWholeShillings) as refused:
        shillings(written)

    assert "amount_not_whole_shillings" == refused.value.code
    assert (Fault("/amountKES", "must be in whole shillings"),) == refused.value.faults


@pytest.mark.parametrize(
    "written",
    [
        *["10.0", "10.5", "1e3", "1E400", "true", "false", "null", "[]", "{}"],
        *["0", "-1", '"0"', '"0.00"', '"-5"', '"+5"', '"1e3"', '"5_000"', '"5,000"', '" 5"'],
        *['"5 "', '"5\\n"', '"05"', '".5"', '"5."', '""', '"٥"', '"５"', '"0x10"', '"NaN"'],
        *['"Infinity"', str(MINOR_MAX), f'"{MINOR_MAX}"', "9" * 400, f'"{"9" * 400}"'],
    ],
)
def test_anything_else_is_no_amount(written: str) -> None:
    """Floats, exponents, separators, other digits, signs, nothing and too much are refused."""
    with pytest.raises(Invalid) as refused:
        shillings(written)

    assert "validation_failed" == refused.value.code
    assert ["/amountKES"] == [fault.pointer for fault in refused.value.faults]


def test_other_faults_are_told_before_the_cents() -> None:
    """With several faults the general code stands, and all are listed."""
    with pytest.raises(Invalid) as refused:
        parse(Shillings, b'{"amountKES": "1.50", "more": 1}')

    assert "validation_failed" == refused.value.code
    assert {"/amountKES", "/more"} == {fault.pointer for fault in refused.value.faults}


@given(st.integers(1, MINOR_MAX // 100))
def test_every_whole_amount_comes_back(whole: int) -> None:
    """What is written is what is read, as a number and as text."""
    assert whole == shillings(str(whole)) == shillings(f'"{whole}"') == shillings(f'"{whole}.00"')


@given(st.text(max_size=12))
def test_no_text_is_read_as_another_amount(text: str) -> None:
    """A string is refused, or it is the plain decimal it looks like."""
    try:
        whole = shillings(json.dumps(text))
    except (Invalid, Malformed):
        return

    assert text.partition(".")[0] == str(whole)
    assert text.isascii()


@pytest.mark.parametrize(
    ("written", "minor"), [(25, 2500), ("25", 2500), ("25.5", 2550), ("0.01", 1)]
)
def test_other_amounts_take_the_decimals_of_their_currency(written: Any, minor: int) -> None:
    """An amount in dollars has cents."""
    amount = parse(Sum, json.dumps({"amount": written}).encode()).amount

    assert Money(minor, USD) == money_of(amount, USD)


@pytest.mark.parametrize("written", ["25.005", "0", "0.00"])
def test_more_decimals_than_the_currency_has_are_refused(written: str) -> None:
    """Nothing is rounded to the minor unit, and nothing is not an amount."""
    with pytest.raises(Invalid) as refused:
        money_of(written, KES, pointer="/price")

    assert ["/price"] == [fault.pointer for fault in refused.value.faults]


@pytest.mark.parametrize("written", [10.0, True, "1e2", "", "-1", -1, None])
def test_other_amounts_are_no_laxer(written: Any) -> None:
    """The form is judged the same way whatever the currency."""
    with pytest.raises(Invalid):
        parse(Sum, json.dumps({"amount": written}).encode())
