"""Phone numbers: many spellings in, one canonical form, masked wherever seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payops.pii.domain import Msisdn, parse_msisdn
from payops.pii.errors import InvalidPhoneNumber


@pytest.mark.parametrize(
    "text",
    [
        "254700000012",
        "+254700000012",
        "0700000012",
        "700000012",
        "00254700000012",
        "+254 (0)700-000-012",
        "0700 000 012",
    ],
)
def test_every_usual_spelling_is_the_same_number(text: str) -> None:
    """However Kenyans write it, it is one number."""
    assert Msisdn("254700000012") == parse_msisdn(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0700",
        "07000000123",
        "0700OOO012",
        "0700000012 ext 4",
        "0700000012;ext=4",
        "+255700000012",
        "+15550100123",
        "0202222222",
        "٠٧٠٠٠٠٠٠١٢",
        "０７０００００01２",
        "0700000012\n",
        "tel:0700000012",
    ],
)
def test_anything_else_is_refused_without_repeating_it(text: str) -> None:
    """Other countries, landlines, letters, extensions, foreign digits."""
    with pytest.raises(InvalidPhoneNumber) as caught:
        parse_msisdn(text)

    assert "The phone number is not a Kenyan mobile number" == str(caught.value)


def test_a_number_shows_itself_masked_only() -> None:
    """Neither str, repr nor an f-string gives the middle away."""
    phone = Msisdn("254700000012")

    assert "+2547••••0012" == phone.masked == str(phone) == f"{phone}"
    assert "Msisdn(+2547••••0012)" == repr(phone)


@pytest.mark.parametrize("digits", ["0700000012", "+254700000012", "254200000012", "25470000001"])
def test_a_number_in_another_form_cannot_exist(digits: str) -> None:
    """Only the canonical form is a value, so equal numbers are equal."""
    with pytest.raises(InvalidPhoneNumber):
        Msisdn(digits)


@given(st.text(max_size=30))
def test_arbitrary_text_is_a_number_or_refused(text: str) -> None:
    """No input raises anything else."""
    try:
        phone = parse_msisdn(text)
    except InvalidPhoneNumber:
        return
    assert phone == Msisdn(phone.digits)
