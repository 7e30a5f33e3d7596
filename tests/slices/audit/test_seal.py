"""Sealing: everything committed is chained once, however many do it."""

import asyncio

import structlog

from payops.audit import service, store
from payops.audit.domain import BLOCK_ROWS_MAX, Head
from payops.audit.tables import audit_log
from payops.infra.db import Database
from tests.slices.audit.chain import events, recorded, sealed, tamper
from tests.support import sql

SEALED_IDS = "SELECT seq, unnest(row_ids) AS id FROM audit_seals ORDER BY seq"


async def test_the_chain_covers_every_column_of_the_table(database: Database) -> None:
    """Hashed columns, declared columns and the database's own are the same set."""
    names = await sql.fetch(
        database,
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'audit_log'",
    )

    in_database = {row["column_name"] for row in names}
    assert in_database == set(store.HASHED_COLUMNS)
    assert in_database == {column.name for column in audit_log.columns}


async def test_rows_are_sealed_once(database: Database) -> None:
    """A second run finds nothing left, and makes no empty block."""
    batch = await recorded(database, 3)

    assert 3 == await service.seal(database)
    assert 0 == await service.seal(database)

    rows = await sql.fetch(database, SEALED_IDS)
    assert [(1, event.id) for event in batch] == [(row["seq"], row["id"]) for row in rows]


async def test_later_rows_make_further_blocks(database: Database) -> None:
    """Each run that finds something adds one block that follows the last."""
    await sealed(database, 2, 1, 3)

    rows = await sql.fetch(database, "SELECT seq, prev_hash, hash FROM audit_seals ORDER BY seq")
    assert [1, 2, 3] == [row["seq"] for row in rows]
    assert [bytes(32), rows[0]["hash"], rows[1]["hash"]] == [row["prev_hash"] for row in rows]


async def test_a_row_that_commits_after_later_ones_were_sealed_is_sealed(
    database: Database,
) -> None:
    """Commit order is not time order: the sealer looks back."""
    recorded_it, may_commit = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        async with database.transaction() as tx:
            await service.record(tx, events(1, subject="late"))
            recorded_it.set()
            await may_commit.wait()

    task = asyncio.create_task(slow())
    await recorded_it.wait()
    await sealed(database, 2)
    may_commit.set()
    await task

    assert 1 == await service.seal(database)
    assert (await service.verify(database)).ok


async def test_a_backlog_is_sealed_in_full_blocks_by_one_run(database: Database) -> None:
    """However long the sealer was down, one run catches up, and nothing is skipped."""
    total = 2 * BLOCK_ROWS_MAX + 7
    for _ in range(2):
        await recorded(database, BLOCK_ROWS_MAX)
    await recorded(database, 7)

    assert total == await service.seal(database)

    rows = await sql.fetch(
        database, "SELECT cardinality(row_ids) AS n FROM audit_seals ORDER BY seq"
    )
    assert [BLOCK_ROWS_MAX, BLOCK_ROWS_MAX, 7] == [row["n"] for row in rows]
    verification = await service.verify(database)
    assert (True, total) == (verification.ok, verification.rows)


async def test_after_a_long_stop_sealing_goes_on_where_the_chain_ended(
    database: Database, url: str
) -> None:
    """The look back starts from the end of the chain, not from the present."""
    await sealed(database, 1)
    missed = await recorded(database, 2)
    await tamper(url, "UPDATE audit_seals SET reaches = reaches - interval '1 day'")
    await tamper(
        url,
        "UPDATE audit_log SET at = at - interval '23 hours' WHERE id = ANY($1)",
        [event.id for event in missed],
    )

    assert 2 == await service.seal(database)


async def test_sealers_at_the_same_time_make_one_chain(database: Database) -> None:
    """Every row is in exactly one block, and the blocks follow each other."""
    for _ in range(5):
        await recorded(database, 20)
        await asyncio.gather(*(service.seal(database) for _ in range(4)))

    rows = await sql.fetch(database, SEALED_IDS)
    assert 100 == len(rows) == len({row["id"] for row in rows})
    verification = await service.verify(database)
    assert (True, 100) == (verification.ok, verification.rows)


async def test_of_two_blocks_with_one_number_the_first_counts(database: Database) -> None:
    """The loser writes nothing and is told so."""
    await sealed(database, 1)
    async with database.transaction() as tx:
        (block,) = await store.blocks_after(tx, 0)

        assert not await store.append(tx, block)


async def test_each_new_head_is_logged(database: Database) -> None:
    """The log line is the anchor outside the database; it reads back as a head."""
    await recorded(database, 2)
    with structlog.testing.capture_logs() as lines:
        await service.seal(database)
        await service.seal(database)

    (row,) = await sql.fetch(database, "SELECT seq, hash FROM audit_seals")
    (line,) = [line for line in lines if line["event"] == "audit.sealed"]
    assert (Head(row["seq"], row["hash"]), 2) == (Head.parse(line["head"]), line["rows"])
