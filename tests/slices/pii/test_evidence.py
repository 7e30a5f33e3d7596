"""Every read is proven by a record in the audit log, which the chain covers."""

import pytest

from payops import bootstrap
from payops.audit import service as audit
from payops.infra.db import Database, Tx
from payops.kernel.ids import new_id
from payops.ledger import service as ledger
from payops.ops import evidence
from payops.pii.domain import HOUSE, Access, Msisdn, Place, Purpose
from payops.pii.store import access as store
from payops.pii.tables import pii_access
from tests.support import sql
from tests.support.sealing import personal_data

AMINA = Msisdn("254700000012")


def place(user_id: str) -> Place:
    return Place("withdrawals", "phone_sealed", user_id, new_id())


async def opened(database: Database, access: Access, *users: str) -> None:
    data = personal_data()
    places = [place(user_id) for user_id in users]
    async with database.transaction() as tx:
        await data.open_phones(
            tx, [(where, data.seal_phone(where, AMINA).sealed, access) for where in places]
        )


async def broken(database: Database) -> list[str]:
    return [v.name for v in await ledger.verify(database, evidence.INVARIANTS)]


async def test_a_batch_of_the_services_own_is_one_record(database: Database) -> None:
    """However many values: how many, for what, and a digest of the rows of the access log."""
    await opened(database, Access("system:dispatcher", Purpose.PAYOUT_SEND, "wd_1"), "u1", "u2")

    async with database.transaction(read_only=True) as tx:
        (event,) = await audit.history(tx, kind="personal_data_opened")
    assert ("system:dispatcher", HOUSE, None) == (event.actor, event.user_id, event.subject)
    assert ("payout_send", 2) == (event.detail["purpose"], event.detail["count"])
    assert 64 == len(str(event.detail["digest"]))
    assert [] == await broken(database)


async def test_what_a_person_opens_is_found_by_user_and_subject(database: Database) -> None:
    """The trail of a withdrawal shows that somebody looked at its number, and who."""
    access = Access("key:jane", Purpose.CUSTOMER_SUPPORT, "wd_1", "req_1", "203.0.113.0/24", "T-1")
    await opened(database, access, "u1")

    async with database.transaction(read_only=True) as tx:
        (event,) = await audit.history(tx, user_id="u1", subject="wd_1")
        (record,) = await store.newest(
            tx, user_id="u1", actor=None, purpose=None, subject=None, before=None, limit=9
        )
    assert ("key:jane", "req_1") == (event.actor, event.request_id)
    assert ("203.0.113.0/24", "T-1", event.id) == (record.origin, record.reason, record.event_id)


async def test_a_read_that_is_rolled_back_leaves_no_evidence(database: Database) -> None:
    """Neither here nor there: they are one transaction."""
    with pytest.raises(LookupError):
        async with database.transaction() as tx:
            await _open_and_fail(tx)

    rows = await sql.fetch(
        database,
        "SELECT (SELECT count(*) FROM pii_access) + (SELECT count(*) FROM audit_log) AS rows",
    )
    assert [{"rows": 0}] == rows


async def _open_and_fail(tx: Tx) -> None:
    data, where = personal_data(), place("u1")
    access = Access("system:dispatcher", Purpose.PAYOUT_SEND, "wd_1")
    await data.open_phone(tx, where, data.seal_phone(where, AMINA).sealed, access)
    raise LookupError


def test_the_digest_covers_every_column() -> None:
    """A column added later must be covered too, or it could be changed unseen."""
    uncovered = [
        column.name
        for column in pii_access.columns
        if column.name != "event_id" and column.name not in store._LINE
    ]

    assert [] == uncovered


@pytest.mark.parametrize(
    "lie",
    [
        f"UPDATE pii_access SET {change}"
        for change in (
            "user_id = 'u9'",
            "at = at + interval '1 microsecond'",
            "actor = 'system:nobody'",
            "purpose = 'legal_request'",
            "subject = 'wd_9'",
            "field = 'x.y'",
            "request_id = 'r'",
            "origin = 'elsewhere'",
            "reason = 'none'",
            "event_id = NULL",
            "event_id = gen_random_uuid()",
        )
    ]
    + [
        "DELETE FROM pii_access",
        "DELETE FROM audit_log",
        "UPDATE audit_log SET detail = replace(detail, 'digest', 'digits')",
    ],
)
async def test_a_read_cannot_be_taken_back(database: Database, lie: str) -> None:
    """Whoever changes a row of the access log would have to change the chained log as well."""
    await opened(database, Access("key:jane", Purpose.INVESTIGATION, "wd_1", "r1"), "u1")

    async with database.transaction() as tx:
        await tx.execute("SET LOCAL session_replication_role = replica")
        await tx.execute(lie)

    assert ["reads_of_personal_data_are_proven"] == await broken(database)


async def test_the_checker_of_the_books_knows_it(database: Database) -> None:
    """The nightly job and `payops ledger verify` look."""
    assert set(evidence.INVARIANTS) <= set(bootstrap.INVARIANTS)
