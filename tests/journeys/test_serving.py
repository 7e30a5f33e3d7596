"""The real command: prompt, drained when stopped, and several of them at once."""

import asyncio
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from payops.sandbox import running
from tests.journeys.workload import (
    Customers,
    api_key,
    assert_books,
    book_of,
    log_in,
    paid_per_order,
    watched,
)
from tests.support.process import SANDBOX, caller, commanded, environment, forked
from tests.support.waiting import eventually, free_port

PAID = "254700000000"
STOPPED_SECONDS_MAX = 20


@pytest.mark.slow
async def test_a_commit_wakes_the_dispatcher_of_another_process(
    own_url: str, tmp_path: Path
) -> None:
    """
    With polling once in ten minutes the rail is still called at once.
    """
    async with (
        running(SANDBOX) as sandbox,
        watched(own_url) as database,
        caller(await api_key(database)) as http,
    ):
        environ = environment(own_url, rail=sandbox.lipana_url, WORKER__POLL_MS=600_000)
        with (
            forked(environ | {"PAYOPS_ROLE": "api"}, log_in(tmp_path, "api")) as api,
            forked(environ | {"PAYOPS_ROLE": "worker"}, log_in(tmp_path, "worker")) as worker,
        ):
            await api.ready(http)
            await worker.ready(http)
            await eventually(lambda: _listens(worker.log))
            customers = Customers(http, lambda: api.url)
            await customers.fund("user-1", 1_000)
            txid = (await customers.withdraw("user-1", 100, PAID, "key-1"))["txId"]

            async def called() -> bool:
                book = await book_of(http, sandbox.control_url)
                return txid in book["requests"]

            await eventually(called, within=15)


def _listens(log: Path) -> bool:
    return "server.started" in log.read_text()


@pytest.mark.slow
async def test_a_service_that_is_stopped_finishes_what_it_began(
    own_url: str, tmp_path: Path
) -> None:
    """
    SIGTERM with a call on the wire: exit 0 in time, and the answer is on record.
    """
    slow = replace(SANDBOX, speed_percent=300)  # script 26 then answers after a second
    async with (
        running(slow) as sandbox,
        watched(own_url) as database,
        caller(await api_key(database)) as http,
    ):
        environ = environment(
            own_url,
            rail=sandbox.lipana_url,
            LIPANA__TIMEOUT_SECONDS=5,
            MPESA_RETRY__LEASE_SECONDS=30,
        )
        with commanded(environ, log_in(tmp_path)) as serving:
            await serving.ready(http)
            customers = Customers(http, lambda: serving.url)
            await customers.fund("user-1", 1_000)
            await customers.withdraw("user-1", 100, "254700000026", "key-1")
            await eventually(lambda: _attempts(database, None))
            began = time.monotonic()

            code = await asyncio.to_thread(serving.terminate)

            assert 0 == code, serving.last_words()
            assert time.monotonic() - began < STOPPED_SECONDS_MAX
        assert await _attempts(database, "taken")


async def _attempts(database: object, answer: str | None) -> int:
    async with database.transaction(read_only=True) as tx:  # type: ignore[attr-defined]
        count: int = await tx.fetchval(
            "SELECT count(*) FROM payout_attempts WHERE answer IS NOT DISTINCT FROM $1", answer
        )
    return count


@pytest.mark.slow
async def test_three_replicas_send_each_payout_once(own_url: str, tmp_path: Path) -> None:
    """
    Of three processes on one database each payout is sent by one, and each slot run by one.
    """
    ports = [free_port() for _ in range(3)]
    settings = replace(SANDBOX, callback_url=f"http://127.0.0.1:{ports[0]}/webhooks/mpesa")
    with ExitStack() as stack:
        async with (
            running(settings) as sandbox,
            watched(own_url) as database,
            caller(await api_key(database)) as http,
        ):
            # On this dialect a second send would be a second payment.
            environ = environment(
                own_url,
                rail=sandbox.lipana_url,
                LIPANA__SENDS_REFERENCE=False,
                AUDIT__SEAL_SECONDS=1,
            )
            replicas = [
                stack.enter_context(forked(environ, log_in(tmp_path, f"serve-{port}"), port))
                for port in ports
            ]
            for replica in replicas:
                await replica.ready(http)
            turn = iter(range(10**6))
            customers = Customers(http, lambda: replicas[next(turn) % 3].url)
            await asyncio.gather(*(customers.fund(f"user-{n}", 1_000) for n in range(30)))
            await asyncio.gather(
                *(customers.withdraw(f"user-{n}", 100 + n, PAID, f"key-{n}") for n in range(30))
            )

            states = await customers.settled()

            assert {"completed": 30} == Counter(states.values())
            paid = paid_per_order(await book_of(http, sandbox.control_url))
            assert {(PAID, 100 + n): 1 for n in range(30)} == paid
            told = [one["txId"] for one in customers.acknowledged.values()]
            await assert_books(database, told)
            async with database.transaction(read_only=True) as tx:
                twice = await tx.fetch(
                    "SELECT job, slot FROM job_runs GROUP BY job, slot HAVING count(*) > 1"
                )
            assert [] == twice
            codes = [await asyncio.to_thread(replica.terminate) for replica in replicas]
            assert [0, 0, 0] == codes


@pytest.mark.slow
async def test_the_same_key_at_once_on_two_processes_is_one_withdrawal(
    own_url: str, tmp_path: Path
) -> None:
    """
    Twenty requests: one withdrawal, and every answer is the same or says that it is running.
    """
    environ = environment(own_url, ROLE="api")
    async with watched(own_url) as database, caller(await api_key(database)) as http:
        with (
            forked(environ, log_in(tmp_path, "one")) as one,
            forked(environ, log_in(tmp_path, "other")) as other,
        ):
            await one.ready(http)
            await other.ready(http)
            await Customers(http, lambda: one.url).fund("user-1", 1_000)
            body = {"userId": "user-1", "amountKES": 100, "phoneNumber": PAID}
            answers = await asyncio.gather(
                *(
                    http.post(
                        f"{(one, other)[n % 2].url}/api/withdrawals/mpesa",
                        json=body,
                        headers={"Idempotency-Key": "the same"},
                    )
                    for n in range(20)
                )
            )
            told = [answer for answer in answers if answer.status_code == 202]
            assert {202} <= {answer.status_code for answer in answers} <= {202, 409}
            assert 1 == len({answer.content for answer in told})
            first_ones = [a for a in told if "idempotent-replayed" not in a.headers]
            assert 1 == len(first_ones)
            await assert_books(database, [told[0].json()["txId"]])
            async with database.transaction(read_only=True) as tx:
                assert 1 == await tx.fetchval("SELECT count(*) FROM withdrawals")
