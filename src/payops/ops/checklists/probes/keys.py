"""How old keys and secrets are, and which API keys nobody needs any more."""

from datetime import datetime, timedelta
from typing import Final

from payops.access import service as access
from payops.ops.checklists.domain import Finding, attention, failed, passed
from payops.ops.checklists.parts import By, Parts
from payops.ops.watching.credentials import in_use
from payops.ops.watching.queries import credential_days

_API_DAYS_MAX: Final = 365
_UNUSED: Final = timedelta(days=90)
_WARN_PERCENT: Final = 80  # of the age at which a key has to be changed


async def key_age(parts: Parts, _: By) -> Finding:
    """Days since each was first seen in use here; one that is new is noted now."""
    credentials = in_use(parts.settings, parts.fingerprints, parts.personal_data)
    async with parts.db.transaction() as tx:
        now: datetime = await tx.fetchval("SELECT now()")
        days = await credential_days(tx, credentials, now)
    ages = {credential.name: days.get(credential.name, 0) for credential in credentials}
    limit = parts.settings.watching.key_days
    old = [name for name, age in ages.items() if 0 < limit < age]
    ageing = [name for name, age in ages.items() if 0 < limit * _WARN_PERCENT < age * 100]
    evidence = {"days": [f"{name} {age}" for name, age in ages.items()], "limit": limit}
    if old:
        detail = f"in use for more than {limit} days: {', '.join(old)}; docs/personal-data.md"
        return failed(detail, **evidence)
    if ageing:
        return attention(f"soon {limit} days old: {', '.join(ageing)}", **evidence)
    oldest = max(ages.values(), default=0)
    return passed(f"{len(ages)} keys and secrets, the oldest {oldest} days in use", **evidence)


async def api_keys(parts: Parts, _: By) -> Finding:
    """Those in force that are old, were never used, or have not been used for long."""
    async with parts.db.transaction(read_only=True) as tx:
        now: datetime = await tx.fetchval("SELECT now()")
    in_force = [
        key
        for key in await access.list_keys(parts.db)
        if key.revoked_at is None and (key.expires_at is None or key.expires_at > now)
    ]
    old = [key.shown_id for key in in_force if (now - key.created_at).days > _API_DAYS_MAX]
    unused = [
        key.shown_id for key in in_force if (key.last_used_at or key.created_at) < now - _UNUSED
    ]
    evidence = {"inForce": len(in_force), "old": old, "unused": unused}
    if old or unused:
        detail = f"{len(old)} older than a year, {len(unused)} unused: `payops keys list`"
        return attention(detail, **evidence)
    return passed(f"{len(in_force)} in force, none old and all in use", **evidence)
