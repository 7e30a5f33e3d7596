"""Sessions of browsers: opened with an API key, ended by hand, by time, or with the key.

The browser holds a random token and we its hash, as with the keys themselves. What the
session may do is read with the key at each request: a revoked key ends its sessions.
"""

import hashlib
import hmac
import secrets
from typing import Final

from payops.access import store
from payops.access.domain import Principal, Session, read_key_id
from payops.access.errors import CredentialsRefused
from payops.infra.db import Database, Tx
from payops.kernel.errors import Unauthenticated
from payops.kernel.ids import new_id

_TOKEN_BYTES: Final = 32
_TOKEN_LENGTH_MAX: Final = 64


async def open_session(tx: Tx, principal: Principal, *, minutes_max: int) -> str:
    """A session of the API key ``principal``; its token, of which there is no other copy."""
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    key_id = read_key_id(principal.id)
    await store.open_session(tx, new_id(), key_id, _digest(token), minutes=minutes_max)
    return token


async def find_session(tx: Tx, token: str, *, idle_minutes: int, is_seen: bool) -> Session:
    """Whose browser holds ``token``; ``is_seen`` is whether a person asked, not a timer.

    Raises:
        Unauthenticated: no token.
        CredentialsRefused: none of ours, or its time is over, or its key's.
    """
    if not token:
        raise Unauthenticated
    if len(token) > _TOKEN_LENGTH_MAX:
        raise CredentialsRefused
    session = await store.find_session(
        tx, _digest(token), idle_minutes=idle_minutes, is_seen=is_seen
    )
    if session is None:
        raise CredentialsRefused
    return session


async def end_session(tx: Tx, session: Session) -> bool:
    """Sign out; whether it was still open."""
    return await store.end_session(tx, session.id)


async def forget_sessions(db: Database, *, older_than_days: int) -> int:
    """Drop what expired so long ago; that they were opened stays in the audit log."""
    async with db.transaction() as tx:
        return await store.forget_sessions(tx, older_than_days=older_than_days)


def form_token(token: str) -> str:
    """What each form of the session carries: nobody can name it who cannot read its pages."""
    return hmac.new(token.encode(), b"forms", hashlib.sha256).hexdigest()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()
