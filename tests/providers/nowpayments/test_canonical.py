"""The form that is signed: what other language prints it, and what is not even read."""

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payops.providers.nowpayments import canonical
from payops.providers.nowpayments.canonical import Form, Number
from payops.providers.reading import NotUnderstood

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text())

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(), max_size=8)
)
NAMES = st.text(max_size=4)
OBJECTS = st.dictionaries(
    NAMES,
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=5,
)


def print_of(body: str | bytes, form: Form = Form.SCRIPT) -> str:
    content = canonical.parse(body.encode() if isinstance(body, str) else body)
    return canonical.printed(content, form).decode()


@pytest.mark.parametrize(("literal", "printed"), VECTORS["numbers"])
def test_a_number_is_printed_as_ecmascript_prints_it(literal: str, printed: str) -> None:
    """Shortest digits, written out between 1e-6 and 1e21, exponents without padding."""
    assert printed == canonical.script_number(literal)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_printed_number_is_the_same_double(number: float) -> None:
    """Nothing is lost: what is printed reads back as what was meant."""
    printed = canonical.script_number(repr(number))

    assert number == float(printed)
    assert re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?(e[+-][1-9][0-9]*)?", printed)


@given(st.integers(-(10**20), 10**20))
def test_an_integer_is_printed_without_an_exponent(number: int) -> None:
    """And as itself, as long as a double can hold it."""
    printed = canonical.script_number(str(number))

    assert float(number) == float(printed)
    assert "e" not in printed
    assert abs(number) > 2**53 or str(number) == printed


@pytest.mark.parametrize("literal", ["1e309", "-1e999", "9" * 120 + "e300"])
def test_a_number_beyond_all_doubles_has_no_print(literal: str) -> None:
    """The signer would print ``null``, for which any such number could then stand."""
    with pytest.raises(NotUnderstood, match="number"):
        canonical.script_number(literal)


@pytest.mark.parametrize(("codepoints", "printed"), VECTORS["texts"])
def test_a_text_is_printed_as_ecmascript_prints_it(codepoints: list[str], printed: str) -> None:
    """Everything raw but quotes, backslashes, control characters and halves of characters."""
    text = "".join(chr(int(point.removeprefix("U+"), base=16)) for point in codepoints)

    assert f'{{"a":{printed}}}' == print_of(json.dumps({"a": text}))


@pytest.mark.parametrize(("names", "ordered"), VECTORS["orders"])
def test_names_are_in_the_order_of_an_ecmascript_object(
    names: list[str], ordered: list[str]
) -> None:
    """Array indexes by number, then UTF-16 code units."""
    assert ordered == list(json.loads(print_of(json.dumps(dict.fromkeys(names)))))


def test_each_form_prints_numbers_and_lists_its_own_way() -> None:
    """A as ECMAScript, B as it was spelled, C as A with index-keyed lists."""
    body = '{"b": [1.0, {"d": 1e-7, "c": []}], "a": 1E2}'

    assert '{"a":100,"b":[1,{"c":[],"d":1e-7}]}' == print_of(body, Form.SCRIPT)
    assert '{"a":1E2,"b":[1.0,{"c":[],"d":1e-7}]}' == print_of(body, Form.LITERAL)
    assert '{"a":100,"b":{"0":1,"1":{"c":{},"d":1e-7}}}' == print_of(body, Form.INDEXED)


@given(OBJECTS)
def test_a_print_means_what_was_read(content: dict[str, Any]) -> None:
    """Each form reads back as the same data, but for lists in the indexed one."""
    for form in (Form.SCRIPT, Form.LITERAL):
        printed = print_of(json.dumps(content), form)
        assert as_doubles(content) == as_doubles(json.loads(printed))


@given(OBJECTS)
def test_a_print_of_a_print_is_itself(content: dict[str, Any]) -> None:
    """The canonical form is one: nothing is left to choose."""
    once = print_of(json.dumps(content))

    assert once == print_of(once)
    assert once == print_of(once, Form.LITERAL)


@given(OBJECTS, st.randoms(use_true_random=False))
def test_the_order_that_names_came_in_does_not_matter(content: dict[str, Any], chance: Any) -> None:
    """Nor do blanks, nor whether characters were escaped."""
    pairs = list(content.items())
    chance.shuffle(pairs)

    shuffled = json.dumps(dict(pairs), indent=chance.choice([None, 3]))
    assert print_of(json.dumps(content)) == print_of(shuffled)


@given(OBJECTS, OBJECTS)
def test_different_data_have_different_prints(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Otherwise one signature would stand for both."""
    same = as_doubles(one) == as_doubles(other)

    assert same == (print_of(json.dumps(one)) == print_of(json.dumps(other)))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'"text"', id="a text"),
        pytest.param(b"{", id="half"),
        pytest.param(b"{} {}", id="two"),
        pytest.param(b"{'a': 1}", id="single quotes"),
        pytest.param(b'{"a": 1,}', id="a comma too many"),
        pytest.param(b'{"a": 01}', id="a leading zero"),
        pytest.param(b'{"a": +1}', id="a plus"),
        pytest.param(b'{"a": .5}', id="no digit before the point"),
        pytest.param(b'{"a": 0x1}', id="hexadecimal"),
        pytest.param('{"a": \u0663}'.encode(), id="digits of another script"),
        pytest.param(b'{"a":1,"a":1}', id="a name twice"),
        pytest.param(b'{"b":{"a":1,"\\u0061":1}}', id="a name twice, once escaped"),
        pytest.param(b'{"a":NaN}', id="not a number"),
        pytest.param(b'{"a":Infinity}', id="infinity"),
        pytest.param(b'{"a":-Infinity}', id="minus infinity"),
        pytest.param(b'\xef\xbb\xbf{"a":1}', id="a byte order mark"),
        pytest.param(b'{"a":"\xff"}', id="not UTF-8"),
        pytest.param(b'{"a":"\xc0\xaf"}', id="an overlong character"),
        pytest.param(b'{"a":"\xed\xa0\x80"}', id="half a character in UTF-8"),
        pytest.param('{"a":1}'.encode("utf-16"), id="UTF-16"),
        pytest.param(b'{"a":"\n"}', id="a raw line break"),
        pytest.param(b'{"a":' + b"9" * 200 + b"}", id="an endless number"),
        pytest.param(b'{"a":' * 33 + b"1" + b"}" * 33, id="33 levels"),
        pytest.param(b'{"a":' + b"[" * 32 + b"]" * 32 + b"}", id="33 levels of lists"),
        pytest.param(b'{"a":' * 20_000, id="a great many levels"),
        pytest.param(b"[" * 65_536, id="65,536 levels"),
    ],
)
def test_what_is_no_sound_json_object_is_not_understood(body: bytes) -> None:
    """The text of the error says which part and repeats nothing of it."""
    with pytest.raises(NotUnderstood) as caught:
        canonical.parse(body)

    assert str(caught.value) in {"not JSON", "not a JSON object", "nested too deep"}


def test_levels_are_counted_to_the_edge() -> None:
    """32 are read, in objects and lists alike."""
    assert print_of('{"a":' * 32 + "1" + "}" * 32)
    assert print_of('{"a":' + "[" * 31 + "]" * 31 + "}")


def test_a_number_keeps_its_spelling() -> None:
    """And is told apart from a text that looks the same."""
    content = canonical.parse(b'{"a": 1.50, "b": "1.50", "c": -0}')

    assert {"a": "1.50", "b": "1.50", "c": "-0"} == content
    assert [Number, str, Number] == [type(value) for value in content.values()]


def as_doubles(value: Any) -> Any:
    """``value`` with every number as the double it is to ECMAScript, marked as one."""
    match value:
        case bool() | None | str():
            return value
        case int() | float():
            double = float(value)
            return ("number", 0.0 if double == 0 else double, math.isinf(double))
        case list():
            return [as_doubles(one) for one in value]
        case _:
            return {name: as_doubles(one) for name, one in value.items()}
