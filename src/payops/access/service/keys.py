"""API keys: made, listed, revoked, verified.

A verified key is believed for a second or so without asking the database again. Whoever
revokes one wakes ``KEYS_TOPIC``; on that every process forgets what it remembers, so the
next request with the key is refused.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from payops.access import store
from payops.access.domain import (
    KEY_ID_PREFIX,
    ApiKey,
    Kind,
    Principal,
    Scope,
    is_key_text,
    key_hash,
    key_prefix,
    new_key_text,
    person_of,
)
from payops.access.errors import CredentialsRefused, KeyNotFound
from payops.infra.db import Database, Tx
from payops.kernel.errors import Fault, Invalid
from payops.kernel.ids import new_id, show_id

KEYS_TOPIC: Final = "keys"
LISTED_MAX: Final = 1000
REMEMBERED_MAX: Final = 4096
_TEXT_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new key, with the only copy of its text there will ever be."""

    key: ApiKey
    text: str

    def __repr__(self) -> str:
        return f"IssuedKey({self.key.shown_id})"


async def create_key(
    db: Database,
    *,
    name: str,
    owner: str,
    scopes: Collection[Scope],
    live: bool,
    expires_at: datetime | None = None,
) -> IssuedKey:
    """``issue_key`` in a transaction of its own."""
    async with db.transaction() as tx:
        return await issue_key(
            tx, name=name, owner=owner, scopes=scopes, live=live, expires_at=expires_at
        )


async def issue_key(
    tx: Tx,
    *,
    name: str,
    owner: str,
    scopes: Collection[Scope],
    live: bool,
    expires_at: datetime | None = None,
) -> IssuedKey:
    """Make a key in the caller's transaction; ``live`` ones work in production only.

    Raises:
        Invalid: no scope, or a name or owner that is empty, too long or names nobody.
    """
    faults = [
        Fault(pointer, f"must have 1 to {_TEXT_MAX} characters")
        for pointer, text in (("/name", name), ("/owner", owner))
        if not 1 <= len(text) <= _TEXT_MAX
    ]
    if owner and not person_of(owner):
        faults.append(Fault("/owner", "names nobody"))
    if not scopes:
        faults.append(Fault("/scopes", "must name at least one scope"))
    if faults:
        raise Invalid(faults=faults)
    text = new_key_text(live=live)
    key = await store.insert(
        tx,
        new_id(),
        name=name,
        owner=owner,
        digest=key_hash(text),
        scopes=set(scopes),
        expires_at=expires_at,
    )
    return IssuedKey(key, text)


async def list_keys(db: Database) -> list[ApiKey]:
    """All keys, revoked ones too, newest first; at most ``LISTED_MAX``."""
    async with db.transaction(read_only=True) as tx:
        return await store.newest(tx, LISTED_MAX)


async def revoke_key(db: Database, key_id: UUID) -> ApiKey:
    """``end_key`` in a transaction of its own."""
    async with db.transaction() as tx:
        return await end_key(tx, key_id)


async def end_key(tx: Tx, key_id: UUID) -> ApiKey:
    """Revoke a key in the caller's transaction; revoking it twice changes nothing.

    Raises:
        KeyNotFound: no key has this id.
    """
    key = await store.revoke(tx, key_id)
    if key is None:
        raise KeyNotFound
    tx.wake(KEYS_TOPIC)
    return key


@dataclass(frozen=True, slots=True)
class _Remembered:
    principal: Principal
    key_id: UUID
    until: int  # monotonic nanoseconds


class KeyVerifier:
    """Tells whose an API key is."""

    def __init__(
        self,
        db: Database,
        *,
        live: bool,
        cache_seconds: int,
        nanoseconds: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._db = db
        self._prefix = key_prefix(live=live)
        self._cache_seconds = cache_seconds
        self._nanoseconds = nanoseconds
        self._remembered: OrderedDict[bytes, _Remembered] = OrderedDict()
        self._lookups: dict[bytes, asyncio.Task[Principal | None]] = {}
        self._used: set[UUID] = set()
        self._generation = 0

    def remembered(self, text: str) -> Principal | None:
        """Whose key it was a moment ago; ``None`` when that must be asked again."""
        known = self._remembered.get(key_hash(text))
        if known is None or known.until <= self._nanoseconds():
            return None
        self._used.add(known.key_id)
        return known.principal

    async def verify(self, text: str) -> Principal:
        """Whose key it is now.

        Raises:
            CredentialsRefused: nobody's, of another environment, revoked or expired.
        """
        if not (text.startswith(self._prefix) and is_key_text(text)):
            raise CredentialsRefused
        # Requests that come while a key is looked up wait for that one answer. It belongs
        # to none of them: one that goes away must not take it from the others.
        digest = key_hash(text)
        lookup = self._lookups.get(digest)
        if lookup is None:
            lookup = asyncio.create_task(self._look_up(digest, self._generation))
            self._lookups[digest] = lookup
            lookup.add_done_callback(lambda done: self._looked_up(digest, done))
        principal = await asyncio.shield(lookup)
        if principal is None:
            raise CredentialsRefused
        return principal

    def forget(self) -> None:
        """Ask the database about every key again, also about those being asked about."""
        self._generation += 1
        self._remembered.clear()
        self._lookups.clear()

    async def flush_last_used(self) -> int:
        """Write down which keys were used, each at most once a minute; returns how many."""
        used, self._used = self._used, set()
        if not used:
            return 0
        async with self._db.transaction() as tx:
            return await store.note_used(tx, used)

    async def _look_up(self, digest: bytes, generation: int) -> Principal | None:
        async with self._db.transaction(read_only=True) as tx:
            key = await store.find_valid(tx, digest)
        if key is None:
            return None
        self._used.add(key.id)
        principal = Principal(Kind.KEY, show_id(KEY_ID_PREFIX, key.id), key.owner, key.scopes)
        # An answer from before a revocation must not be remembered beyond it.
        if generation == self._generation and self._cache_seconds:
            left = key.seconds_left
            seconds = self._cache_seconds if left is None else min(self._cache_seconds, left)
            until = self._nanoseconds() + seconds * 1_000_000_000
            self._remembered[digest] = _Remembered(principal, key.id, until)
            self._remembered.move_to_end(digest)
            if len(self._remembered) > REMEMBERED_MAX:
                self._remembered.popitem(last=False)
        return principal

    def _looked_up(self, digest: bytes, done: asyncio.Task[Principal | None]) -> None:
        if self._lookups.get(digest) is done:
            del self._lookups[digest]
        if not done.cancelled():
            done.exception()  # seen, even when everybody who waited has gone
