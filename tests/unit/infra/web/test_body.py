"""JSON bodies are read strictly, and refused without repeating them."""

from contextlib import suppress
from datetime import datetime
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import field_validator

from payops.infra.web.body import MalformedJson, parse
from payops.infra.web.faults import stated
from payops.infra.web.wire import Wire, WireReply, accepts
from payops.kernel.errors import Fault, Invalid, Malformed, PayopsError

SECRET = "254700000001"


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Inner(Wire):
    colour: Colour = Colour.RED


class Order(Wire):
    user_id: str
    count: int = 1
    inner: Inner | None = None
    at: datetime | None = None

    @field_validator("user_id")
    @classmethod
    def _no_spaces(cls, value: str) -> str:
        if " " in value:
            raise stated("must not hold spaces")
        if value == "bad":
            raise ValueError(f"{value} is bad")
        return value


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"{",
        b'{"userId": "u1"} x',
        b'{"userId": NaN}',
        b'{"count": Infinity}',
        b'{"count": -Infinity}',
        b'{"userId": "u1", "userId": "u2"}',
        b'{"userId": "u1", "inner": {"colour": "red", "colour": "blue"}}',
        b'{"userId": "u1", "user\\u0049d": "u2"}',
        b'{"userId": "\xff"}',
        b'{"userId": "\\ud800"}',
        b'{"userId": "a\\u0000b"}',
        b'{"userId": "a\nb"}',
        b'\xef\xbb\xbf\xef\xbb\xbf{"userId": "u1"}',
        '{"userId": "u1"}'.encode("utf-16"),
        b'{"count": ' + b"1" * 5000 + b"}",
        b"[" * 30_000,
        b'{"a":' * 10_000,
        b'{"userId": "u1", "inner": ' + b"[" * 400 + b"]" * 400 + b"}",
    ],
)
def test_what_two_readers_could_understand_differently_is_malformed(raw: bytes) -> None:
    """Duplicates, constants, bad encodings, depth and endless numbers are all 400."""
    with pytest.raises(Malformed) as refused:
        parse(Order, raw)

    assert "malformed_json" == refused.value.code


@pytest.mark.parametrize("raw", [b"[]", b'"x"', b"1", b"null", b"true"])
def test_a_body_must_be_an_object(raw: bytes) -> None:
    """Well-formed JSON of another kind is understood, and not valid."""
    with pytest.raises(Invalid) as refused:
        parse(Order, raw)

    assert (Fault("", "must be a JSON object"),) == refused.value.faults


def test_a_good_body_is_read_with_or_without_a_byte_order_mark() -> None:
    """Names are in camelCase, and enumerations and times are read from text."""
    raw = b'{"userId": "u1", "inner": {"colour": "blue"}, "at": "2026-01-02T03:04:05Z"}'

    order = parse(Order, raw)

    assert order == parse(Order, b"\xef\xbb\xbf" + raw)
    assert ("u1", Colour.BLUE) == (order.user_id, order.inner and order.inner.colour)


def test_an_escaped_backslash_before_u0000_is_text() -> None:
    """Only a real NUL is refused, not the letters that look like one."""
    assert r"\u0000" == parse(Order, rb'{"userId": "\\u0000"}').user_id


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (b"{}", Fault("/userId", "is required")),
        (b'{"userId": 5}', Fault("/userId", "must be a string")),
        (b'{"userId": "u", "count": "5"}', Fault("/count", "must be an integer")),
        (b'{"userId": "u", "count": true}', Fault("/count", "must be an integer")),
        (b'{"userId": "u", "count": 5.0}', Fault("/count", "must be an integer")),
        (b'{"userId": "u", "admin": true}', Fault("/admin", "is not a known field")),
        (b'{"userId": "u", "254700000001": 1}', Fault("/?", "is not a known field")),
        (b'{"userId": "u", "a/b": 1}', Fault("/?", "is not a known field")),
        (
            b'{"userId": "u", "inner": {"colour": "254700000001"}}',
            Fault("/inner/colour", "must be one of 'red' or 'blue'"),
        ),
        (b'{"userId": "a b"}', Fault("/userId", "must not hold spaces")),
        (b'{"userId": "bad"}', Fault("/userId", "is not valid")),
    ],
)
def test_each_fault_has_a_pointer_and_words_of_our_own(raw: bytes, fault: Fault) -> None:
    """Snake case is unknown, nothing is coerced, and no value is repeated."""
    with pytest.raises(Invalid) as refused:
        parse(Order, raw)

    assert (fault,) == refused.value.faults


def test_a_field_has_one_name() -> None:
    """The Python name of a field is not another way to set it."""
    with pytest.raises(Invalid):
        parse(Order, b'{"userId": "u1", "user_id": "u2"}')


def test_the_list_of_faults_is_bounded() -> None:
    """A body full of faults does not make an answer full of them."""
    raw = b'{"userId": "u", ' + b",".join(b'"x%d": 1' % n for n in range(100)) + b"}"

    with pytest.raises(Invalid) as refused:
        parse(Order, raw)

    assert 20 == len(refused.value.faults)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    """No body makes the reader fail in a way it does not answer for."""
    with suppress(MalformedJson, Invalid):
        parse(Order, raw)


@given(st.sampled_from(["userId", "count", "inner", "at", "other"]), st.booleans())
def test_a_refused_value_is_never_repeated(name: str, nested: bool) -> None:  # noqa: FBT001
    """Whatever field it is in, the rejected value is not in the error."""
    value = f'{{"{SECRET}": "{SECRET}"}}' if nested else f'["{SECRET}"]'

    with pytest.raises(PayopsError) as refused:
        parse(Order, f'{{"{name}": {value}}}'.encode())

    assert SECRET not in f"{refused.value!s}{refused.value!r}{refused.value.faults}"


def test_the_schema_of_a_body_stands_alone() -> None:
    """OpenAPI shows the body in camelCase, closed, and without references."""
    schema = accepts(Order)["requestBody"]["content"]["application/json"]["schema"]

    assert ["userId"] == schema["required"]
    assert schema["additionalProperties"] is False
    assert "$ref" not in str(schema)
    assert "red" in str(schema)


def test_a_reply_is_made_by_name_and_shown_in_camel_case() -> None:
    """What we send has the same spelling as what we take."""

    class Reply(WireReply):
        user_id: str

    assert {"userId": "u1"} == Reply(user_id="u1").model_dump()
