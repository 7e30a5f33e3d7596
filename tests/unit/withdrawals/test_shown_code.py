"""A rail's codes are kept as they are, and never with a person in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payops.pii.domain import MASK
from payops.withdrawals.service.deciding import shown_code


@pytest.mark.parametrize(
    "code",
    [
        "",
        "E17",
        "2001",
        "TP40087",
        "SFC_IC0003",
        "INVALID_PHONE",
        "insufficient-float",
        "500.001.1001",
        "400.002.02",
        "123456",
        "X" * 32,
    ],
)
def test_a_code_is_kept_as_it_is(code: str) -> None:
    """Support looks it up in the rail's own list."""
    assert code == shown_code(code)


@pytest.mark.parametrize(
    "code",
    [
        "254700000012",
        "0700000012",
        "700000012",
        "E254700000012",
        "0700-000-012",
        "0700.000.012",
        "+254 700 000 012",
        "ERR_0110000012",
        "1234567",
        "user@example.test",
        "ref/700000012",
        "\u0660\u0667\u0660\u0660",
        "X" * 33,
        "two words",
        "E17\n",
        "<b>",
    ],
)
def test_what_could_be_a_person_s_is_scrubbed(code: str) -> None:
    """A number in any spelling, an address, or anything that does not look like a code."""
    shown = shown_code(code)

    assert code != shown
    assert not any(number in shown for number in ("70000", "11000", "1234567", "@", "<"))
    assert len(shown) <= 64


@given(st.from_regex(r"(254|0)?[17][0-9]{8}", fullmatch=True), st.data())
def test_no_mobile_number_passes_however_it_is_taken_apart(
    number: str, data: st.DataObject
) -> None:
    """With separators a code may have anywhere between the digits."""
    separators = st.sampled_from(["", "", "-", ".", "_"])
    spelled = "".join(digit + data.draw(separators) for digit in number)
    before, after = (
        data.draw(st.sampled_from(["", "E", "ERR_"])),
        data.draw(st.sampled_from(["", "X"])),
    )

    shown = shown_code(before + spelled + after)

    assert MASK in shown
    assert number[-8:] not in "".join(filter(str.isdigit, shown))
