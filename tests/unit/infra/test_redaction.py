"""What a log line shows and what it hides."""

import json
import traceback
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payops.infra.logging.redaction import HIDDEN, clean, clean_fields, clean_text
from payops.kernel.ids import show_id
from payops.pii.domain import parse_msisdn
from payops.withdrawals.schemas import WithdrawalRequest
from tests.support.sentinel import numbers_in

SPELLINGS = [
    "254708374149",
    "+254708374149",
    "00254708374149",
    "0708374149",
    "708374149",
    "+254 708 374 149",
    "+254-708-374-149",
    "+254.708.374.149",
    "+254 (0) 708 374149",
    "(0708) 374-149",
    "0708 374 149",
    "0708-374149",
    "708 374 149",
    "%2B254708374149",
    "254%20708%20374%20149",
    "2547 0837 4149",
    "254\xa0708\xa0374\xa0149",
    "tel:+254708374149",
    "0110000001",
    "254110000001",
]
AROUND = ["{}", "to {} now", '"{}"', "phone={}&x=1", "({})", "{}.", "{}, {}", "\\n{}", "ref_{}"]


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("around", AROUND)
def test_a_kenyan_number_is_hidden_however_it_is_written(spelling: str, around: str) -> None:
    """
    No spelling leaves nine digits of it in the text.
    """
    cleaned = clean_text(around.replace("{}", spelling))

    assert "[phone]" in cleaned
    assert not any(digit in cleaned.replace("x=1", "") for digit in "0123456789")


@given(st.text(max_size=20), st.sampled_from(SPELLINGS[:18]), st.text(max_size=20))
def test_whatever_stands_around_a_number_the_sentinel_finds_none(
    before: str, number: str, after: str
) -> None:
    """
    What the redaction leaves, the suite's own search for numbers does not object to.
    """
    cleaned = clean_text(f"{before} <{number}> {after}")

    assert [] == numbers_in(cleaned.replace(clean_text(before), "").replace(clean_text(after), ""))


@given(st.uuids())
def test_ids_are_never_mangled(value: UUID) -> None:
    """
    UUIDs and our own ids come out as they went in.
    """
    text = f"{value} {show_id('wd', value)} {show_id('req', value)} {value.hex}"

    assert text.replace(value.hex, "") == clean_text(text).replace(value.hex, "")


@pytest.mark.parametrize(
    "text",
    [
        "25471234-5678-4123-8123-254708374149",
        "019f4b2c-7d3e-7a11-8000-25470837ab49",
        "172.16.254.123",
        "2026-11-22T20:15:00.123456Z",
        "2026-11-22 20:15:00.123456",
        "1763842500",
        "took 0.712345678 s",
        "QK71234567",
        "POST /api/withdrawals/{txId} 202",
        "150000",
        "payops 0.1.0 at 127.0.0.1:8000",
        "+2547••••4149",
        "sha256:00012547083741490c0ffee000254708374149abcdef00112233445566778899",
    ],
)
def test_what_is_no_number_is_left_alone(text: str) -> None:
    """
    Ids, digests, addresses, moments, amounts and masked numbers are what logs are for.
    """
    assert text == clean_text(text)


@pytest.mark.parametrize(
    "secret",
    [
        "sk_test_4eC39HqLyjWDarjtT1zdp7dc",
        "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
        "lip_sk_live_0123456789abcdef",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1MSJ9.c2lnbmF0dXJl",
        "Bearer c2lnbmF0dXJlc2lnbmF0dXJl",
        "postgresql://payops:hunter22@db/payops",
        "amina@example.com",
    ],
)
def test_a_credential_is_hidden_by_how_it_looks(secret: str) -> None:
    """
    Whatever field or sentence it slipped into.
    """
    cleaned = clean_text(f"refused: {secret}!")

    assert secret not in cleaned
    assert "hunter22" not in cleaned
    assert cleaned.startswith("refused: ")


def test_a_credential_that_looks_like_an_id_of_ours_is_hidden() -> None:
    """
    Also where it is all there is: ids alone are let through without a closer look.
    """
    assert "[credential]" == clean_text("whsec_0123456789abcdef0123456789")


@pytest.mark.parametrize(
    "name",
    [
        *["phone", "phoneNumber", "phone_number", "msisdn", "X-Api-Key", "api_key", "body"],
        *["access_token", "webhook_secret", "password", "x-lipana-signature", "Set-Cookie"],
    ],
)
def test_a_field_is_hidden_by_its_name(name: str) -> None:
    """
    At any depth, whatever the value.
    """
    assert {name: HIDDEN} == clean_fields({name: "x"})
    assert {"a": [{name: HIDDEN}]} == clean_fields({"a": [{name: 12}]})
    assert {name: None} == clean_fields({name: None})


def test_a_line_cannot_be_forged_or_repainted() -> None:
    """
    Line breaks, escape sequences, direction marks and broken characters are spelled out.
    """
    cleaned = clean_text("a\r\nb\x1b[31m\u202e\x00\u2028\ud800")

    assert "a\\x0d\\x0ab\\x1b[31m\\u202e\\x00\\u2028\\ud800" == cleaned


def test_values_become_plain_json() -> None:
    """
    What JSON does not know is written as text; bytes are only counted.
    """

    class Broken:
        def __str__(self) -> str:
            raise ValueError

    one = uuid4()

    assert [str(one), "2026-11-22T00:00:00+00:00", "<3 bytes>", "<Broken>", HIDDEN, 5] == clean(
        (one, datetime(2026, 11, 22, tzinfo=UTC), b"abc", Broken(), 254708374149, 5)
    )


def test_a_value_without_end_is_cut() -> None:
    """
    Depth, length and the length of a string have a bound.
    """
    deep: list[object] = []
    deep.append(deep)

    assert "…" in str(clean(deep))
    assert 100 == len(clean(list(range(1_000))))
    assert len(clean_text("a" * 1_000_000)) < 21_000


def test_an_error_report_with_local_variables_holds_no_number() -> None:
    """
    What reporters of errors send: a traceback with the variables of every frame, and nested data.
    """
    with pytest.raises(LookupError) as caught:
        _fails(b'{"phoneNumber": "+254 708 374 149"}')
    report = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    written = "".join(report.format())
    assert numbers_in(written), "the test would show nothing"
    frames = [{"vars": frame.locals} for frame in report.stack]
    event = {"exception": {"values": [{"value": str(report), "stacktrace": {"frames": frames}}]}}

    cleaned = [clean_text(written, keep_layout=True), json.dumps(clean(event))]

    assert [] == [line for text in cleaned for line in numbers_in(text)]


def _fails(body: bytes) -> None:
    """Local variables as they are in the code: bytes, a request, a number, a query, a place."""
    request = WithdrawalRequest.model_validate_json(
        b'{"amountKES": 100, "phoneNumber": "0708374149"}'
    )
    phone = parse_msisdn(request.phone_number)
    url = "/api/ops/withdrawals?phone=%2B254708374149&limit=20"
    values = [phone.digits, int(phone.digits), {"to": (phone.digits,)}]
    raise LookupError(f"{phone} {len(body)} {url} {values}")
