"""The report of yesterday by e-mail, every morning: figures only, and nobody's name."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from payops.infra.mail import Mailer
from payops.infra.scheduling import Job
from payops.ops.reports.domain import HEADER, Day, Row
from payops.ops.reports.service import LISTED_MAX, Listed, Reports

JOB: Final = "daily-report"
_SHOWN: Final = 7  # the columns of a figure; the others are of exceptions


@dataclass(frozen=True, slots=True)
class Mailing:
    """Who gets the report, and how. ``cron`` is in UTC."""

    reports: Reports
    mailer: Mailer
    to: Sequence[str]
    cron: str

    def job(self) -> Job:
        return Job(
            name=JOB,
            cron=self.cron,
            timeout=timedelta(minutes=15),
            run=self.send,
            catch_up=True,
            alone=True,
        )

    async def send(self) -> dict[str, object]:
        """Send yesterday's. A second copy of a day bears the same message id.

        Raises:
            MailFailed: the relay did not take it; the run has failed, and says so.
        """
        day = await self.reports.yesterday()
        listed = await self.reports.daily(day)
        await self.mailer.send(
            to=self.to,
            subject=f"payops: payouts and deposits of {day}",
            body=text_of(day, listed),
            reference=f"payops-daily-{day}",
        )
        return {"date": str(day), "exceptions": len(listed.exceptions)}


def text_of(day: Day, listed: Listed) -> str:
    """The figures in columns, and how to get the list of exceptions."""
    rows: list[Row] = [HEADER[:_SHOWN], *(row[:_SHOWN] for row in listed.daily.rows())]
    widths = [max(len(str(row[column])) for row in rows) for column in range(_SHOWN)]
    table = [
        "  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    count = f"more than {LISTED_MAX}" if listed.has_more else str(len(listed.exceptions))
    return "\n".join(
        [
            f"{day} in Nairobi, as it stood at {listed.daily.made_at:%Y-%m-%d %H:%M} UTC.",
            "",
            *table,
            "",
            f"{count} exceptions. The whole report:",
            f"payops report daily --date {day} --format xlsx",
        ]
    )
