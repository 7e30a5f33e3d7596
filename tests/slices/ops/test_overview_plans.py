"""The overview is loaded every few seconds: what grows with the years is never read whole."""

from typing import Any, Final

from payops import bootstrap
from payops.app import overview_desk_of
from tests.support.postgres import connected
from tests.support.rail import FakeRail
from tests.support.shop import settings_of
from tests.support.waiting import eventually

_COUNT: Final = 30_000  # large enough that reading all of a table is never the cheaper plan
_GROWING: Final = (
    *("withdrawals", "journals", "entries", "webhook_deliveries", "audit_log"),
    *("invoices", "deposit_transitions"),
)

# A month of payouts, all of them paid; then what else a month leaves behind.
_ID: Final = """(lpad(to_hex(floor(extract(epoch FROM now() - n * interval '86 seconds') * 1000)
    ::bigint), 12, '0') || '70008000' || lpad(to_hex(n * 10 + {}), 12, '0'))::uuid"""
_FILL: Final = f"""
SET session_replication_role = replica;
CREATE TEMP TABLE past AS SELECT n, 'usr_' || n % 5000 AS user_id, {_ID.format(0)} AS id,
    {_ID.format(1)} AS hold, {_ID.format(2)} AS paid, now() - n * interval '86 seconds' AS at
FROM generate_series(1, {_COUNT}) AS n;
INSERT INTO journals (user_id, id, kind, reference, closes, reason, posted_at)
SELECT user_id, hold, 'withdrawal_held', id::text, NULL, '', at FROM past UNION ALL
SELECT user_id, paid, 'withdrawal_paid', id::text, hold, '', at FROM past;
INSERT INTO entries (user_id, journal_id, line, account, currency, amount)
SELECT user_id, hold, line, account, 'KES', amount FROM past, (VALUES
    (1, 'wallet:available', -100), (2, 'wallet:held', 100)) AS l (line, account, amount) UNION ALL
SELECT user_id, paid, line, account, 'KES', amount FROM past, (VALUES
    (1, 'wallet:held', -100), (2, 'mpesa:clearing', 100)) AS l (line, account, amount);
INSERT INTO withdrawals (user_id, id, state, amount, rail, hold_id, phone_sealed, phone_index,
    phone_masked, caller, created_at, updated_at)
SELECT user_id, id, 'completed', 100, 'lipana', hold, 'x', 'x', '', 'key:x', at, at FROM past;
INSERT INTO webhook_deliveries (id, source, dedupe_key, state, received_at, handled_at)
SELECT id, 'lipana', n::text::bytea, 'applied', at, at FROM past;
INSERT INTO audit_log (user_id, id, at, kind, actor, detail)
SELECT user_id, id, at, 'withdrawal_moved', 'system:sender', '{{}}' FROM past;
INSERT INTO invoices (user_id, id, state, price, currency, charged, charged_currency, coin,
    provider, checkout, credited, caller, state_since, created_at)
SELECT user_id, id, 'finished', 100, 'USD', 100, 'USD', 'BTC', 'mint', 'address', 100, 'key:x',
    at, at FROM past;
INSERT INTO deposit_transitions (user_id, id, invoice_id, from_state, to_state, actor, at)
SELECT user_id, id, id, 'sending', 'finished', 'system:x', at FROM past;
"""


async def scans(url: str) -> dict[str, tuple[int, int, int]]:
    """Of each table that grows: rows put in, scans of all of it, scans of its indexes."""
    async with connected(url) as connection:
        rows: list[Any] = await connection.fetch(
            "SELECT relname, n_tup_ins, seq_scan, coalesce(idx_scan, 0) AS idx_scan"
            " FROM pg_stat_user_tables WHERE relname = ANY($1::text[])",
            list(_GROWING),
        )
    return {row["relname"]: (row["n_tup_ins"], row["seq_scan"], row["idx_scan"]) for row in rows}


async def test_no_table_that_grows_is_read_whole(own_url: str) -> None:
    """Told by PostgreSQL itself, which counts the scans that really happened."""
    async with connected(own_url) as connection:
        await connection.execute(_FILL)
        await connection.execute("VACUUM ANALYZE")

    async def counted() -> Any:
        found = await scans(own_url)
        return found if all(inserted for inserted, _, _ in found.values()) else None

    before = await eventually(counted)
    services = bootstrap.build(settings_of(own_url), rail=FakeRail())
    overview = await overview_desk_of(services).overview()
    await services.close()  # its connections hand in their counts when they end

    async def looked() -> Any:
        found = await scans(own_url)
        return found if found["withdrawals"][2] > before["withdrawals"][2] else None

    after = await eventually(looked)
    assert overview.hours
    assert 900 < overview.hours.total.completed <= 1_005
    assert {name: row[1] for name, row in before.items()} == {n: r[1] for n, r in after.items()}
