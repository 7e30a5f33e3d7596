"""Order ids: what a provider is told, and what is recognised again."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payops.deposits.domain.invoices import order_id, read_order_id, show

SHOWN = show(UUID(int=2**100 + 7))


@given(number=st.integers(0, 2**128 - 1), attempt=st.integers(1, 10_000))
def test_an_order_id_is_read_as_it_was_written(number: int, attempt: int) -> None:
    """Invoice and attempt, and ASCII that no provider's escaping touches."""
    invoice_id = UUID(int=number)
    written = order_id(invoice_id, attempt)

    assert (invoice_id, attempt) == read_order_id(written)
    assert written.isascii()
    assert written.replace("_", "").replace("-", "").isalnum()


@given(text=st.text(max_size=40) | st.from_regex(r"inv_[0-9a-z]{26}(-[0-9]{1,3})?", fullmatch=True))
def test_what_was_not_written_by_us_is_not_read(text: str) -> None:
    """Each invoice and attempt has one spelling; everything else is somebody else's."""
    try:
        found = read_order_id(text)
    except ValueError:
        return
    assert text == order_id(*found)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "inv_",
        SHOWN.upper(),
        f" {SHOWN}",
        f"{SHOWN}-",
        f"{SHOWN}-1",
        f"{SHOWN}-0",
        f"{SHOWN}-02",
        f"{SHOWN}-+2",
        f"{SHOWN}-２",
        f"{SHOWN}-2-2",
        f"{SHOWN}-2\n",
        SHOWN.replace("inv", "wd"),
    ],
)
def test_a_respelled_order_id_is_none(text: str) -> None:
    """Nobody can make two orders of one, or one of two."""
    with pytest.raises(ValueError):  # noqa: PT011 - whichever check it meets first
        read_order_id(text)
