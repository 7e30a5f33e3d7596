"""Keys as callers write them, and requests as they are compared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payops.idempotency.domain import canonical, check_key
from payops.idempotency.errors import KeyInvalid, KeyRequired


@pytest.mark.parametrize(
    "key", ["k", "a b", "~", "0" * 255, 'with "quotes" and \\', "a" + " b" * 127]
)
def test_printable_ascii_is_a_key(key: str) -> None:
    """One to 255 characters, as given."""
    assert key == check_key(key)


@pytest.mark.parametrize(
    "key", ["", " ", "0" * 256, "a\n", "a\tb", "é", "a\x00", "a\x7f", " a", "a ", "\u200b"]
)
def test_anything_else_is_refused(key: str) -> None:
    """Blanks at the ends are lost on the way through some proxies, so they are none either."""
    with pytest.raises(KeyInvalid):
        check_key(key)


def test_no_key_is_another_error_than_a_bad_one() -> None:
    """The caller forgot it altogether."""
    with pytest.raises(KeyRequired):
        check_key(None)


def test_the_order_of_fields_does_not_matter() -> None:
    """The same request, however its JSON was laid out."""
    assert canonical({"a": 1, "b": "x"}) == canonical({"b": "x", "a": 1})


@given(
    st.dictionaries(st.text(), st.integers() | st.text(), max_size=4),
    st.dictionaries(st.text(), st.integers() | st.text(), max_size=4),
)
def test_only_equal_requests_have_the_same_bytes(
    one: dict[str, object], other: dict[str, object]
) -> None:
    """A number is not the text of it."""
    assert (one == other) == (canonical(one) == canonical(other))
