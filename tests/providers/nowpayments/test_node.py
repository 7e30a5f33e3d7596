"""Our print and the signer's own language, side by side, where Node is installed."""

import base64
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payops.providers.nowpayments import canonical
from payops.providers.nowpayments.canonical import Form
from payops.providers.nowpayments.notifications import NowPaymentsNotifications

NODE = shutil.which("node")
SECRET = "another made-up secret"

# What the provider's library and its documentation do, in a loop: a body in, two prints out.
SCRIPT = """
const crypto = require("crypto");
const kept = (v) => Array.isArray(v) ? v.map(kept)
  : v && typeof v === "object"
    ? Object.keys(v).sort().reduce((o, k) => { o[k] = kept(v[k]); return o; }, {})
    : v;
const indexed = (v) => Object.keys(v).sort().reduce((o, k) => {
  o[k] = v[k] && typeof v[k] === "object" ? indexed(v[k]) : v[k]; return o; }, {});
require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const body = Buffer.from(line, "base64").toString("utf8");
  const said = [kept, indexed].map((sorted) => {
    const text = JSON.stringify(sorted(JSON.parse(body)));
    const made = crypto.createHmac("sha512", process.argv[1]).update(text, "utf8");
    return [Buffer.from(text, "utf8").toString("base64"), made.digest("hex")];
  });
  process.stdout.write(JSON.stringify(said) + "\\n");
});
"""

# A prototype is no property to ECMAScript: it is lost when names are sorted into a new object.
NAMES = st.one_of(
    st.text(max_size=8),
    st.integers(0, 2**33).map(str),
    st.sampled_from(["fee", "payment_id", "010", "-1", "1.5", "4294967294", "4294967295"]),
).filter(lambda name: name != "__proto__")
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.decimals(-1, 1, places=18, allow_nan=False).map(float),
    st.text(st.characters(), max_size=12),
)
CONTENTS = st.dictionaries(
    NAMES,
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
        max_leaves=12,
    ),
    max_size=8,
)
LITERALS = st.from_regex(
    r"-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,24})?([eE][+-]?[0-9]{1,2})?", fullmatch=True
)

Ask = Callable[[str], list[tuple[bytes, str]]]


@pytest.fixture(scope="module")
def node() -> Iterator[Ask]:
    if NODE is None:
        pytest.skip("Node is not installed")
    with subprocess.Popen(
        [NODE, "-e", SCRIPT, SECRET], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin
        assert process.stdout
        inlet, outlet = process.stdin, process.stdout

        def ask(body: str) -> list[tuple[bytes, str]]:
            inlet.write(base64.b64encode(body.encode()) + b"\n")
            inlet.flush()
            return [(base64.b64decode(text), mac) for text, mac in json.loads(outlet.readline())]

        yield ask
        inlet.close()
        assert 0 == process.wait(timeout=10)


def agrees(node: Ask, body: str) -> None:
    (kept, signature), (indexed, other_signature) = node(body)
    content = canonical.parse(body.encode())
    source = NowPaymentsNotifications((SECRET.encode(),))

    assert kept == canonical.printed(content, Form.SCRIPT)
    assert indexed == canonical.printed(content, Form.INDEXED)
    for said in (signature, other_signature):
        assert source.is_authentic({"x-nowpayments-sig": said}, body.encode())


@given(CONTENTS)
def test_the_signer_prints_the_same(node: Ask, content: dict[str, Any]) -> None:
    """Any JSON, escaped or raw, in both of the provider's own forms, down to the signature."""
    agrees(node, json.dumps(content))


@given(st.lists(LITERALS, max_size=20))
def test_the_signer_prints_any_spelling_of_a_number_the_same(
    node: Ask, literals: list[str]
) -> None:
    """Spellings that no printer makes: trailing zeros, capital exponents, 25 digits."""
    agrees(node, f'{{"payment_id": 1, "numbers": [{", ".join(literals)}]}}')


@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_the_signer_prints_raw_text_the_same(node: Ask, text: str) -> None:
    """Characters that came unescaped stay so."""
    agrees(node, json.dumps({"order_description": text}, ensure_ascii=False))
