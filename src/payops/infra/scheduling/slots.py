"""When a job is due: pure arithmetic on UTC moments.

A slot is the nominal moment of a run, the same for every replica whatever its clock says to
the millisecond: that is what makes it a key.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

# How far back a missed slot is still worth running.
CATCH_UP_MAX = timedelta(hours=24)

_EPOCH = datetime.fromtimestamp(0, UTC)
_LOOK_BACK = (timedelta(minutes=2), timedelta(hours=2), CATCH_UP_MAX)
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One timed job. ``run`` does what is due now, a bounded amount, and returns a summary.

    The summary is kept as JSON and shown to operations: counts, never personal data.
    ``cron`` is five fields in UTC, Sunday is 0 or 7; ``every`` counts from the epoch. Exactly
    one of them. ``catch_up``: the newest slot missed within a day is run once the service is
    back, and one whose process died is run again. ``alone``: not while an earlier slot still
    runs anywhere; without it ``run`` must be safe beside itself, and safe to repeat in any case.
    """

    name: str
    run: Callable[[], Awaitable[object]]
    timeout: timedelta
    cron: str | None = None
    every: timedelta | None = None
    catch_up: bool = False
    alone: bool = False

    def __post_init__(self) -> None:
        if (self.cron is None) == (self.every is None):
            raise ValueError(f"job {self.name} needs either cron or every")
        if self.every is not None and self.every <= timedelta(0):
            raise ValueError(f"job {self.name} needs a positive interval")
        if self.cron is not None:
            _cron_trigger(self.cron)

    @property
    def when(self) -> str:
        """For people: the cron expression, or ``every 5 s``."""
        if self.every is None:
            return self.cron or ""
        return f"every {self.every / timedelta(seconds=1):g} s"


def newest_slot(job: Job, now: datetime) -> datetime | None:
    """The newest slot at or before ``now``; ``None`` if there was none within a day."""
    if job.every is not None:
        return now - (now - _EPOCH) % job.every
    trigger = _cron_trigger(job.cron or "")
    for span in _LOOK_BACK:
        newest: datetime | None = None
        moment: datetime | None = trigger.get_next_fire_time(None, now - span)
        while moment is not None and moment <= now:
            newest = moment
            moment = trigger.get_next_fire_time(moment, moment)
        if newest is not None:
            return newest.astimezone(UTC)
    return None


def trigger_of(job: Job, now: datetime) -> BaseTrigger:
    """What fires at the slots of ``job``, from ``now`` on."""
    if job.every is None:
        return _cron_trigger(job.cron or "")
    first = now - (now - _EPOCH) % job.every + job.every
    return IntervalTrigger(seconds=job.every / timedelta(seconds=1), start_date=first, timezone=UTC)


def _cron_trigger(expression: str) -> CronTrigger:
    """Read five fields the way crontab does.

    Two differences are left: a day of the month and a weekday given together must both
    match, and names are English. APScheduler alone would also take Monday for 0.
    """
    fields = expression.split()
    if len(fields) != 5:
        raise ValueError(f"{expression!r} is not a cron expression of five fields")
    minute, hour, day, month, weekday = fields
    return CronTrigger(
        minute=minute,
        hour=hour,
        day=day,
        month=month,
        day_of_week=_weekdays(weekday),
        timezone=UTC,
    )


def _weekdays(field: str) -> str:
    if field == "*" or any(letter.isalpha() for letter in field):
        return field
    names: list[str] = []
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = ("0", "-", "6") if span == "*" else span.partition("-")
        end = int(last or ("6" if step else first))
        if not 0 <= int(first) <= end <= 7:
            raise ValueError(f"{field!r} is not a field of weekdays")
        names += _DAYS[int(first) : end + 1 : int(step or 1)]
    return ",".join(dict.fromkeys(names))
