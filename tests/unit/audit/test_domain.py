"""The pure half of the audit chain."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from payops.audit.domain import (
    BLOCK_ROWS_MAX,
    GENESIS,
    OVERLAP,
    OVERLAP_SHORT,
    Block,
    Fault,
    Head,
    Newest,
    Row,
    block_of,
    canonical,
    fault_in_link,
    fault_in_rows,
    look_back_from,
    row_hash,
    without_phones,
)
from payops.kernel.ids import new_id, show_id

NOON = datetime(2026, 11, 22, 12, 0, 30, tzinfo=UTC)


def rows(count: int, *, start: datetime = NOON) -> list[Row]:
    return [
        Row(new_id(), start + timedelta(microseconds=n), bytes([n % 256]) * 32)
        for n in range(count)
    ]


def newest(*, reaches: datetime = NOON, sealed_at: datetime = NOON) -> Newest:
    return Newest(Head(7, b"h" * 32), reaches, sealed_at)


def a_block(count: int = 3) -> Block:
    return block_of(rows(count), newest(), NOON)


def test_a_row_hash_depends_on_every_name_and_every_value() -> None:
    """
    Moving a byte from one column to its neighbour, or between name and value, is seen.
    """
    spellings: list[list[tuple[str, bytes | None]]] = [
        [("a", b"xy"), ("b", b"z")],
        [("a", b"x"), ("b", b"yz")],
        [("ax", b"y"), ("b", b"z")],
        [("a", b"xy"), ("b", b"")],
        [("a", b"xy"), ("b", None)],
        [("b", b"z"), ("a", b"xy")],
    ]

    hashes = {row_hash(columns) for columns in spellings}

    assert len(spellings) == len(hashes)


def test_a_column_added_later_changes_no_hash_while_it_is_null() -> None:
    """A nullable column may be added to the table without breaking the chain."""
    before = row_hash([("a", b"x")])

    assert before == row_hash([("a", b"x"), ("added", None)])


def test_a_block_follows_the_one_it_was_made_for() -> None:
    """A fresh block has no fault."""
    assert fault_in_link(newest().head, a_block()) is None


def test_the_first_block_follows_nothing() -> None:
    """Numbering starts at one, after thirty-two zero bytes."""
    block = block_of(rows(1), None, NOON)

    assert (1, bytes(32)) == (block.seq, block.prev_hash)
    assert fault_in_link(GENESIS, block) is None


@pytest.mark.parametrize(
    "change",
    [
        {"sealed_at": NOON + timedelta(microseconds=1)},
        {"reaches": NOON - timedelta(microseconds=1)},
        {"row_ids": [new_id() for _ in range(3)]},
        {"row_hashes": bytes(96)},
        {"hash": bytes(32)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_block_changed_in_any_field_is_found(change: dict[str, object]) -> None:
    """The block's hash covers each of its fields."""
    block = replace(a_block(), **change)  # type: ignore[arg-type]

    assert Fault("block 8", "the block was changed") == fault_in_link(newest().head, block)


def test_a_block_that_follows_another_chain_is_found() -> None:
    """The hash of the block before is part of the block."""
    fault = fault_in_link(Head(7, b"x" * 32), a_block())

    assert Fault("block 8", "the block does not follow the one before it") == fault


def test_a_missing_block_is_named() -> None:
    """The number that should have come next is the one reported."""
    assert Fault("block 6", "the block is missing") == fault_in_link(Head(5, b"h" * 32), a_block())


def test_rows_are_held_against_their_own_hashes() -> None:
    """As sealed, missing, changed and doubled rows are told apart."""
    block = a_block()
    sealed = [block.row_hashes[n * 32 : n * 32 + 32] for n in range(3)]
    found = {row_id: [digest] for row_id, digest in zip(block.row_ids, sealed, strict=True)}
    middle = block.row_ids[1]
    where = show_id("aud", middle)

    def fault_with(hashes: list[bytes]) -> Fault | None:
        return fault_in_rows(block, found | {middle: hashes})

    assert fault_in_rows(block, found) is None
    assert Fault(where, "the row is missing") == fault_with([])
    assert Fault(where, "the row was changed") == fault_with([bytes(32)])
    assert Fault(where, "another row bears the same id") == fault_with([sealed[1], sealed[1]])


def test_a_full_block_reaches_only_to_its_last_row() -> None:
    """Rows that did not fit are later, and the next pass must find them."""
    full = rows(BLOCK_ROWS_MAX, start=NOON - timedelta(hours=1))

    assert full[-1].at == block_of(full, newest(), NOON).reaches


def test_a_block_with_room_reaches_to_the_moment_it_was_made() -> None:
    """Everything seen and older was sealed."""
    assert NOON == block_of(rows(3, start=NOON - timedelta(hours=1)), newest(), NOON).reaches


def test_the_first_pass_of_a_minute_looks_back_over_the_whole_overlap() -> None:
    """Rows that committed late are sealed within the minute."""
    now = NOON + timedelta(seconds=45)

    assert NOON - OVERLAP == look_back_from(newest(), now)


def test_other_passes_look_back_a_little() -> None:
    """Reading ten minutes of rows every few seconds would be work for nothing."""
    assert NOON - OVERLAP_SHORT == look_back_from(newest(), NOON + timedelta(seconds=5))


def test_after_a_stop_the_pass_starts_where_the_chain_ends() -> None:
    """However long nothing was sealed, nothing is passed over."""
    assert NOON - OVERLAP == look_back_from(newest(), NOON + timedelta(days=3))


def test_a_clock_that_went_back_is_followed() -> None:
    """Rows with earlier times than the chain's end are still found."""
    earlier = NOON - timedelta(hours=2)

    assert earlier - OVERLAP == look_back_from(newest(), earlier)


def test_an_anchor_reads_back_as_it_was_logged() -> None:
    """What ``audit.sealed`` logs can be handed to a verification."""
    head = Head(12, bytes(range(32)))

    assert head == Head.parse(str(head))


@pytest.mark.parametrize(
    "text", ["", "12", "12:", "x:" + "0" * 64, "1:" + "0" * 63, "1:" + "z" * 64]
)
def test_anything_else_is_no_anchor(text: str) -> None:
    """A mistyped anchor is refused, not taken for another head."""
    with pytest.raises(ValueError, match=r"anchor|hex"):
        Head.parse(text)


def test_details_have_one_spelling() -> None:
    """Sorted, compact and ASCII, so the recorded bytes depend on the facts alone."""
    assert '{"a":{"b":1,"c":"\\u2022"},"z":null}' == canonical({"z": None, "a": {"c": "•", "b": 1}})


@pytest.mark.parametrize(
    "text",
    ["254700000012", "+254700000012", "0700000012", "to 254708374149.", '{"phone":"0700000012"}'],
)
def test_what_looks_like_a_phone_number_is_masked(text: str) -> None:
    """However it is written, no digit of it is left."""
    assert "*****" in without_phones(text)
    assert not any(letter.isdigit() for letter in without_phones(text))


@pytest.mark.parametrize(
    "text",
    [
        "wd_01h455vb4pex5vsknk084sn02q",
        "0192f0c4-7a10-7000-8000-254700000012a",
        '{"amount_minor":150000}',
        "12547000000125",
    ],
)
def test_ids_and_amounts_are_left_alone(text: str) -> None:
    """Masking must not eat the evidence."""
    assert text == without_phones(text)
