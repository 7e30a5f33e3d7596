"""`payops pii`: rotation that is killed and continued, the report, shredding."""

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from payops.infra.db import Database, connect
from payops.kernel.ids import new_id
from payops.pii.domain import HOUSE, Access, Place, Purpose
from payops.pii.service import PersonalData
from payops.webhooks.service import SEALED as BODIES
from tests.support import sql
from tests.support.commands import Payops
from tests.support.sealing import K1, K2, K3, K4, personal_data, text_of

ROWS = 3_000
OLD = f"k1:{text_of(K1)}"
RING = f"k2:{text_of(K2)},{OLD}"


def on(url: str, folder: Path, keys: str = RING) -> Payops:
    return Payops.on(url, folder, PAYOPS_PII__KEYS=keys, PAYOPS_PII__INDEX_KEY=text_of(K3))


async def kept(database: Database, data: PersonalData, count: int, first: int = 0) -> None:
    """Notifications, sealed under the keys of ``data``."""
    ids = [new_id() for _ in range(count)]
    sealed = [
        data.seal_value(BODIES.place(HOUSE, one), b"body %d" % number)
        for number, one in enumerate(ids, start=first)
    ]
    await sql.execute(
        database,
        "INSERT INTO webhook_deliveries (id, source, dedupe_key, body_sealed, state)"
        " SELECT id, 'lipana', uuid_send(id), body, 'applied'"
        " FROM unnest($1::uuid[], $2::bytea[]) AS n (id, body)",
        ids,
        sealed,
    )


async def stale(database: Database, data: PersonalData) -> int:
    count: int = await sql.fetchval(
        database,
        "SELECT count(*) FROM webhook_deliveries"
        " WHERE substring(body_sealed FROM 1 FOR octet_length($1::bytea)) <> $1::bytea",
        data.marks.header,
    )
    return count


async def values(database: Database, data: PersonalData) -> list[bytes]:
    rows = await sql.fetch(database, "SELECT id, body_sealed FROM webhook_deliveries ORDER BY id")
    access = Access("person:jane", Purpose.WEBHOOK_PROCESSING, "test")
    async with database.transaction() as tx:
        return await data.open_values(
            tx, [(BODIES.place(HOUSE, row["id"]), row["body_sealed"], access) for row in rows]
        )


@pytest.mark.slow
async def test_a_rotation_that_is_killed_is_continued_by_the_next(
    own_url: str, tmp_path: Path
) -> None:
    """A kill -9 in the middle, while others write: nothing is lost, nothing is half sealed."""
    old, both = personal_data(("k1", K1)), personal_data(("k2", K2), ("k1", K1))
    payops = on(own_url, tmp_path)
    database = connect(own_url, pool_size=4, notify=False)
    await kept(database, old, ROWS)
    written = ROWS
    for _ in range(2):
        process = payops.start("pii", "rotate", "--batch", "10")
        before = await stale(database, both)
        deadline = time.monotonic() + 30
        while await stale(database, both) > before - 200:
            assert time.monotonic() < deadline
            await kept(database, old, 1, first=written)  # a process with the old key in front
            written += 1
        process.kill()
        process.communicate()
        assert 0 < await stale(database, both) < before

    done = payops.run("pii", "rotate", "--json")

    assert (0, True) == (done.code, done.json["ok"]), done.err
    assert {"k2": written} == done.json["keyIds"]
    assert [b"body %d" % n for n in range(written)] == await values(
        database, personal_data(("k2", K2))
    )
    await database.close()


@pytest.mark.slow
async def test_a_rotation_that_is_interrupted_ends_in_order(own_url: str, tmp_path: Path) -> None:
    """Ctrl-C: the transaction under way is finished, and it is said how to go on."""
    both = personal_data(("k2", K2), ("k1", K1))
    payops = on(own_url, tmp_path)
    database = connect(own_url, pool_size=2, notify=False)
    await kept(database, personal_data(("k1", K1)), ROWS)

    process = payops.start("pii", "rotate", "--batch", "5")
    deadline = time.monotonic() + 30
    while await stale(database, both) > ROWS - 20:
        assert time.monotonic() < deadline
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)

    assert 3 == process.returncode, out + err
    assert "run it again to continue" in err
    assert 0 < await stale(database, both) < ROWS
    await database.close()


async def test_a_missing_key_is_an_error_that_names_it(own_url: str, tmp_path: Path) -> None:
    """Exit code 1, the id of the key on standard error, and the count in the document."""
    database = connect(own_url, pool_size=2, notify=False)
    await kept(database, personal_data(("k0", K4)), 3)

    done = on(own_url, tmp_path).run("pii", "rotate", "--json")

    assert (1, False, {"k0": 3}) == (done.code, done.json["ok"], done.json["missingKeyIds"])
    assert "sealing key k0 is not in the ring; values sealed under it: 3" in done.err
    await database.close()


async def test_the_old_key_may_go_afterwards(own_url: str, tmp_path: Path) -> None:
    """Without it the next run finds nothing to do."""
    database = connect(own_url, pool_size=2, notify=False)
    await kept(database, personal_data(("k1", K1)), 3)

    first = on(own_url, tmp_path).run("pii", "rotate")
    second = on(own_url, tmp_path, f"k2:{text_of(K2)}").run("pii", "rotate", "--json")

    assert 0 == first.code
    assert "3 values sealed anew" in first.out
    assert (0, 0) == (second.code, second.json["resealed"])
    await database.close()


async def test_who_read_what_is_reported(own_url: str, tmp_path: Path) -> None:
    """As a table and as a document; a week unless it is said otherwise."""
    database, data = connect(own_url, pool_size=2, notify=False), personal_data()
    where = Place("withdrawals", "phone_sealed", "u1", new_id())
    access = Access("key:jane", Purpose.INVESTIGATION, "wd_1")
    async with database.transaction() as tx:
        await data.open_value(tx, where, data.seal_value(where, b"x"), access)

    table = on(own_url, tmp_path).run("pii", "access-report", "--week")
    document = on(own_url, tmp_path).run("pii", "access-report", "--json")
    both = on(own_url, tmp_path).run("pii", "access-report", "--week", "--days", "3")

    assert (0, 0, 2) == (table.code, document.code, both.code)
    assert "key:jane" in table.out
    assert [
        {"actor": "key:jane", "purpose": "investigation", "reads": 1, "users": 1}
    ] == document.json["data"]
    await database.close()


def shown(found: list[dict[str, Any]]) -> dict[str, tuple[int, int]]:
    return {one["name"]: (one["erasable"], one["kept"]) for one in found}


async def test_shredding_is_tried_first_and_asks(own_url: str, tmp_path: Path) -> None:
    """A dry run changes nothing; without a terminal it wants to be told twice."""
    database = connect(own_url, pool_size=2, notify=False)
    await kept(database, personal_data(("k1", K1)), 2)
    await sql.execute(database, "UPDATE webhook_deliveries SET user_id = 'usr_amina'")
    payops = on(own_url, tmp_path)

    dry = payops.run("pii", "erase", "usr_amina", "--dry-run", "--json")
    unsure = payops.run("pii", "erase", "usr_amina", "--json")
    nobody = payops.run("pii", "erase", "no user id")
    silent = payops.run("pii", "erase", "usr_amina")
    done = payops.run("pii", "erase", "usr_amina", "--yes", "--json")
    after = payops.run("pii", "erase", "usr_amina", "--dry-run", "--json")

    assert [0, 2, 2, 1, 0, 0] == [one.code for one in (dry, unsure, nobody, silent, done, after)]
    assert (2, 0) == shown(dry.json["found"])["bodies of notifications"]
    assert {} == dry.json["erased"]
    assert 2 == done.json["erased"]["bodies of notifications"]
    assert (0, 0) == shown(after.json["found"])["bodies of notifications"]
    await database.close()


async def test_the_keys_may_be_in_a_file(own_url: str, tmp_path: Path) -> None:
    """Then those of the environment are not looked at; without the file nothing runs."""
    database = connect(own_url, pool_size=2, notify=False)
    await kept(database, personal_data(("k1", K1)), 3)
    await database.close()
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": RING, "index_key": text_of(K3)}))
    path.chmod(0o400)
    payops = Payops.on(
        own_url, tmp_path, PAYOPS_PII__KEY_PROVIDER="file", PAYOPS_PII__KEY_FILE=str(path)
    )

    done = payops.run("pii", "rotate", "--json")
    path.unlink()
    without = payops.run("pii", "rotate", "--json")

    assert (0, {"k2": 3}) == (done.code, done.json["keyIds"])
    assert 3 == without.code
    assert "keys_unavailable: the key file cannot be read: No such file" in without.err


async def test_a_vault_that_is_down_stops_the_start_and_says_so(
    own_url: str, tmp_path: Path
) -> None:
    """Nothing is served, or done, without keys."""
    payops = Payops.on(
        own_url,
        tmp_path,
        PAYOPS_PII__KEY_PROVIDER="vault",
        PAYOPS_VAULT__URL="http://127.0.0.1:9",
        PAYOPS_VAULT__TOKEN="hvs.made-up",
    )

    done = payops.run("serve", PAYOPS_PORT="0")

    assert 3 == done.code
    assert "keys_unavailable: Vault did not give the keys: it cannot be reached" in done.err
    assert "hvs.made-up" not in done.out + done.err
