"""(f) Deposits: notifications taken in, what verifying costs, the figures of a long history."""

import asyncio
import hashlib
import hmac
import json
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from bench import report, serving, shots
from bench.database import Cluster, run
from bench.figures import Target, median
from bench.firing import Measured, measure
from bench.load import Plan, Shot
from bench.run import CLIENTS, PROCESSES, Run
from bench.seeding import _ID
from bench.serving import SECRETS, free_ports
from payops.deposits.service.measuring import Measures
from payops.deposits.store import figures
from payops.infra import logging
from payops.infra.db import connect
from payops.infra.metrics import Metrics
from payops.infra.settings import Log
from payops.providers.nowpayments.notifications import SIGNATURE_HEADER, NowPaymentsNotifications

INTAKE: Final = "deposit_intake"
FIGURES: Final = "deposit_figures"
PLAN: Final = "deposit-figures.txt"
_FIRST: Final = 4_000_000_000  # ids have ten digits
_ACKNOWLEDGED: Final = 200
_APPLIED_SECONDS_MAX: Final = 120
_LOOKS: Final = 15
_VERIFIED: Final = 2_000
_KILOBYTE: Final = 1_024
_NOTES: Final = (0, 8, 32)  # kilobytes of text beside the ordinary members
_NOTHING_DUE: Final = "SELECT NOT EXISTS (SELECT FROM webhook_deliveries WHERE due_at IS NOT NULL)"

_WAITING: Final = """
CREATE TEMP TABLE asked AS
SELECT 'bench-' || lpad((n % 1000)::text, 6, '0') AS user_id, n, pg_temp.id(now(), n) AS id,
    pg_temp.id(now(), {count} + n) AS payment_id, ({first} + n)::text AS reference
FROM generate_series(1, {count}) AS n;
INSERT INTO invoices (user_id, id, state, price, currency, charged, charged_currency, coin,
    provider, checkout, attempts, provider_reference, pay_amount, address, network,
    quote_expires_at, caller)
SELECT user_id, id, 'waiting', 2000, 'USD', 2000, 'USD', 'BTC', 'nowpayments', 'address', 1,
    reference, 0.02, 'bench', 'bitcoin', now() + interval '1 hour', 'key:bench' FROM asked;
INSERT INTO deposit_payments (user_id, id, invoice_id, provider, reference, kind, state,
    provider_status, coin, pay_amount, address, due_at)
SELECT user_id, payment_id, id, 'nowpayments', reference, 'primary', 'waiting', 'waiting', 'BTC',
    0.02, 'bench', now() + interval '1 day' FROM asked;
INSERT INTO deposit_references (provider, kind, reference, user_id, invoice_id)
SELECT 'nowpayments', 'payment', reference, user_id, id FROM asked;
"""

# Ninety days, evenly; one in two hundred is still open, and one in five was never paid.
_HISTORY: Final = """
CREATE TEMP TABLE past AS
SELECT 'bench-' || lpad((n % 10000)::text, 6, '0') AS user_id, n, at, pg_temp.id(at, n) AS id,
    CASE WHEN n % 200 = 0
            THEN (ARRAY['waiting', 'confirming', 'sending', 'review'])[1 + n / 200 % 4]
        WHEN n % 5 = 0 THEN 'expired' ELSE 'finished' END AS state
FROM (SELECT n, now() - interval '90 days' * (1 - n::float8 / {count}) AS at
    FROM generate_series(1, {count}) AS n) AS times;
INSERT INTO invoices (user_id, id, state, price, currency, charged, charged_currency, coin,
    provider, checkout, attempts, address, reasons, caller, state_since, created_at, updated_at)
SELECT user_id, id, state, 2000, 'USD', 2000, 'USD', 'BTC', 'nowpayments', 'address', 1, 'bench',
    CASE WHEN state = 'review' THEN ARRAY['wrong_asset'] ELSE '{{}}'::text[] END, 'key:bench',
    at, at, at FROM past;
INSERT INTO deposit_transitions (user_id, id, invoice_id, from_state, to_state, waited_seconds,
    settling_seconds, actor, at)
SELECT user_id, pg_temp.id(at, n), id, 'waiting', 'confirming', 300, NULL, 'bench', at FROM past
WHERE state <> 'expired'
UNION ALL SELECT user_id, pg_temp.id(at, {count} + n), id, 'confirming', state, NULL, 600, 'bench',
    at + interval '10 minutes' FROM past WHERE state = 'finished'
UNION ALL SELECT user_id, pg_temp.id(at, {count} + n), id, 'waiting', state, NULL, NULL, 'bench',
    at + interval '20 minutes' FROM past WHERE state = 'expired';
"""


def measure_deposits(run: Run) -> None:
    _verifying(run)
    _taking_in(run)
    _counting(run)


def _verifying(run: Run) -> None:
    """CPU of one process, with the secret that fits and the form that JavaScript signs."""
    logging.configure(Log(level="warning"), stream=sys.stderr)
    source = NowPaymentsNotifications((_secret(),))
    for kilobytes in _NOTES:
        body = _body(1, note="x" * kilobytes * _KILOBYTE)
        headers = {SIGNATURE_HEADER: _signature(body)}
        count = _VERIFIED // (1 + kilobytes)
        began = time.process_time_ns()
        for _ in range(count):
            assert source.is_authentic(headers, body)
        micros = (time.process_time_ns() - began) / count / 1_000
        size = len(body) / _KILOBYTE
        run.add("f", f"verifying a notification of {size:.1f} KiB", micros, "µs")
        run.add("f", "  per KiB", micros / size, "µs")


def _taking_in(run: Run) -> None:
    url, scale = run.cluster.create(INTAKE), run.scale
    rounds = scale.rounds + 1
    _seed(run.cluster, INTAKE, _WAITING, scale.callbacks * rounds)
    run.cluster.settle(INTAKE)
    notices = [_shot(_FIRST + number) for number in range(1, scale.callbacks * rounds + 1)]
    taken: list[Measured] = []
    with serving.payops(url, run.folder, ports=free_ports(PROCESSES)) as api:
        for number in range(rounds):
            run.tell(f"(f) round {number} of {scale.rounds}{'' if number else ': warm-up'}")
            some = notices[number * scale.callbacks : (number + 1) * scale.callbacks]
            taken.append(_fired(run, api, some))
    _require_applied(run, scale.callbacks * rounds)
    run.add("f", "signed notifications", median([one.fired.rate for one in taken[1:]]), "/s")
    for name in ("api", "database"):
        cpu = median([one.cpu_ms(name) for one in taken[1:]])
        run.add("f", f"  CPU per notification, {name}", cpu, "ms")


def _fired(run: Run, api: serving.Service, some: Sequence[Shot]) -> Measured:
    meters = {"api": api.cpu_seconds, "database": run.cluster.cpu_seconds}

    def applied() -> None:
        """Every effect is there: its cost belongs to the notifications."""
        run.cluster.wait_until(INTAKE, _NOTHING_DUE, seconds_max=_APPLIED_SECONDS_MAX)

    return measure(
        Plan(api.ports, shots.lanes(some, CLIENTS), _ACKNOWLEDGED), meters, until=applied
    )


def _require_applied(run: Run, expected: int) -> None:
    applied = "SELECT count(*) FROM deposit_payments WHERE notified_at IS NOT NULL"
    run.require_whole(INTAKE, run.cluster.value(INTAKE, applied), expected)


def _counting(run: Run) -> None:
    count = run.scale.journals
    run.cluster.create(FIGURES)
    run.tell(f"(f) writing {count:,} invoices")
    _seed(run.cluster, FIGURES, _HISTORY, count)
    run.cluster.settle(FIGURES)
    milliseconds = asyncio.run(_looked(run.cluster.url(FIGURES)))
    run.add("f", f"figures over {count:,} invoices", median(milliseconds), "ms", Target("<", 100))
    _keep_plan(run.cluster)


async def _looked(url: str) -> list[float]:  # tidy: times of a benchmark, no money
    """What the metrics route and the hourly job do, several times over."""
    db = connect(url, pool_size=2)
    try:
        measures = Measures(db, Metrics(), timedelta(hours=24), timedelta(minutes=30))
        found = []
        for _ in range(_LOOKS):
            began = time.perf_counter_ns()
            await measures.measure()
            found.append((time.perf_counter_ns() - began) / 1e6)
    finally:
        await db.close()
    return found


def _keep_plan(cluster: Cluster) -> None:
    """How PostgreSQL finds them, beside the results: it must read no invoice that is done."""
    statement = f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) {figures._FIGURES}"  # noqa: SLF001 - the very statement

    async def explained(connection: object) -> list[str]:
        rows = await connection.fetch(  # type: ignore[attr-defined]
            statement, timedelta(hours=24), timedelta(minutes=30)
        )
        return [row[0] for row in rows]

    lines: list[str] = run(cluster.url(FIGURES), explained)
    report.RESULTS.mkdir(parents=True, exist_ok=True)
    (report.RESULTS / PLAN).write_text("\n".join(lines) + "\n")


def _seed(cluster: Cluster, database: str, sql: str, count: int) -> None:
    past_triggers = "SET session_replication_role = replica;"
    cluster.execute(database, past_triggers + _ID + sql.format(count=count, first=_FIRST))


def _shot(payment: int) -> Shot:
    body = _body(payment)
    head = (
        "POST /webhooks/nowpayments HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"{SIGNATURE_HEADER}: {_signature(body)}\r\n\r\n"
    )
    return Shot(head.encode() + body)


def _body(payment: int, note: str = "BETRIX deposit") -> bytes:
    """As the provider sends it; its members in order, so that the bytes are what is signed."""
    content = {
        "actually_paid": 0.02,
        "fee": {"currency": "btc", "depositFee": 0.00003, "serviceFee": 0, "withdrawalFee": 0},
        "order_description": note,
        "outcome_amount": 0.0199,
        "outcome_currency": "btc",
        "pay_amount": 0.02,
        "pay_currency": "btc",
        "payment_id": payment,
        "payment_status": "finished",
        "price_amount": 20,
        "price_currency": "usd",
        "updated_at": 1_795_000_000_000,
    }
    # JavaScript writes 0.00003 like this, and Python as 3e-05.
    return json.dumps(content, separators=(",", ":")).replace("3e-05", "0.00003").encode()


def _signature(body: bytes) -> str:
    return hmac.digest(_secret(), body, hashlib.sha512).hex()


def _secret() -> bytes:
    return SECRETS["PAYOPS_NOWPAYMENTS__IPN_SECRET"].encode()
