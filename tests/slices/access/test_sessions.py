"""Sessions of the console on a real database."""

import asyncio
import json
from uuid import UUID

import pytest

from payops.access import service as access
from payops.access.domain import Principal, Scope, Session
from payops.access.errors import CredentialsRefused
from payops.access.service import KeyVerifier, create_key
from payops.infra.db import Database
from payops.infra.settings import Retention
from payops.kernel.errors import Unauthenticated
from tests.support import browsing, house
from tests.support.sql import execute, fetch, fetchval

IDLE = 30


@pytest.fixture
async def jane(database: Database) -> Principal:
    issued = await create_key(
        database, name="jane's", owner="jane", scopes=[Scope.OPS_READ], live=False
    )
    return await KeyVerifier(database, live=False, cache_seconds=0).verify(issued.text)


async def opened(database: Database, who: Principal, *, minutes_max: int = 60) -> str:
    async with database.transaction() as tx:
        return await access.open_session(tx, who, minutes_max=minutes_max)


async def found(database: Database, token: str, *, is_seen: bool = True) -> Session:
    async with database.transaction() as tx:
        return await access.find_session(tx, token, idle_minutes=IDLE, is_seen=is_seen)


async def test_a_session_is_its_key_s_principal(database: Database, jane: Principal) -> None:
    """With the scopes that the key has now, and its name to show."""
    session = await found(database, await opened(database, jane))

    assert (jane, "jane's") == (session.principal, session.key_name)


async def test_a_key_that_loses_a_scope_loses_it_in_its_sessions(
    database: Database, jane: Principal
) -> None:
    """Nothing of what it may do is kept in the session."""
    token = await opened(database, jane)
    await execute(database, "UPDATE api_keys SET scopes = '{audit:read}'")

    assert {Scope.AUDIT_READ} == (await found(database, token)).principal.scopes


async def test_without_a_token_nobody_asks(database: Database) -> None:
    """No credentials is not bad credentials: a stranger is sent to the door, not warned."""
    with pytest.raises(Unauthenticated) as error:
        await found(database, "")

    assert type(error.value) is Unauthenticated


@pytest.mark.parametrize("token", ["x", "\ud800", "\0", "é" * 64, "a" * 10_000])
async def test_what_is_no_token_is_refused(database: Database, token: str) -> None:
    """Whatever a cookie may hold."""
    with pytest.raises(CredentialsRefused):
        await found(database, token)


async def test_twenty_requests_at_once_are_one_session_seen_once(
    database: Database, jane: Principal
) -> None:
    """Noting that it was seen makes nobody wait for long, and fails nobody."""
    token = await opened(database, jane)
    await execute(database, "UPDATE console_sessions SET seen_at = now() - interval '5 minutes'")

    sessions = await asyncio.gather(*(found(database, token) for _ in range(20)))

    assert 1 == len({session.id for session in sessions})
    assert await fetchval(
        database, "SELECT now() - seen_at < interval '1 minute' FROM console_sessions"
    )


async def test_a_session_ends_once(database: Database, jane: Principal) -> None:
    """Of two sign-outs at once one did it, so one is on record."""
    session = await found(database, await opened(database, jane))

    async def end() -> bool:
        async with database.transaction() as tx:
            return await access.end_session(tx, session)

    assert [False, True] == sorted(await asyncio.gather(end(), end()))


async def test_what_was_over_long_ago_is_forgotten(database: Database, jane: Principal) -> None:
    """Counted from the moment it could be used last; what is young or open stays."""
    old, young, open_still = [await opened(database, jane) for _ in range(3)]
    for token, days in ((old, 31), (young, 29)):
        session = await found(database, token)
        await _age(database, session.id, days)

    assert 1 == await access.forget_sessions(database, older_than_days=30)
    assert 0 == await access.forget_sessions(database, older_than_days=30)
    assert 2 == len(await fetch(database, "TABLE console_sessions"))
    assert "jane" == (await found(database, open_still)).principal.owner


async def test_the_nightly_job_forgets_them(url: str) -> None:
    """After the days that the settings say, of every key."""
    retention = Retention(console_session_days=7)
    async with house.opened(url, retention=retention) as made:
        async with browsing.signed_in(made, Scope.OPS_READ):
            [row] = await fetch(made.services.db, "SELECT id FROM console_sessions")
            await _age(made.services.db, row["id"], 8)
        run = await made.services.scheduler.run_and_wait("retention")

        assert 1 == json.loads(run.result or "{}")["sessions"]
        assert [] == await fetch(made.services.db, "TABLE console_sessions")


async def _age(database: Database, session_id: UUID, days: int) -> None:
    await execute(
        database,
        "UPDATE console_sessions SET created_at = now() - interval '50 days',"
        " expires_at = now() - make_interval(days => $2) WHERE id = $1",
        session_id,
        days,
    )
