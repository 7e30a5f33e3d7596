"""API keys on a real database."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from payops.access.domain import Kind, Scope, new_key_text
from payops.access.errors import CredentialsRefused, KeyNotFound
from payops.access.service import (
    KEYS_TOPIC,
    IssuedKey,
    KeyVerifier,
    create_key,
    list_keys,
    revoke_key,
)
from payops.infra.db import Database
from payops.kernel.errors import Invalid
from payops.kernel.ids import new_id


async def made(database: Database, *, expires_at: datetime | None = None) -> IssuedKey:
    return await create_key(
        database,
        name="back end",
        owner="betrix",
        scopes=[Scope.WITHDRAWALS_WRITE, Scope.WALLETS_READ],
        live=False,
        expires_at=expires_at,
    )


def verifier(database: Database, *, cache_seconds: int = 60) -> KeyVerifier:
    there = KeyVerifier(database, live=False, cache_seconds=cache_seconds)
    database.on_wake(lambda topic: there.forget() if topic == KEYS_TOPIC else None)
    return there


async def test_a_key_is_its_owner_with_its_scopes(database: Database) -> None:
    """The principal is the key; whom it acts for, each request says."""
    issued = await made(database)

    principal = await verifier(database).verify(issued.text)

    assert (Kind.KEY, issued.key.shown_id, "betrix", None) == (
        principal.kind,
        principal.id,
        principal.owner,
        principal.user_id,
    )
    assert {Scope.WITHDRAWALS_WRITE, Scope.WALLETS_READ} == principal.scopes


async def test_the_key_itself_is_stored_nowhere(database: Database) -> None:
    """Neither the table nor the representation of what was issued holds it."""
    issued = await made(database)

    async with database.transaction(read_only=True) as tx:
        row = await tx.fetchval("SELECT api_keys::text FROM api_keys")

    assert issued.text not in row
    assert issued.text not in repr(issued)


@pytest.mark.parametrize(
    "text", ["sk_test_", "sk_test_x", "sk_live_" + "a" * 43, "sk_test_" + "é" * 43, "sk_"]
)
async def test_what_is_no_key_of_this_environment_is_refused(database: Database, text: str) -> None:
    """Also a well-formed key of another environment."""
    with pytest.raises(CredentialsRefused):
        await verifier(database).verify(text)


async def test_a_made_up_key_is_refused(database: Database) -> None:
    """A good form is not enough."""
    with pytest.raises(CredentialsRefused):
        await verifier(database).verify(new_key_text(live=False))


async def test_a_revoked_key_is_refused_at_once(database: Database) -> None:
    """What was remembered is forgotten with the commit that revokes."""
    issued = await made(database)
    there = verifier(database)
    await there.verify(issued.text)
    assert there.remembered(issued.text)

    await revoke_key(database, issued.key.id)

    assert there.remembered(issued.text) is None
    with pytest.raises(CredentialsRefused):
        await there.verify(issued.text)


async def test_a_lookup_under_way_does_not_outlive_a_revocation(database: Database) -> None:
    """Its answer may be from before; it is given once and not remembered."""
    issued = await made(database)
    there = verifier(database)
    under_way = asyncio.create_task(there.verify(issued.text))
    await asyncio.sleep(0)

    there.forget()
    await under_way

    assert there.remembered(issued.text) is None


async def test_a_key_is_remembered_for_a_while_only(database: Database) -> None:
    """A process that misses the wake-up still asks again after the cache time."""
    issued = await made(database)
    now = 0
    there = KeyVerifier(database, live=False, cache_seconds=1, nanoseconds=lambda: now)
    principal = await there.verify(issued.text)

    now = 999_999_999
    assert principal == there.remembered(issued.text)
    now = 1_000_000_000
    assert there.remembered(issued.text) is None


async def test_without_a_cache_nothing_is_remembered(database: Database) -> None:
    """Zero seconds means that the database is asked each time."""
    issued = await made(database)
    there = verifier(database, cache_seconds=0)

    await there.verify(issued.text)

    assert there.remembered(issued.text) is None


async def test_an_expired_key_is_refused(database: Database) -> None:
    """By the database's clock."""
    soon = await made(database, expires_at=datetime.now(UTC) + timedelta(hours=1))
    over = await made(database, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    there = verifier(database)

    assert "betrix" == (await there.verify(soon.text)).owner
    with pytest.raises(CredentialsRefused):
        await there.verify(over.text)


async def test_many_requests_with_one_key_ask_once(database: Database) -> None:
    """A burst after the cache time is one query, and one cancelled request spoils nothing."""
    issued = await made(database)
    there = verifier(database)
    waiting = [asyncio.create_task(there.verify(issued.text)) for _ in range(50)]
    await asyncio.sleep(0)
    assert 1 == len(there._lookups)

    waiting[0].cancel()
    results = await asyncio.gather(*waiting, return_exceptions=True)

    assert 49 == sum(not isinstance(result, BaseException) for result in results)
    assert {} == there._lookups


async def test_revoking_twice_keeps_the_first_moment(database: Database) -> None:
    """When a key stopped working is evidence."""
    issued = await made(database)

    first = await revoke_key(database, issued.key.id)
    second = await revoke_key(database, issued.key.id)

    assert first.revoked_at
    assert first.revoked_at == second.revoked_at


async def test_only_a_key_that_exists_can_be_revoked(database: Database) -> None:
    """A mistyped id is an error, not a success."""
    with pytest.raises(KeyNotFound):
        await revoke_key(database, new_id())


async def test_keys_are_listed_newest_first_with_the_revoked_ones(database: Database) -> None:
    """The list tells who has, and who had, access."""
    first, second = await made(database), await made(database)
    await revoke_key(database, first.key.id)

    listed = await list_keys(database)

    assert [second.key.id, first.key.id] == [key.id for key in listed]
    assert [False, True] == [key.revoked_at is not None for key in listed]


@pytest.mark.parametrize(
    ("name", "owner", "scopes", "pointers"),
    [
        ("", "o", [Scope.OPS_READ], {"/name"}),
        ("n", "", [Scope.OPS_READ], {"/owner"}),
        ("n", "   ", [Scope.OPS_READ], {"/owner"}),
        ("n", "person:", [Scope.OPS_READ], {"/owner"}),
        ("n", " person: ", [Scope.OPS_READ], {"/owner"}),
        ("n", "o", [], {"/scopes"}),
        ("n" * 101, "o" * 101, [], {"/name", "/owner", "/scopes"}),
    ],
)
async def test_a_key_has_a_name_an_owner_and_scopes(
    database: Database, name: str, owner: str, scopes: list[Scope], pointers: set[str]
) -> None:
    """A key that nobody can place is not made."""
    with pytest.raises(Invalid) as refused:
        await create_key(database, name=name, owner=owner, scopes=scopes, live=False)

    assert pointers == {fault.pointer for fault in refused.value.faults}
    assert [] == await list_keys(database)


async def test_last_use_is_written_off_the_request_path_and_rarely(database: Database) -> None:
    """Requests only note it; a job writes it, for each key at most once a minute."""
    used, unused = await made(database), await made(database)
    there = verifier(database)
    await there.verify(used.text)

    assert 1 == await there.flush_last_used()
    assert there.remembered(used.text)
    assert 0 == await there.flush_last_used()

    by_id = {key.id: key.last_used_at for key in await list_keys(database)}
    assert by_id[used.key.id]
    assert by_id[unused.key.id] is None
    assert 0 == await there.flush_last_used()
