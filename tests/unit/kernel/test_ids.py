"""UUIDv7 and its TypeID spelling, against the vectors of the specification."""

import threading
from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payops.kernel.ids import floor_id, id_after, id_before, new_id, read_id, show_id

# github.com/jetify-com/typeid, spec/valid.json, those whose prefix is a word of ours in form.
VECTORS = [
    ("prefix", "00000000000000000000000000", "00000000-0000-0000-0000-000000000000"),
    ("prefix", "00000000000000000000000001", "00000000-0000-0000-0000-000000000001"),
    ("prefix", "0000000000000000000000000a", "00000000-0000-0000-0000-00000000000a"),
    ("prefix", "0000000000000000000000000g", "00000000-0000-0000-0000-000000000010"),
    ("prefix", "00000000000000000000000010", "00000000-0000-0000-0000-000000000020"),
    ("prefix", "7zzzzzzzzzzzzzzzzzzzzzzzzz", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
    ("prefix", "0123456789abcdefghjkmnpqrs", "0110c853-1d09-52d8-d73e-1194e95b5f19"),
    ("prefix", "01h455vb4pex5vsknk084sn02q", "01890a5d-ac96-774b-bcce-b302099a8057"),
]


@pytest.mark.parametrize(("prefix", "suffix", "uuid"), VECTORS)
def test_the_specification_s_vectors_are_written_and_read(
    prefix: str, suffix: str, uuid: str
) -> None:
    """Both ways, to the letter."""
    assert f"{prefix}_{suffix}" == show_id(prefix, UUID(uuid))
    assert UUID(uuid) == read_id(prefix, f"{prefix}_{suffix}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "wd",
        "wd_",
        "_01h455vb4pex5vsknk084sn02q",
        "inv_01h455vb4pex5vsknk084sn02q",
        "wd_8zzzzzzzzzzzzzzzzzzzzzzzzz",  # 129 bits
        "wd_01h455vb4pex5vsknk084sn02",
        "wd_01h455vb4pex5vsknk084sn02q0",
        "wd_01H455VB4PEX5VSKNK084SN02Q",
        "wd_01h455vb4pex5vsknk084sn02l",  # l, i, o and u are no digits
        "wd_01h455vb4pex5vsknk084sn02-",
        "wd_01h455vb4pex5vsknk084sn02é",
        "wd__1h455vb4pex5vsknk084sn02q",
    ],
)
def test_there_is_one_spelling_per_id(text: str) -> None:
    """Another prefix, length, case or letter is no id: a key would otherwise have two names."""
    with pytest.raises(ValueError, match="not a wd id"):
        read_id("wd", text)


@given(st.uuids())
def test_every_id_survives_being_shown(value: UUID) -> None:
    """What is shown is read back."""
    assert value == read_id("wd", show_id("wd", value))


def test_ids_of_one_process_only_grow() -> None:
    """Faster than the clock ticks, and from several threads, no id repeats or goes back."""
    made: list[list[UUID]] = []

    def make() -> None:
        made.append([new_id() for _ in range(5_000)])

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert all(ids == sorted(ids) for ids in made)
    assert 20_000 == len({one for ids in made for one in ids})
    assert {(7, RFC_4122)} == {(one.version, one.variant) for ids in made for one in ids}


def test_a_moment_is_a_bound_between_ids() -> None:
    """What was made before a moment sorts below its floor, what is made later does not."""
    before = new_id()
    second = timedelta(seconds=1)
    now = datetime.now(UTC)

    assert floor_id(now - second) < before < floor_id(now + second)
    assert (7, RFC_4122) == (floor_id(now).version, floor_id(now).variant)


def test_a_range_of_ids_forgives_clocks_that_differ() -> None:
    """By ten minutes at the most, either way."""
    now = datetime.now(UTC)

    assert floor_id(now - timedelta(minutes=10)) == id_before(now)
    assert floor_id(now + timedelta(minutes=10)) == id_after(now)
