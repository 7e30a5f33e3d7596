"""When jobs are due."""

from datetime import UTC, datetime, timedelta

import pytest

from payops.infra.scheduling.slots import Job, newest_slot, trigger_of


async def _nothing() -> None:
    return None


def _cron(expression: str) -> Job:
    return Job(name="job", run=_nothing, timeout=timedelta(seconds=1), cron=expression)


def _every(seconds: int) -> Job:
    return Job(
        name="job", run=_nothing, timeout=timedelta(seconds=1), every=timedelta(seconds=seconds)
    )


SUNDAY_NOON = datetime(2026, 11, 22, 12, 0, 0, 250, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 2 * * *", datetime(2026, 11, 22, 2, tzinfo=UTC)),
        ("* * * * *", datetime(2026, 11, 22, 12, tzinfo=UTC)),
        ("30 * * * *", datetime(2026, 11, 22, 11, 30, tzinfo=UTC)),
        ("0 13 * * *", datetime(2026, 11, 21, 13, tzinfo=UTC)),
        ("0 9 * * 0", datetime(2026, 11, 22, 9, tzinfo=UTC)),
        ("0 9 * * 7", datetime(2026, 11, 22, 9, tzinfo=UTC)),
        ("0 9 * * sun", datetime(2026, 11, 22, 9, tzinfo=UTC)),
        ("0 13 * * 6", datetime(2026, 11, 21, 13, tzinfo=UTC)),
        ("0 9 * * 5-7", datetime(2026, 11, 22, 9, tzinfo=UTC)),
        ("0 9 * * */2", datetime(2026, 11, 22, 9, tzinfo=UTC)),
        ("0 9 * * 1-5", None),
        ("0 9 1 * *", None),
    ],
)
def test_the_newest_cron_slot_is_found_within_a_day(
    expression: str, expected: datetime | None
) -> None:
    """
    Fields mean what crontab says, Sunday is 0 and 7, and older than a day is not looked for.
    """
    assert expected == newest_slot(_cron(expression), SUNDAY_NOON)


def test_an_interval_counts_from_the_epoch() -> None:
    """
    Replicas started at different moments agree on the slots.
    """
    now = datetime(2026, 11, 22, 12, 0, 7, tzinfo=UTC)

    assert datetime(2026, 11, 22, 12, 0, 5, tzinfo=UTC) == newest_slot(_every(5), now)
    assert datetime(2026, 11, 22, 12, 0, 10, tzinfo=UTC) == trigger_of(
        _every(5), now
    ).get_next_fire_time(None, now)


def test_a_moment_that_is_a_slot_is_its_own_newest() -> None:
    """
    What fires exactly on time finds its own slot.
    """
    now = datetime(2026, 11, 22, 2, tzinfo=UTC)

    assert now == newest_slot(_cron("0 2 * * *"), now)
    assert now == newest_slot(_every(5), now)


@pytest.mark.parametrize("expression", ["", "0 2 * *", "0 25 * * *", "0 2 * * 8", "0 2 * * 5-1"])
def test_a_cron_expression_that_means_nothing_is_refused_at_once(expression: str) -> None:
    """
    A typing error in the configuration stops the start, not the first run.
    """
    with pytest.raises(ValueError, match=r"."):
        _cron(expression)


def test_a_job_has_one_schedule() -> None:
    """
    Neither none nor two.
    """
    for schedule in ({}, {"cron": "0 2 * * *", "every": timedelta(seconds=1)}):
        with pytest.raises(ValueError, match="either cron or every"):
            Job(name="job", run=_nothing, timeout=timedelta(seconds=1), **schedule)  # type: ignore[arg-type]


def test_the_schedule_is_shown_to_people() -> None:
    """
    A cron job shows its expression, an interval its seconds.
    """
    assert ["0 2 * * *", "every 5 s"] == [_cron("0 2 * * *").when, _every(5).when]
