"""The figures of the rules: read only, and bounded by an index however big the tables are.

They look across all slices, as the checker of the books does. A statement gives rows of
``(subject, figure)``. Ids are UUIDv7, so a time range is read as an id range.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from payops.audit import service as audit
from payops.audit.domain import AuditEvent
from payops.infra.db import Tx
from payops.infra.scheduling import Job
from payops.infra.scheduling.slots import newest_slot
from payops.ops.watching.credentials import Credential

WATCH_JOB: Final = "watch"
FIRST_SEEN: Final = "credential_first_seen"


def _since(interval: str) -> str:
    """The smallest UUIDv7 of ``interval`` ago: SQL of a constant."""
    milliseconds = f"floor(extract(epoch FROM now() - {interval}) * 1000)::bigint"
    return f"(lpad(to_hex({milliseconds}), 12, '0') || repeat('0', 20))::uuid"


_QUARTER: Final = _since("interval '15 minutes'")
_HOUR: Final = _since("interval '1 hour'")

EXPOSURE: Final = """
SELECT '' AS subject, (coalesce(sum(amount), 0) / 100)::bigint AS figure
FROM withdrawals WHERE state IN ('unresolved', 'review')
"""

# What is halted waits on purpose, and that it is halted is an alert of its own.
PENDING: Final = """
SELECT w.rail AS subject, (extract(epoch FROM now() - min(w.created_at)) / 60)::bigint AS figure
FROM withdrawals w
WHERE w.state = 'pending' AND NOT EXISTS (
    SELECT FROM switches s WHERE s.is_halted AND s.name IN ('withdrawals', w.rail))
GROUP BY w.rail
"""

FAILURES: Final = f"""
SELECT rail AS subject, (100 * count(*) FILTER (WHERE state = 'failed') / count(*)) AS figure
FROM withdrawals WHERE id >= {_HOUR} AND state IN ('completed', 'failed')
GROUP BY rail HAVING count(*) >= $1
"""  # noqa: S608 - constants only

# Withdrawals that wait say that something should come; one signed word says that it does.
SILENCE: Final = f"""
SELECT w.rail AS subject, (extract(epoch FROM now() - min(w.updated_at)) / 60)::bigint AS figure
FROM withdrawals w
WHERE w.state = 'sent' AND NOT EXISTS (
    SELECT FROM webhook_deliveries d
    WHERE d.id >= {_since("make_interval(mins => $1)")}
        AND d.source = w.rail AND d.state <> 'rejected')
GROUP BY w.rail
"""  # noqa: S608 - as above

INBOX: Final = """
SELECT source AS subject, extract(epoch FROM now() - min(received_at))::bigint AS figure
FROM webhook_deliveries WHERE state = 'pending' GROUP BY source
"""

REJECTED: Final = f"""
SELECT source AS subject, count(*) AS figure
FROM webhook_deliveries WHERE state = 'rejected' AND id >= {_QUARTER} GROUP BY source
"""  # noqa: S608 - as above

# By the time of the refusal, of withdrawals that were accepted within the hour.
FLOAT_REFUSALS: Final = f"""
SELECT rail AS subject, count(*) AS figure
FROM withdrawals
WHERE id >= {_HOUR} AND state = 'failed' AND upper(failure_provider_code) = ANY($1::text[])
    AND updated_at >= now() - interval '15 minutes'
GROUP BY rail
"""  # noqa: S608 - as above

# A job that was never done counts from the first run of any job: from when the service began.
HOURS_SINCE_DONE: Final = """
SELECT j.name AS subject, (extract(epoch FROM now() - coalesce(
    (SELECT max(r.slot) FROM job_runs r WHERE r.job = j.name AND r.status = 'done'),
    (SELECT min(started_at) FROM job_runs), now())) / 3600)::bigint AS figure
FROM unnest($1::text[]) AS j (name)
"""

API_KEY_DAYS: Final = """
SELECT 'api_key:' || name AS subject,
    max(extract(epoch FROM now() - created_at) / 86400)::bigint AS figure
FROM api_keys
WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
GROUP BY name
"""

# Since when the slots are looked after, and whether that was so a while ago as well.
_AWAKE: Final = """
SELECT min(slot) AS began, coalesce(bool_or(
    job = $1 AND slot BETWEEN now() - $2::interval - interval '3 minutes'
        AND now() - $2::interval), false) AS is_awake
FROM job_runs
"""

# A run that is under way is bounded by its job's timeout.
_DONE_SINCE: Final = """
SELECT DISTINCT j.name FROM unnest($1::text[], $2::timestamptz[]) AS j (name, slot)
JOIN job_runs r ON r.job = j.name AND r.slot >= j.slot
    AND (r.status = 'done' OR (r.status = 'running' AND r.lease_until >= now()))
"""


async def figures(tx: Tx, sql: str, *arguments: object) -> dict[str, int]:
    return {row["subject"]: row["figure"] for row in await tx.fetch(sql, *arguments)}


async def late_jobs(
    tx: Tx, jobs: Sequence[Job], now: datetime, late_minutes: int
) -> dict[str, int]:
    """Minutes since the newest slot that should be done by now, of each job that has not done it.

    Nothing is said in the first minutes after everything was down: slots are caught up then.
    """
    late = timedelta(minutes=late_minutes)
    awake = await tx.fetchrow(_AWAKE, WATCH_JOB, late)
    if awake is None or not awake["is_awake"]:
        return {}
    return await _behind(tx, jobs, now, late, awake["began"])


async def overdue_jobs(
    tx: Tx, jobs: Sequence[Job], now: datetime, late_minutes: int
) -> dict[str, int]:
    """As ``late_jobs``, but of whoever looks: also when everything is down, and right after.

    Slots from before the first run of all were nobody's, though one may have been caught up.
    """
    began = await tx.fetchval("SELECT min(started_at) FROM job_runs")
    if began is None:
        return {}
    return await _behind(tx, jobs, now, timedelta(minutes=late_minutes), began)


async def _behind(
    tx: Tx, jobs: Sequence[Job], now: datetime, late: timedelta, began: datetime
) -> dict[str, int]:
    due = {
        job.name: slot
        for job in jobs
        if (slot := newest_slot(job, now - late)) is not None and slot >= began
    }
    rows = await tx.fetch(_DONE_SINCE, list(due), list(due.values()))
    done = {row["name"] for row in rows}
    return {
        name: -((slot - now) // timedelta(minutes=1))  # rounded up: it is late, not nearly
        for name, slot in due.items()
        if name not in done
    }


async def credential_days(
    tx: Tx, credentials: Sequence[Credential], now: datetime
) -> dict[str, int]:
    """Days since each was first seen in use here; one that is new is noted in the audit log."""
    days: dict[str, int] = {}
    for credential in credentials:
        seen = await audit.history(tx, subject=credential.subject, kind=FIRST_SEEN)
        if seen:
            days[credential.name] = (now - seen[-1].at).days
        else:
            await audit.record(tx, [_first_seen(credential)])
    return days


def _first_seen(credential: Credential) -> AuditEvent:
    return AuditEvent(
        kind=FIRST_SEEN,
        actor="system:watch",
        subject=credential.subject,
        detail={"name": credential.name},
    )
