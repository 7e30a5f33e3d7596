"""Verification: every planted change is found and named."""

import pytest

from payops.audit import service, store
from payops.audit.domain import Head, Verification
from payops.infra.db import Database, connect
from payops.kernel.ids import show_id
from tests.slices.audit.chain import recorded, sealed, tamper
from tests.support import sql

CHANGES = {
    "user_id": "user_id = 'somebody'",
    "id": "id = gen_random_uuid()",
    "at": "at = at + interval '1 microsecond'",
    "kind": "kind = 'withdrawal_success'",
    "actor": "actor = 'user:somebody'",
    "subject": "subject = NULL",
    "request_id": "request_id = ''",
    "detail": "detail = '{\"n\": 1}'",
}


async def verdict(database: Database, **arguments: object) -> tuple[bool, str | None, str | None]:
    found: Verification = await service.verify(database, **arguments)  # type: ignore[arg-type]
    return found.ok, found.first_bad, found.reason


async def test_an_untouched_chain_is_sound(database: Database) -> None:
    """All sealed rows are counted, and the head is where the chain ends."""
    await sealed(database, 2, 3)

    found = await service.verify(database)

    (last,) = await sql.fetch(
        database, "SELECT seq, hash FROM audit_seals ORDER BY seq DESC LIMIT 1"
    )
    assert Verification(True, 5, head=Head(last["seq"], last["hash"])) == found


async def test_an_empty_log_is_sound(database: Database) -> None:
    """Nothing recorded, nothing wrong."""
    assert (True, None, None) == await verdict(database)


async def test_rows_not_sealed_yet_are_no_fault(database: Database) -> None:
    """The sealer may be seconds behind."""
    await sealed(database, 1)
    await recorded(database, 2)

    found = await service.verify(database)

    assert (True, 1) == (found.ok, found.rows)


async def test_every_hashed_column_has_a_planted_change() -> None:
    """A column added to the table must be added here."""
    assert set(store.HASHED_COLUMNS) == set(CHANGES)


@pytest.mark.parametrize("column", CHANGES)
async def test_a_change_of_any_column_is_found(database: Database, url: str, column: str) -> None:
    """Whichever column of a sealed row is changed, the row is named."""
    batch = await sealed(database, 2, 3, 2)
    victim = batch[3]

    await tamper(url, f"UPDATE audit_log SET {CHANGES[column]} WHERE id = $1", victim.id)

    reason = "the row is missing" if column == "id" else "the row was changed"
    assert (False, show_id("aud", victim.id), reason) == await verdict(database)


@pytest.mark.parametrize("at", ["infinity", "-infinity", "200000-01-01"])
async def test_a_time_that_python_cannot_hold_is_found(
    database: Database, url: str, at: str
) -> None:
    """Verification reads bytes, so no value stops it."""
    (victim,) = await sealed(database, 1)

    await tamper(url, f"UPDATE audit_log SET at = '{at}'")

    expected = (False, show_id("aud", victim.id), "the row was changed")
    assert expected == await verdict(database)


async def test_a_deleted_row_is_found(database: Database, url: str) -> None:
    """The block still lists it."""
    batch = await sealed(database, 2, 3)

    await tamper(url, "DELETE FROM audit_log WHERE id = $1", batch[4].id)

    expected = (False, show_id("aud", batch[4].id), "the row is missing")
    assert expected == await verdict(database)


async def test_a_row_inserted_behind_the_end_is_found(database: Database, url: str) -> None:
    """A backdated row is too old to be sealed as new, and no block lists it."""
    await sealed(database, 1)
    (forged,) = await recorded(database, 1)
    await tamper(
        url, "UPDATE audit_log SET at = now() - interval '1 hour' WHERE id = $1", forged.id
    )

    assert 0 == await service.seal(database)
    reason = "the row was inserted behind the end of the chain"
    assert (False, show_id("aud", forged.id), reason) == await verdict(database)


async def test_a_second_row_under_a_sealed_id_is_found(database: Database, url: str) -> None:
    """Borrowing the id of a sealed row, under another user, hides nothing."""
    batch = await sealed(database, 2)
    await tamper(
        url,
        "INSERT INTO audit_log SELECT 'somebody', id, at, kind, actor, subject, request_id, detail"
        " FROM audit_log WHERE id = $1",
        batch[1].id,
    )

    reason = "another row bears the same id"
    assert (False, show_id("aud", batch[1].id), reason) == await verdict(database)


async def test_a_deleted_block_is_found(database: Database, url: str) -> None:
    """The numbers have no gaps."""
    await sealed(database, 1, 2, 3)

    await tamper(url, "DELETE FROM audit_seals WHERE seq = 2")

    assert (False, "block 2", "the block is missing") == await verdict(database)


async def test_a_deleted_first_block_is_found(database: Database, url: str) -> None:
    """The chain begins at one."""
    await sealed(database, 1, 2)

    await tamper(url, "DELETE FROM audit_seals WHERE seq = 1")

    assert (False, "block 1", "the block is missing") == await verdict(database)


async def test_reordered_blocks_are_found(database: Database, url: str) -> None:
    """A block's number and what it follows are part of it."""
    await sealed(database, 1, 2, 3)

    await tamper(url, "UPDATE audit_seals SET seq = -seq WHERE seq IN (2, 3)")
    await tamper(url, "UPDATE audit_seals SET seq = 5 + seq WHERE seq < 0")

    reason = "the block does not follow the one before it"
    assert (False, "block 2", reason) == await verdict(database)


@pytest.mark.parametrize(
    "change",
    [
        "sealed_at = sealed_at - interval '1 second'",
        "reaches = reaches - interval '1 second'",
        "row_ids = ARRAY[row_ids[2], row_ids[1]]",
        "row_ids = row_ids[:1], row_hashes = substr(row_hashes, 1, 32)",
        "row_hashes = substr(row_hashes, 33) || substr(row_hashes, 1, 32)",
        "row_hashes = ''",
        "hash = sha256(hash)",
    ],
)
async def test_a_changed_block_is_found(database: Database, url: str, change: str) -> None:
    """Whatever is changed in it, the block is named."""
    await sealed(database, 1, 2, 3)

    await tamper(url, f"UPDATE audit_seals SET {change} WHERE seq = 2")

    assert (False, "block 2", "the block was changed") == await verdict(database)


async def test_a_block_replaced_as_a_whole_breaks_the_next_one(
    database: Database, url: str
) -> None:
    """Making one block consistent again is not enough: the next follows the old one."""
    batch = await sealed(database, 1, 1)
    await tamper(url, "UPDATE audit_log SET kind = 'other' WHERE id = $1", batch[0].id)
    (second,) = await sql.fetch(database, "SELECT * FROM audit_seals WHERE seq = 2")

    await tamper(url, "DELETE FROM audit_seals")
    await service.seal(database)
    await tamper(url, "DELETE FROM audit_seals WHERE seq > 1")
    await tamper(
        url,
        "INSERT INTO audit_seals VALUES ($1, $2, $3, $4, $5, $6, $7)",
        *(second[name] for name in ("seq", "sealed_at", "reaches", "row_ids")),
        *(second[name] for name in ("row_hashes", "prev_hash", "hash")),
    )

    reason = "the block does not follow the one before it"
    assert (False, "block 2", reason) == await verdict(database)


async def test_a_chain_rewritten_to_its_end_disagrees_with_an_anchor(
    database: Database, url: str
) -> None:
    """Nothing inside the database shows it; a head kept outside does."""
    batch = await sealed(database, 2, 1)
    anchor = (await service.verify(database)).head
    assert anchor is not None
    await tamper(url, "UPDATE audit_log SET kind = 'other' WHERE id = $1", batch[0].id)
    await tamper(url, "DELETE FROM audit_seals")
    await service.seal(database)
    await recorded(database, 1)
    await service.seal(database)

    assert (True, None, None) == await verdict(database)
    reason = "the chain is not the one that the anchor was taken of"
    assert (False, "block 2", reason) == await verdict(database, anchor=anchor)


async def test_a_chain_cut_short_disagrees_with_an_anchor(database: Database, url: str) -> None:
    """Deleting the newest blocks together with their rows leaves a sound but shorter chain."""
    batch = await sealed(database, 2, 1)
    anchor = (await service.verify(database)).head
    await tamper(url, "DELETE FROM audit_seals WHERE seq = 2")
    await tamper(url, "DELETE FROM audit_log WHERE id = $1", batch[2].id)

    assert (True, None, None) == await verdict(database)
    expected = (False, "block 2", "the chain ends before the anchor")
    assert expected == await verdict(database, anchor=anchor)


async def test_an_untouched_chain_agrees_with_its_anchor(database: Database) -> None:
    """An anchor taken earlier stays right while the chain grows."""
    await sealed(database, 2)
    anchor = (await service.verify(database)).head
    await sealed(database, 1)

    assert (True, None, None) == await verdict(database, anchor=anchor)


async def test_a_column_that_no_hash_covers_is_reported(own_url: str) -> None:
    """A column added behind the code's back would otherwise be free to change."""
    database = connect(own_url, pool_size=2)
    await tamper(own_url, "ALTER TABLE audit_log ADD COLUMN note text")

    expected = (False, "column note", "audit_log and the chain differ in columns")
    assert expected == await verdict(database)
    await database.close()


async def test_many_small_blocks_are_verified_together(database: Database) -> None:
    """Progress is told in rows, and reaches their number."""
    await sealed(database, *([1] * 205))
    seen: list[int] = []

    found = await service.verify(database, progress=seen.append)

    assert (True, 205, [200, 205]) == (found.ok, found.rows, seen)
