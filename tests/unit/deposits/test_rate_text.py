"""How a rate is written in replies."""

from decimal import Decimal

import pytest

from payops.deposits.schemas import rate_text


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        ("130.00000000", "130.00"),
        ("130", "130.00"),
        ("129.50000000", "129.50"),
        ("129.69500000", "129.695"),
        ("0.00769231", "0.00769231"),
        ("1E+2", "100.00"),
        ("1E-8", "0.00000001"),
        ("1000.000000000000", "1000.00"),
    ],
)
def test_a_rate_has_two_decimals_at_least_and_no_empty_ones(rate: str, expected: str) -> None:
    """However the database or a calculation has padded it."""
    assert expected == rate_text(Decimal(rate))
