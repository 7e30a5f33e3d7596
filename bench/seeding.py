"""Fills databases: users with money, a long history, payouts on their way.

Written in bulk, past the triggers, but into books that balance: the invariants hold.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from bench import database
from bench.database import Cluster
from bench.serving import SECRETS
from payops.kernel.ids import new_id
from payops.ops import evidence
from payops.pii.domain import KeyMaterial, Place, parse_msisdn
from payops.pii.sealing import Keys
from payops.pii.service import PersonalData
from payops.withdrawals.domain import show
from payops.withdrawals.service.requesting import PHONE_PLACE

AMOUNT_KES: Final = 100
_RICH_KES: Final = 10_000_000_000

_PAST_TRIGGERS: Final = "SET session_replication_role = replica;"

# An id as the application makes them, for a moment and a number: sorted by time.
_ID: Final = """
CREATE FUNCTION pg_temp.id(at timestamptz, n bigint) RETURNS uuid LANGUAGE sql AS $$
    SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0')
        || '7' || lpad(to_hex(n & 4095), 3, '0') || '8' || substr(md5(n::text), 1, 15))::uuid $$;
"""

_USERS: Final = """
CREATE TEMP TABLE funded AS
SELECT 'bench-' || lpad(n::text, 6, '0') AS user_id,
    pg_temp.id(now() - interval '91 days', n) AS id
FROM generate_series(0, {users} - 1) AS n;
INSERT INTO wallets (user_id, currency, available, held, version)
SELECT user_id, 'KES', {minor}::bigint, 0, 1 FROM funded;
INSERT INTO journals (user_id, id, kind, reference, reason)
SELECT user_id, id, 'credit', 'bench-funding', 'benchmark' FROM funded;
INSERT INTO entries (user_id, journal_id, line, account, currency, amount)
SELECT user_id, id, line, account, 'KES', sign * {minor}::bigint FROM funded,
    (VALUES (1, 'platform', -1), (2, 'wallet:available', 1)) AS l (line, account, sign);
"""

# Withdrawals of ninety days, paid: what a request reads and writes is there as it would be.
_HISTORY: Final = """
CREATE TEMP TABLE past AS
SELECT 'bench-' || lpad((n % {users})::text, 6, '0') AS user_id, n, at,
    pg_temp.id(at, n) AS id, pg_temp.id(at, {withdrawals} + n) AS hold,
    pg_temp.id(at + interval '1 minute', 2 * {withdrawals} + n) AS paid
FROM (SELECT n, now() - interval '1 hour' - interval '90 days' * (1 - n::float8 / {withdrawals})
    AS at FROM generate_series(1, {withdrawals}) AS n) AS times;
UPDATE wallets w SET available = available - p.spent
FROM (SELECT user_id, {amount} * count(*) AS spent FROM past GROUP BY user_id) AS p
WHERE w.user_id = p.user_id;
INSERT INTO journals (user_id, id, kind, reference, reason, posted_at, closes)
SELECT user_id, hold, 'withdrawal_held', id::text, '', at, NULL FROM past;
INSERT INTO journals (user_id, id, kind, reference, reason, posted_at, closes)
SELECT user_id, paid, 'withdrawal_paid', id::text, '', at, hold FROM past;
INSERT INTO entries (user_id, journal_id, line, account, currency, amount)
SELECT user_id, hold, line, account, 'KES', sign * {amount} FROM past,
    (VALUES (1, 'wallet:available', -1), (2, 'wallet:held', 1)) AS l (line, account, sign);
INSERT INTO entries (user_id, journal_id, line, account, currency, amount)
SELECT user_id, paid, line, account, 'KES', sign * {amount} FROM past,
    (VALUES (1, 'wallet:held', -1), (2, 'mpesa:clearing', 1)) AS l (line, account, sign);
INSERT INTO withdrawals (user_id, id, state, amount, rail, hold_id, phone_sealed, phone_index,
    phone_masked, caller, request_id, attempts, first_sent_at, created_at, updated_at)
SELECT user_id, id, 'completed', {amount}, 'lipana', hold, decode(repeat('00', 44), 'hex'),
    decode(substr(md5(user_id), 1, 32), 'hex'), '+2547••••0000', 'user:' || user_id,
    'req_' || n, 1, at, at, at FROM past;
INSERT INTO payout_attempts (user_id, withdrawal_id, number, started_at, answer, answered_at)
SELECT user_id, id, 1, at, 'taken', at FROM past;
INSERT INTO idempotency_keys
    (user_id, caller, operation, key, fingerprint, resource, status, headers, body, created_at)
SELECT user_id, 'user:' || user_id, 'withdrawal', 'past-' || n, decode(repeat('00', 32), 'hex'),
    id::text, 202, '{{"Location": "/api/withdrawals"}}', decode(repeat('00', 300), 'hex'), at
FROM past;
INSERT INTO audit_log (user_id, id, at, kind, actor, subject, request_id, detail)
SELECT user_id, pg_temp.id(at, k * {withdrawals} + n), at, 'withdrawal_moved', 'bench',
    id::text, 'req_' || n, '{{}}' FROM past, generate_series(3, 4) AS k;
"""

_OPEN: Final = """
INSERT INTO wallets (user_id, currency, available, held, version)
SELECT user_id, 'KES', 0, {amount}, 2 FROM open_payouts;
INSERT INTO journals (user_id, id, kind, reference, reason)
SELECT user_id, credit_id, 'credit', 'bench-funding', 'benchmark' FROM open_payouts;
INSERT INTO journals (user_id, id, kind, reference, reason)
SELECT user_id, hold_id, 'withdrawal_held', txid, '' FROM open_payouts;
INSERT INTO entries (user_id, journal_id, line, account, currency, amount)
SELECT user_id, credit_id, line, account, 'KES', sign * {amount} FROM open_payouts,
    (VALUES (1, 'platform', -1), (2, 'wallet:available', 1)) AS l (line, account, sign);
INSERT INTO entries (user_id, journal_id, line, account, currency, amount)
SELECT user_id, hold_id, line, account, 'KES', sign * {amount} FROM open_payouts,
    (VALUES (1, 'wallet:available', -1), (2, 'wallet:held', 1)) AS l (line, account, sign);
INSERT INTO withdrawals (user_id, id, state, amount, rail, hold_id, phone_sealed, phone_index,
    phone_masked, caller, attempts, tries, first_sent_at, provider_reference, due_at,
    created_at, updated_at)
SELECT user_id, id, 'sent', {amount}, 'lipana', hold_id, phone_sealed, phone_index,
    phone_masked, 'user:' || user_id, 1, 1, now() - interval '2 hours', 'po_' || txid,
    now() + interval '1 day', now() - interval '2 hours', now() - interval '2 hours'
FROM open_payouts;
INSERT INTO payout_attempts (user_id, withdrawal_id, number, answer, detail, answered_at)
SELECT user_id, id, 1, 'taken', '', now() FROM open_payouts;
INSERT INTO payout_references (rail, kind, reference, user_id, withdrawal_id)
SELECT 'lipana', 'payout', 'po_' || txid, user_id, id FROM open_payouts;
"""
_OPEN_COLUMNS: Final = (
    *("user_id", "id", "txid", "hold_id", "credit_id"),
    *("phone_sealed", "phone_index", "phone_masked"),
)


@dataclass(frozen=True, slots=True)
class OpenPayout:
    """One that the rail has taken and not settled."""

    user_id: str
    id: UUID

    @property
    def txid(self) -> str:
        return show(self.id)

    @property
    def receipt(self) -> str:
        return f"BN{self.txid[-10:].upper()}"


def users(cluster: Cluster, name: str, count: int) -> None:
    """``bench-000000`` and so on, each with a wallet and the journal that filled it."""
    sql = _USERS.format(users=count, minor=_RICH_KES * 100)
    cluster.execute(name, _PAST_TRIGGERS + _ID + sql)


def history(cluster: Cluster, name: str, *, users: int, journals: int) -> None:
    """Two journals for each withdrawal of the past, on top of what ``users`` made."""
    sql = _HISTORY.format(users=users, withdrawals=journals // 2, amount=AMOUNT_KES * 100)
    cluster.execute(name, _PAST_TRIGGERS + _ID + sql)


def open_payouts(cluster: Cluster, name: str, count: int, phone: str) -> list[OpenPayout]:
    """``count`` payouts that the rail took two hours ago, each of a user of its own."""
    personal_data = PersonalData(
        Keys.of(KeyMaterial(SECRETS["PAYOPS_PII__KEYS"], SECRETS["PAYOPS_PII__INDEX_KEY"])),
        journal=evidence.note,
    )
    number = parse_msisdn(phone)
    payouts = [OpenPayout(f"open-{n:06d}", new_id()) for n in range(count)]
    rows = []
    for payout in payouts:
        place = Place(*PHONE_PLACE, payout.user_id, payout.id)
        sealed = personal_data.seal_phone(place, number)
        ids = (payout.user_id, payout.id, payout.txid, new_id(), new_id())
        rows.append((*ids, sealed.sealed, sealed.index, sealed.masked))
    database.run(cluster.url(name), lambda connection: _insert(connection, rows))
    return payouts


async def _insert(connection: Any, rows: Sequence[tuple[object, ...]]) -> None:
    await connection.execute(
        "CREATE TEMP TABLE open_payouts (user_id text, id uuid, txid text, hold_id uuid,"
        " credit_id uuid, phone_sealed bytea, phone_index bytea, phone_masked text)"
    )
    await connection.copy_records_to_table("open_payouts", records=rows, columns=_OPEN_COLUMNS)
    await connection.execute(_PAST_TRIGGERS + _OPEN.format(amount=AMOUNT_KES * 100))
