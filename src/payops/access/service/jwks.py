"""The issuer's public keys, read from a URL and kept.

Known keys are used while newer ones are fetched, unless they are so old that one of them may
have been withdrawn long ago: then whoever brings a token waits for the fetch, for seconds at
most. If it fails, the old keys go on being used, since an issuer that is down must not lock
every user out; but not for ever: a day after they were read, nobody is believed by them. An
unknown key id leads to a fetch, at most one at a time and one per cooldown, because anybody
can send an unknown id.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias

import jwt
import structlog

from payops.access.errors import TokenKeysUnavailable

log = structlog.get_logger(__name__)

Fetch: TypeAlias = Callable[[str], Awaitable[bytes]]
"""``await fetch(url)``: the body of a 200, or any exception."""

TTL_SECONDS: Final = 600
STALE_SECONDS: Final = 2 * TTL_SECONDS
KEYS_AGE_SECONDS_MAX: Final = 24 * 3600
COOLDOWN_SECONDS: Final = 30
WAIT_SECONDS_MAX: Final = 5
KEYS_MAX: Final = 100

# The kind of key and curve that each algorithm takes: a key of another kind is not looked at.
_KIND_OF: Final[Mapping[str, tuple[str, str | None]]] = {
    "RS256": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "EdDSA": ("OKP", "Ed25519"),
}


class Jwks:
    """Keys for one algorithm, by key id."""

    def __init__(
        self,
        url: str,
        algorithm: str,
        fetch: Fetch,
        *,
        seconds: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000_000,
        wait_seconds_max: int = WAIT_SECONDS_MAX,
    ) -> None:
        self._url = url
        self._algorithm = algorithm
        self._fetch = fetch
        self._seconds = seconds
        self._wait_seconds_max = wait_seconds_max
        self._keys: dict[str, Any] = {}
        self._read_at = 0
        self._asked_at: int | None = None
        self._answered = False
        self._asking: asyncio.Task[None] | None = None

    async def key(self, key_id: str | None) -> Any | None:
        """The public key a token names; without a name, the only one there is.

        Raises:
            TokenKeysUnavailable: it is not known, or was read too long ago, and the issuer
                did not answer when asked.
        """
        known = self._find(key_id)
        if known is not None and self._age() < STALE_SECONDS:
            if self._since_asked() >= TTL_SECONDS:
                self._start_asking()
            return known
        if self._since_asked() >= COOLDOWN_SECONDS:
            self._start_asking()
        if self._asking is not None:
            # Not cancelled with whoever waits: the others need the answer too.
            await asyncio.wait({self._asking}, timeout=self._wait_seconds_max)
            known = self._find(key_id)
        is_answered = self._answered and self._asking is None
        if not is_answered and (known is None or self._age() >= KEYS_AGE_SECONDS_MAX):
            raise TokenKeysUnavailable(retry_after_seconds=COOLDOWN_SECONDS)
        return known

    def _find(self, key_id: str | None) -> Any | None:
        if key_id is not None:
            return self._keys.get(key_id)
        return next(iter(self._keys.values())) if len(self._keys) == 1 else None

    def _age(self) -> int:
        """Seconds since the keys that are known were read."""
        return self._seconds() - self._read_at

    def _since_asked(self) -> int:
        return TTL_SECONDS if self._asked_at is None else self._seconds() - self._asked_at

    def _start_asking(self) -> None:
        if self._asking is None:
            self._asked_at = self._seconds()
            self._asking = asyncio.create_task(self._refresh())

    async def _refresh(self) -> None:
        try:
            asked_at = self._seconds()
            self._keys = keys_in(await self._fetch(self._url), self._algorithm)
            self._read_at = asked_at
            self._answered = True
        except Exception as error:  # noqa: BLE001 - whatever it is, the old keys stay
            self._answered = False
            log.warning("token_keys.not_read", error=type(error).__name__)
        finally:
            self._asking = None


def keys_in(document: bytes, algorithm: str) -> dict[str, Any]:
    """The keys of a JWK set that may verify ``algorithm``, by id.

    Raises:
        ValueError: not a JWK set, or one without a usable key.
    """
    found: dict[str, Any] = {}
    for entry in json.loads(document)["keys"][:KEYS_MAX]:
        if not _is_for(entry, algorithm):
            continue
        try:
            found[str(entry.get("kid", ""))] = jwt.PyJWK(entry, algorithm).key
        except jwt.PyJWTError:
            continue
    if not found:
        raise ValueError(f"no key for {algorithm}")
    return found


def _is_for(entry: Any, algorithm: str) -> bool:
    """Whether a set's entry says that it verifies signatures of ``algorithm``."""
    if not isinstance(entry, dict) or "d" in entry:
        return False
    kind, curve = _KIND_OF[algorithm]
    return (
        entry.get("kty") == kind
        and (curve is None or entry.get("crv") == curve)
        and entry.get("use", "sig") == "sig"
        and entry.get("alg", algorithm) == algorithm
    )
