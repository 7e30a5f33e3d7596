"""A key that is not known is asked for in the background; nothing waits for it."""

import pytest
import structlog
from structlog.testing import capture_logs

from payops.infra.db import Database, require_no_transaction
from payops.kernel.ids import new_id
from payops.pii.domain import Access, KeyMaterial, Msisdn, Place, Purpose
from payops.pii.errors import KeysUnavailable, SealingKeyMissing
from payops.pii.service import KeyRefresh, PersonalData
from tests.support.sealing import K1, K2, K3, material, personal_data

AMINA = Msisdn("254700000012")
ACCESS = Access("system:dispatcher", Purpose.PAYOUT_SEND, "wd_1")


class Keeper:
    """A place that keeps keys, as a test wants it."""

    def __init__(self, given: KeyMaterial | Exception) -> None:
        self.given = given
        self.asked = 0

    async def fetch(self) -> KeyMaterial:
        require_no_transaction("use the network")
        self.asked += 1
        if isinstance(self.given, Exception):
            raise self.given
        return self.given


def place() -> Place:
    return Place("withdrawals", "phone_sealed", "u1", new_id())


def behind(given: KeyMaterial | Exception) -> tuple[PersonalData, KeyRefresh, Keeper]:
    """Personal data that knows k1 only, beside a place that may know more."""
    keys = Keeper(given)
    refresh = KeyRefresh(keys)
    data = personal_data(("k1", K1), unknown_key=refresh.ask)
    refresh.serve(data)
    return data, refresh, keys


async def test_a_value_under_a_new_key_opens_at_the_second_try(database: Database) -> None:
    """Another process was started with the new key already; this one learns of it."""
    both = material(("k2", K3), ("k1", K1))
    data, refresh, _ = behind(both)
    where = place()
    sealed = personal_data(("k2", K3), ("k1", K1)).seal_phone(where, AMINA).sealed

    with pytest.raises(SealingKeyMissing, match="sealing key k2 is not in"):
        async with database.transaction() as tx:
            await data.open_phone(tx, where, sealed, ACCESS)
    # Also when the one who met it goes on with its transaction meanwhile.
    await refresh.drained()

    async with database.transaction() as tx:
        assert AMINA == await data.open_phone(tx, where, sealed, ACCESS)
    assert data.seal_phone(place(), AMINA).sealed.startswith(data.marks.header)
    assert b"\x01\x02k2" == data.marks.header


async def test_many_unknown_values_ask_once(database: Database) -> None:
    """Whoever can write rows must not be able to make us ask all the time."""
    data, refresh, keys = behind(material(("k1", K1)))
    stranger = personal_data(("k9", K2))
    items = [(where, stranger.seal_phone(where, AMINA).sealed, ACCESS) for where in [place()] * 5]

    for _ in range(3):
        async with database.transaction() as tx:
            assert [None] * 5 == await data.try_phones(tx, items)
        await refresh.drained()

    assert 1 == keys.asked


@pytest.mark.parametrize(
    "trouble",
    [KeysUnavailable("Vault did not give the keys: HTTP 503"), ValueError("keys missing in Vault")],
)
async def test_a_place_in_trouble_changes_nothing(database: Database, trouble: Exception) -> None:
    """What could be opened before can be opened after, and the log says what is wrong."""
    data, refresh, _ = behind(trouble)
    where = place()
    sealed = data.seal_phone(where, AMINA).sealed

    with capture_logs([structlog.contextvars.merge_contextvars]) as logs:
        refresh.ask()
        await refresh.drained()

    assert [("pii.keys_not_refreshed", str(trouble))] == [
        (line["event"], line["reason"]) for line in logs
    ]
    async with database.transaction() as tx:
        assert AMINA == await data.open_phone(tx, where, sealed, ACCESS)


async def test_a_broken_seal_asks_for_nothing(database: Database) -> None:
    """It is under a key that is known; no other key would open it."""
    data, refresh, keys = behind(material(("k1", K1)))
    sealed = data.seal_phone(place(), AMINA).sealed

    async with database.transaction() as tx:
        assert [None] == await data.try_phones(tx, [(place(), sealed, ACCESS)])
    await refresh.drained()

    assert 0 == keys.asked


async def test_it_is_no_part_of_the_transaction_that_met_the_value(database: Database) -> None:
    """The network is used while that transaction is still open, by a task of its own."""
    data, refresh, keys = behind(material(("k2", K3), ("k1", K1)))
    where = place()
    sealed = personal_data(("k2", K3)).seal_phone(where, AMINA).sealed

    async with database.transaction() as tx:
        assert [None] == await data.try_phones(tx, [(where, sealed, ACCESS)])
        await refresh.drained()
        assert [AMINA] == await data.try_phones(tx, [(where, sealed, ACCESS)])

    assert 1 == keys.asked


async def test_a_fault_of_ours_is_logged_and_changes_nothing(database: Database) -> None:
    """A task whose error nobody reads would be a secret."""
    data, refresh, _ = behind(LookupError("a bug"))

    with capture_logs([structlog.contextvars.merge_contextvars]) as logs:
        refresh.ask()
        await refresh.drained()

    assert [("pii.keys_not_refreshed", "error")] == [
        (line["event"], line["log_level"]) for line in logs
    ]
    assert data.seal_phone(place(), AMINA).sealed
