"""How long a notification is tried."""

from datetime import timedelta

import pytest

from payops.kernel.ids import new_id
from payops.webhooks.domain import ERRORS_MAX, UNKNOWN_FOR, read, show, wait_after


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(0, 2), (1, 4), (5, 64), (10, 2048), (11, 3600), (10_000, 3600)]
)
def test_waits_double_from_seconds_to_an_hour(attempts: int, seconds: int) -> None:
    """Impatient at first, patient later."""
    assert timedelta(seconds=seconds) == wait_after(attempts)


def test_an_error_of_ours_is_tried_for_minutes_and_the_unknown_for_days() -> None:
    """A bug is told to a person soon; a reference may become known late."""
    errors_last = sum((wait_after(n) for n in range(ERRORS_MAX - 1)), timedelta())

    assert timedelta(minutes=3) < errors_last < timedelta(minutes=10)
    assert timedelta(days=1) < UNKNOWN_FOR


def test_an_id_is_read_as_it_is_shown() -> None:
    """And nothing else is."""
    delivery_id = new_id()

    assert delivery_id == read(show(delivery_id))
    with pytest.raises(ValueError, match="not a whk id"):
        read("wd_01h455vb4pex5vsknk084sn02q")
