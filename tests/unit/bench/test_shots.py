"""The requests that the benchmark fires."""

from pathlib import Path

from bench.load import Shot
from bench.pgbench import SCRIPT
from bench.shots import lanes, with_duplicates

_MONEY_PATH = ("idempotency_keys", "wallets", "journals", "entries", "withdrawals", "audit_log")


def shots(count: int) -> list[Shot]:
    return [Shot(str(number).encode()) for number in range(count)]


def test_no_two_clients_share_a_shot() -> None:
    """Dealt out, every shot is with exactly one client."""
    dealt = lanes(shots(10), 4)

    assert [3, 3, 2, 2] == [len(lane) for lane in dealt]
    assert set(shots(10)) == {shot for lane in dealt for shot in lane}


def test_nine_in_ten_are_repeats() -> None:
    """Ten copies of each, and the first comes before its copies."""
    sent = with_duplicates(shots(20), 10)

    assert 200 == len(sent)
    assert {10} == {sent.count(shot) for shot in shots(20)}
    assert shots(20) == list(dict.fromkeys(sent))


def test_the_bare_statements_write_what_accepting_writes() -> None:
    """The yardstick does the same work: it touches every table of the money path."""
    bare = Path(SCRIPT).read_text()

    assert [] == [table for table in _MONEY_PATH if f" {table} " not in bare]
