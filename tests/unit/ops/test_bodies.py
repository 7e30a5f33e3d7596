"""A notification's body as a person sees it: what happened, and nobody's name or number."""

import json

import pytest

from payops.ops.service.bodies import shown

HIDDEN = "[hidden]"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", "Amina W"),
        ("first_name", "Amina"),
        ("recipientName", "Amina W"),
        ("ReceiverPartyPublicName", "254700000012 - Amina W"),
        ("customer", {"id": 5, "title": "Ms"}),
        ("payer", ["Amina W"]),
        ("account-holder", "Amina W"),
        ("phone", "0700000012"),
        ("customer_email", "amina@example.test"),
    ],
)
def test_what_names_or_reaches_a_person_is_hidden(name: str, value: object) -> None:
    """Whatever it holds, at the top and inside; that there was something is still seen."""
    raw = json.dumps({name: value, "data": [{name: value}], "status": "success"}).encode()

    assert {name: HIDDEN, "data": [{name: HIDDEN}], "status": "success"} == json.loads(shown(raw))


def test_what_happened_is_shown_as_it_was_sent() -> None:
    """Ids, words, amounts to the last digit, addresses of coins, and nothing where nothing was."""
    sent = {
        "transactionId": "wd_01h455vb4pex5vsknk084sn02q",
        "status": "failed",
        "amountKES": 100,
        "receipt": "SLK4H7RTY9",
        "pay_address": "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
        "name": None,
        "is_final": True,
    }
    raw = json.dumps(sent)[:-1] + ', "actually_paid": 0.020000000000000001}'

    assert sent | {"actually_paid": "0.020000000000000001"} == json.loads(shown(raw.encode()))


@pytest.mark.parametrize("label", ["Key", "Name", "key"])
def test_a_pair_is_judged_by_its_label(label: str) -> None:
    """As M-Pesa sends results: the label stays, and a value only if it is no person's."""
    raw = json.dumps(
        [
            {label: "ReceiverPartyPublicName", "Value": "254700000012 - Amina W"},
            {label: "TransactionAmount", "Value": 100},
        ]
    )

    assert [
        {label: "ReceiverPartyPublicName", "Value": HIDDEN},
        {label: "TransactionAmount", "Value": 100},
    ] == json.loads(shown(raw.encode()))


def test_numbers_are_taken_out_wherever_they_stand() -> None:
    """In words, as a whole number, and in the name of a field."""
    raw = b'{"note": "paid to 0700 000 012", "to": 254700000012, "254700000012": 1}'

    assert {"note": "paid to [phone]", "to": HIDDEN, "[phone]": 1} == json.loads(shown(raw))


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"no JSON, call 0700000012", "no JSON, call [phone]"),
        (b"\xff\x1b[2J", "\ufffd\\x1b[2J"),
        (b"", ""),
        (b"[" * 5_000, "[" * 5_000),
    ],
)
def test_what_is_not_json_is_shown_as_text(raw: bytes, text: str) -> None:
    """Without numbers, and without what would repaint a screen."""
    assert text == shown(raw)
