"""What clients should not send: broken JSON, and values that are none of what they stand for.

``SECRET`` is in most of them, so that a test can see that nothing of it comes back.
"""

import json
from typing import Any

PHONE = "254700000012"
SECRET = "Zq9xW"  # stands in whatever is sent and must stand in nothing that is answered
SQL = f"{SECRET}'; DROP TABLE wallets; --"
ANSI = f"\x1b[31m{SECRET}"
CRLF = f"{SECRET}\r\n2026-11-22 http.answered status=200"
DEEP = 20_000


def malformed(good: dict[str, Any]) -> dict[str, bytes]:
    """``good``, broken in every way that JSON can be."""
    text = json.dumps(good)
    first = next(iter(good))
    inside = text[:-1] + ', "note": '
    return {
        "nothing": b"",
        "blank": b" \n",
        "cut off": text[:-1].encode(),
        "a trailing comma": f"{text[:-1]},}}".encode(),
        "two documents": (text + text).encode(),
        "something after it": f"{text} {SECRET}".encode(),
        "single quotes": text.replace('"', "'").encode(),
        "a comment": f"{text} // {SECRET}".encode(),
        "a bare word": SECRET.encode(),
        "a form": b"amountKES=100&phoneNumber=" + SECRET.encode(),
        "the same field twice": f"{text[:-1]}, {json.dumps(first)}: 1}}".encode(),
        "the same field twice, escaped": (
            f'{text[:-1]}, "\\u{ord(first[0]):04x}{first[1:]}": 1}}'.encode()
        ),
        "the same field twice, further in": (inside + '{"a": 1, "a": 2}}').encode(),
        "NaN": (inside + "NaN}").encode(),
        "Infinity": (inside + "Infinity}").encode(),
        "minus Infinity": (inside + "-Infinity}").encode(),
        "a leading zero": (inside + "010}").encode(),
        "a plus sign": (inside + "+1}").encode(),
        "hexadecimal": (inside + "0x10}").encode(),
        "thousands of digits": (inside + "9" * 5_000 + "}").encode(),
        "deep arrays": (inside + "[" * DEEP + "]" * DEEP + "}").encode(),
        "deep arrays, never closed": b"[" * DEEP,
        "deep objects": (inside + '{"":' * (DEEP // 4) + "1" + "}" * (DEEP // 4) + "}").encode(),
        "a NUL": (inside + f'"{SECRET}\\u0000"}}').encode(),
        "a NUL in a name": f'{text[:-1]}, "{SECRET}\\u0000": 1}}'.encode(),
        "a raw NUL": (inside + f'"{SECRET}\0"}}').encode(),
        "a raw line feed in a string": (inside + f'"{SECRET}\n"}}').encode(),
        "bad UTF-8": (inside + f'"{SECRET}').encode() + b'\xff\xfe"}',
        "an overlong encoding": inside.encode() + b'"\xc0\xaf"}',
        "half a surrogate pair": (inside + f'"{SECRET}\\ud800"}}').encode(),
        "UTF-16": text.encode("utf-16"),
        "UTF-32": text.encode("utf-32"),
    }


NO_OBJECT = {
    text: text.encode() for text in ("null", "true", "100", '"100"', "[]", '[{"amountKES": 100}]')
}

NO_AMOUNT: dict[str, Any] = {
    "true": True,
    "a float": 100.0,
    "a fraction": 100.5,
    "a tiny float": 1e-18,
    "zero": 0,
    "minus one": -1,
    "minus one as text": "-1",
    "a huge integer": 10**30,
    "beyond a bigint": 2**63,
    "a huge text": "9" * 400,
    "a power": "1e3",
    "an underscore": "5_000",
    "a comma": "1,000",
    "a plus": "+100",
    "a space": " 100",
    "a line feed": "100\n",
    "Arabic digits": "١٠٠",
    "full-width digits": "１００",
    "hexadecimal": "0x64",
    "a leading zero": "0100",
    "no digit before the point": ".5",
    "no digit after the point": "5.",
    "the word": "NaN",
    "nothing": "",
    "null": None,
    "an array": [100],
    "an object": {"amount": 100},
    "SQL": SQL,
}
NO_STRING: dict[str, Any] = {"a number": 1, "true": True, "null": None, "an array": ["a"]}
NO_PHONE: dict[str, Any] = {
    "nothing": "",
    "too short": "0712",
    "too long": "0712345678" * 20,
    "a landline": "0202222222",
    "premium": "0900123456",
    "Ugandan": "+256712345678",
    "one digit too many": f"{PHONE}1",
    "one digit too few": PHONE[:-1],
    "letters": "0712ABCDEF",
    "an extension": f"{PHONE} ext 5",
    "a line feed": f"{PHONE}\n",
    "Arabic digits": "٠٧٠٠٠٠٠٠١٢",
    "a URI": f"tel:+{PHONE}",
    "two numbers": f"{PHONE},{PHONE}",
    "SQL": SQL,
    "colours": ANSI,
    "a forged log line": CRLF,
}
NO_USER: dict[str, Any] = {
    "nothing": "",
    "a space": f"{SECRET} b",
    "a path": f"../{SECRET}",
    "a line feed": f"{SECRET}\n",
    "too long": SECRET * 20,
    "not ASCII": f"{SECRET}é",
    "SQL": SQL,
    "colours": ANSI,
    "a forged log line": CRLF,
}
NO_TEXT: dict[str, Any] = NO_STRING | {
    "nothing": "",
    "too long": "x" * 201,
    "colours": ANSI,
    "a forged log line": CRLF,
    "delete": f"{SECRET}\x7f",
    "an eight-bit control": f"{SECRET}\x9b31m",
}
NO_CURRENCY: dict[str, Any] = NO_STRING | {
    "nothing": "",
    "small letters": "kes",
    "an unknown one": "EUR",
    "a line feed": "KES\n",
    "SQL": SQL,
}
NO_COIN: dict[str, Any] = NO_STRING | {
    "nothing": "",
    "one letter": "B",
    "too long": "B" * 21,
    "a space": " BTC",
    "a line feed": "BTC\n",
    "not ASCII": "ВТС",
    "SQL": SQL,
    "colours": ANSI,
}
