"""A provider's words, made fit to be shown."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payops.pii import domain
from payops.pii.domain import MASK, SHOWN_LENGTH_MAX, scrub

NAMES = """
    abdi achieng akinyi ali amina amos angela ann anyango april asha atieno august barasa ben
    bill brian bob bright carol chance charity chebet chepkoech cheruiyot chris daisy david dawn
    diana don drew elijah esther eve faith fatuma frank gift gloria grace grant halima hassan
    hope ian innocent irene ivy jack james jane jo john joseph joy juma june kamau kariuki kate
    ken kennedy kenneth kim kimani kipchoge kiptoo lee lily long lucky lucy macharia maina mark
    mary mason matt max may melody mercy mike miller mohamed moraa muthoni mutua mwangi mwende
    naliaka neema njeri njoki njoroge noah ochieng odhiambo okoth omar omondi onyango otieno
    owino pat patience paul peace pearl pete peter precious price prince purity rich rob robin
    rose ruth said sam sarah short simiyu stanley sue summer tabitha titus tom trinity victor
    wairimu wambui wangari wanjiku wanjiru waweru will winnie wren young yusuf zawadi
"""

SPELLINGS = [
    "254700000012",
    "+254 700 000 012",
    "0700-000-012",
    "07 00 00 00 12",
    "(0700)000012",
    "0700,000,012",
    "0700/000/012",
    "0_7_0_0_0_0_0_0_1_2",
    "２５４７００００００１２",
    "٠٧٠٠٠٠٠٠١٢",
    "0700\n000\t012",
    "0700\x1b[0m000012",
    "0700\u200b000\u200b012",
    "07•00•00•00•12",
    "0700 - - - - - - - - 000012",
]


@pytest.mark.parametrize(
    "text",
    [
        "Insufficient float balance.",
        "The recipient is not registered for M-Pesa.",
        "Daily limit exceeded (3 of 3)",
        "Request timed out, try again later.",
        "Invalid phone number",
        "B2C account not active: error 2006",
        "Transaction can't be completed",
    ],
)
def test_the_usual_words_of_a_failure_stay(text: str) -> None:
    """What tells the customer what happened is shown as it was said."""
    assert text == scrub(text)


@pytest.mark.parametrize("name", NAMES.split())
def test_no_name_is_in_the_vocabulary(name: str) -> None:
    """However it is written, a name is masked."""
    for spelling in (name, name.upper(), name.title()):
        assert f"{MASK} not found" == scrub(f"{spelling} not found")


@pytest.mark.parametrize("number", SPELLINGS)
def test_no_phone_number_passes(number: str) -> None:
    """Separators, other digits and control characters do not hide it."""
    shown = scrub(f"Payment to {number} failed")

    assert f"Payment to {MASK} failed" == shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("JOHN KAMAU, OTIENO is not registered", f"{MASK} is not registered"),
        ("john.kamau@example.test declined", f"{MASK} declined"),
        ("O'Brien-Otieno declined", f"{MASK} declined"),
        ("<b>failed</b>", f"{MASK} failed /{MASK}"),
        ("failed\r\nINFO forged line", f"failed {MASK} line"),
        ("\x1b[31mfailed\x1b[0m \x1b]0;title\x07now", f"failed {MASK}"),
        ("float\x00balance\x07 low", f"float balance {MASK}"),
        ("Amount KES 250,000 exceeds the limit", f"Amount KES {MASK} exceeds the limit"),
        ("error IC0003x", f"error {MASK}"),
        ("the recipient\u2019s account is locked", "the recipient's account is locked"),
        ("", ""),
        ("   ", ""),
    ],
)
def test_what_is_left_of_the_rest(text: str, expected: str) -> None:
    """One line, runs of masks drawn together, markup and control characters gone."""
    assert expected == scrub(text)


def test_a_long_text_is_cut() -> None:
    """The cut is shown, and counts."""
    shown = scrub("failed " * 1000)

    assert len(shown) <= SHOWN_LENGTH_MAX
    assert shown.startswith("failed failed")
    assert shown.endswith(f"failed {MASK}")


@given(st.text(max_size=300), st.integers(min_value=3, max_value=300))
def test_whatever_comes_in_only_harmless_words_come_out(text: str, limit: int) -> None:
    """The rule itself: known words, numbers of four digits, masks, plain punctuation."""
    shown = scrub(text, limit)

    assert len(shown) <= limit
    assert not any(unicodedata.category(letter).startswith("C") for letter in shown)
    allowed = domain._VOCABULARY | {part for word in domain._VOCABULARY for part in word.split("-")}
    for word in re.findall(r"[^\W_]+(?:'[^\W_]+)*", shown):
        assert word.lower() in allowed or all(
            part.lower() in allowed or re.fullmatch(r"[0-9]{1,4}", part) for part in word.split("'")
        )
    assert not re.search(r"\d\W*\d\W*\d\W*\d\W*\d", shown.replace(MASK, "x"))


@given(st.text(alphabet="07•- .x", max_size=40))
def test_digits_far_apart_are_still_one_number(text: str) -> None:
    """No five digits are left with only separators between them, masks among these."""
    assert not re.search(r"\d\W*\d\W*\d\W*\d\W*\d", scrub(text).replace(MASK, "x"))
