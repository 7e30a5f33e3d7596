"""Moments as they arrive from outside."""

from datetime import UTC, datetime

from payops.kernel.errors import Fault, Invalid


def in_utc(moment: datetime, pointer: str) -> datetime:
    """``moment``, which has an offset, as the database can take it.

    Raises:
        Invalid: at ``pointer``; its offset leads past an end of the calendar.
    """
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise Invalid(faults=[Fault(pointer, "is out of range")]) from None
