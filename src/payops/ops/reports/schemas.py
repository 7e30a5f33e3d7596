"""The report of a day on the wire."""

from collections.abc import Iterable
from datetime import date, datetime

from pydantic import Field

from payops.infra.web.wire import WireReply
from payops.ops.reports.domain import HEADER, Row
from payops.ops.reports.service import Listed


class RowReply(WireReply):
    """One line: which columns mean something depends on the section."""

    section: str
    provider: str | None = None
    currency: str | None = None
    item: str
    count: int | None = None
    amount: str | None = None
    value: str | None = None
    id: str | None = None
    user: str | None = None
    at: str | None = Field(None, description="In Nairobi")
    note: str | None = None

    @classmethod
    def of(cls, row: Row) -> "RowReply":
        named = {str(name): cell for name, cell in zip(HEADER, row, strict=True) if cell != ""}
        return cls.model_validate(named)


class DailyReply(WireReply):
    date: date
    time_zone: str = "Africa/Nairobi"
    since: datetime
    until: datetime
    made_at: datetime
    figures: list[RowReply]
    exceptions: list[RowReply]
    has_more: bool = Field(description="There are more exceptions: the files have them all")

    @classmethod
    def of(cls, listed: Listed) -> "DailyReply":
        daily = listed.daily
        return cls(
            date=daily.day.date,
            since=daily.day.since,
            until=daily.day.until,
            made_at=daily.made_at,
            figures=_rows(daily.rows()),
            exceptions=_rows(listed.exceptions),
            has_more=listed.has_more,
        )


def _rows(rows: Iterable[Row]) -> list[RowReply]:
    return [RowReply.of(row) for row in rows]
