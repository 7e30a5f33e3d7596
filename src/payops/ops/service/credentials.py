"""API keys, made and ended by a person whose name is kept with the act."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from payops.access import service as access
from payops.access.domain import ApiKey, Scope
from payops.audit import service as audit
from payops.audit.domain import AuditEvent
from payops.infra.db import Database


async def create_key(
    db: Database,
    *,
    name: str,
    owner: str,
    scopes: Collection[Scope],
    live: bool,
    expires_at: datetime | None,
    actor: str,
) -> access.IssuedKey:
    """Make a key. Raises as ``access.issue_key``."""
    async with db.transaction() as tx:
        issued = await access.issue_key(
            tx, name=name, owner=owner, scopes=scopes, live=live, expires_at=expires_at
        )
        await audit.record(tx, [_event("api_key_created", issued.key, actor)])
    return issued


async def revoke_key(db: Database, key_id: UUID, *, actor: str) -> ApiKey:
    """End a key at once, everywhere. Raises ``KeyNotFound``."""
    async with db.transaction() as tx:
        key = await access.end_key(tx, key_id)
        await audit.record(tx, [_event("api_key_revoked", key, actor)])
    return key


def _event(kind: str, key: ApiKey, actor: str) -> AuditEvent:
    return AuditEvent(
        kind=kind,
        actor=actor,
        subject=key.shown_id,
        detail={"owner": key.owner, "scopes": sorted(key.scopes)},
    )
