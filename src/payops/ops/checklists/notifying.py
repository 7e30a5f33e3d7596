"""A provider of our own, whose notifications show that the inbox takes each of them once.

It has no route: only this process can sign for it, with a secret it made when it started.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

from payops.infra.db import Tx
from payops.webhooks.ports import Effect, Handled, Unreadable
from payops.webhooks.service import Channel

NAME: Final = "payops-check"
_HEADER: Final = "x-payops-check"
_SECRET_BYTES: Final = 32


class CheckSource:
    """Signs, verifies and reads notifications that are about nothing but themselves."""

    name = NAME

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(_SECRET_BYTES)

    def signed(self, subject: str) -> tuple[dict[str, str], bytes]:
        """Headers and body of the notification called ``subject``."""
        body = json.dumps({"check": subject}).encode()
        return {_HEADER: hmac.digest(self._secret, body, hashlib.sha256).hex()}, body

    def is_authentic(self, headers: Mapping[str, str], body: bytes) -> bool:
        expected = hmac.digest(self._secret, body, hashlib.sha256).hex()
        return hmac.compare_digest(headers.get(_HEADER, "").encode(), expected.encode())

    def read(self, path_reference: str | None, body: bytes) -> Any:  # noqa: ARG002 - of the port
        """Raises ``Unreadable``."""
        try:
            return str(json.loads(body)["check"])
        except (ValueError, KeyError, TypeError):
            raise Unreadable("not a notification of the checks") from None


async def note(tx: Tx, reports: Sequence[Any]) -> list[Handled]:  # noqa: ARG001 - of the port
    """The effect: the row itself, which says that there was one."""
    return [Handled(Effect.APPLIED, subject=subject) for subject in reports]


def channel_of(source: CheckSource) -> Channel:
    return Channel(source, note)
