"""Decisions: appended with the request they are about, and counted afterwards."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from payops.fraud.domain.decisions import Decision
from payops.infra.db import Tx
from payops.kernel.ids import id_before

_INSERT = """
INSERT INTO fraud_decisions (user_id, id, action, outcome, code, subject, request_id, amount,
    rules, hits, seen, device_id)
SELECT n.user_id, n.id, n.action, n.outcome, n.code, n.subject, n.request_id, n.amount, n.rules,
    CASE WHEN n.hits = '' THEN '{}' ELSE string_to_array(n.hits, ' ') END, n.seen, n.device_id
FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::bigint[], $9::jsonb[], $10::text[], $11::text[], $12::uuid[])
    AS n (user_id, id, action, outcome, code, subject, request_id, amount, rules, hits, seen,
        device_id)
"""

# Ids grow with time: a range of the primary key.
_REFUSALS = """
SELECT user_id, count(*)::integer AS refusals FROM fraud_decisions
WHERE user_id = ANY($1::text[]) AND id >= $2 AND at > $3 AND code = 'velocity_limit_exceeded'
GROUP BY user_id ORDER BY user_id
"""

_HITS = """
SELECT date_trunc('hour', at) AS hour, r.rule ->> 'rule' AS name,
    (r.rule ->> 'version')::integer AS version, r.rule ->> 'mode' AS mode,
    count(*)::integer AS hits, count(DISTINCT user_id)::integer AS users,
    coalesce(sum(amount), 0)::bigint AS amount_minor
FROM fraud_decisions CROSS JOIN LATERAL jsonb_array_elements(rules) AS r (rule)
WHERE at >= $1 AND hits <> '{}' AND (r.rule ->> 'hit')::boolean
GROUP BY 1, 2, 3, 4 ORDER BY 1 DESC, 2, 3 LIMIT $2
"""


@dataclass(frozen=True, slots=True)
class Hits:
    """How often one version of a rule was met in an hour, and what it would have moved."""

    hour: datetime
    name: str
    version: int
    mode: str
    hits: int
    users: int
    amount_minor: int


async def insert(tx: Tx, decisions: Sequence[Decision]) -> None:
    await tx.execute(
        _INSERT,
        [d.user_id for d in decisions],
        [d.id for d in decisions],
        [d.action for d in decisions],
        [d.outcome for d in decisions],
        [d.code for d in decisions],
        [d.subject for d in decisions],
        [d.request_id for d in decisions],
        [d.amount_minor for d in decisions],
        [f"[{','.join([finding.json for finding in d.findings])}]" for d in decisions],
        [" ".join(d.hits) for d in decisions],
        [d.seen for d in decisions],
        [d.device_id for d in decisions],
    )


async def velocity_refusals(tx: Tx, users: Collection[str], since: datetime) -> dict[str, int]:
    """How often each of ``users`` met an enforced limit after ``since``, in order of users."""
    rows = await tx.fetch(_REFUSALS, list(users), id_before(since), since)
    return {row["user_id"]: row["refusals"] for row in rows}


async def hits(tx: Tx, since: datetime, limit: int) -> list[Hits]:
    """Hits per hour, rule, version and mode, the newest hour first."""
    return [Hits(**dict(row)) for row in await tx.fetch(_HITS, since, limit)]
