"""The requests that are fired, built beforehand so that the generator only sends."""

import hashlib
import hmac
import json
import time
from collections.abc import Sequence
from typing import Final

import jwt

from bench.load import Shot
from bench.seeding import AMOUNT_KES, OpenPayout
from bench.serving import SECRETS

PHONE: Final = "254700000000"  # one the sandbox pays without trouble
_FIRST_PHONE: Final = 254_700_000_100  # behind those that the sandbox has a script for
_TOKEN_SECONDS: Final = 3600


def user_name(number: int) -> str:
    return f"bench-{number:06d}"


def lanes(shots: Sequence[Shot], clients: int) -> tuple[tuple[Shot, ...], ...]:
    """``shots`` dealt out to ``clients``: no user is ever with two of them."""
    return tuple(tuple(shots[client::clients]) for client in range(clients))


def phone_of(user: str) -> str:
    """A number of the user's own, as people have: limits are counted by number as well."""
    return str(_FIRST_PHONE + int(user.rpartition("-")[2]))


def withdrawal(user: str) -> Shot:
    """A withdrawal of ``user``, with the user's own token; the idempotency key is left out."""
    body = json.dumps({"amountKES": AMOUNT_KES, "phoneNumber": phone_of(user)}).encode()
    head = (
        "POST /api/withdrawals/mpesa HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {_token(user)}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"X-Device-Fingerprint: device-{user}\r\nIdempotency-Key: "
    )
    return Shot(head.encode(), b"\r\n\r\n" + body)


def callback(payout: OpenPayout) -> Shot:
    """The rail's signed word that ``payout`` was paid."""
    body = json.dumps(
        {
            "transactionId": payout.txid,
            "userId": payout.user_id,
            "amountKES": AMOUNT_KES,
            "status": "success",
            "receipt": payout.receipt,
        }
    ).encode()
    secret = SECRETS["PAYOPS_LIPANA__WEBHOOK_SECRET"].encode()
    head = (
        f"POST /webhooks/mpesa/{payout.txid} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"x-lipana-signature: {hmac.digest(secret, body, hashlib.sha256).hex()}\r\n\r\n"
    )
    return Shot(head.encode() + body)


def with_duplicates(shots: Sequence[Shot], copies: int) -> list[Shot]:
    """Each shot ``copies`` times, the copies among those of the shots that come after it."""
    pairs = [(number + copy, shot) for number, shot in enumerate(shots) for copy in range(copies)]
    return [shot for _, shot in sorted(pairs, key=lambda pair: pair[0])]


def _token(user: str) -> str:
    now = int(time.time())
    claims = {
        "sub": user,
        "iss": "betrix",
        "aud": "payops",
        "iat": now,
        "exp": now + _TOKEN_SECONDS,
    }
    return jwt.encode(claims, SECRETS["PAYOPS_AUTH__JWT_KEY"], algorithm="HS256")
