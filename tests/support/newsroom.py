"""Alerts and the people who hear of them: real planning and delivering, played channels."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from payops.alerts import service
from payops.alerts.domain import Alert, Policy, Severity
from payops.alerts.ports import Delivered, Delivery, Notice
from payops.infra.db import Database
from payops.infra.metrics import Metrics
from tests.support import sql

KEY = "rail_down:lipana"

# Everything in the alerts' tables that is a moment, and so moves when time passes.
_MOMENTS = {
    "alert_notices": ("created_at", "decided_at"),
    "alert_episodes": ("opened_at", "acknowledged_at", "escalate_at", "closed_at"),
    "alert_deliveries": ("created_at", "due_at", "leased_until", "done_at"),
}


@dataclass
class FakeChannel:
    """Hears what it is told and answers as ``answers`` say, then yes; not before it may."""

    name: str = "pager"
    answers: list[Delivery] = field(default_factory=list)
    may_answer: asyncio.Event | None = None
    heard: list[Notice] = field(default_factory=list)
    tried: list[Notice] = field(default_factory=list)

    async def deliver(self, notice: Notice) -> Delivery:
        self.tried.append(notice)
        if self.may_answer:
            await self.may_answer.wait()
        answer = self.answers.pop(0) if self.answers else Delivered()
        if isinstance(answer, Delivered):
            self.heard.append(notice)
        return answer

    @property
    def story(self) -> list[str]:
        return [notice.kind.value for notice in self.heard]


class Newsroom:
    """One replica's planner and couriers."""

    def __init__(
        self,
        database: Database,
        *channels: FakeChannel,
        quiet_minutes: int = 10,
        runbooks_url: str | None = None,
    ) -> None:
        self.db = database
        self.channels = channels
        self.metrics = Metrics(process=False)
        self.delivery = service.assemble(
            channels,
            Policy(
                quiet=timedelta(minutes=quiet_minutes),
                escalate=timedelta(minutes=30),
                give_up=timedelta(hours=24),
            ),
            runbooks_url=runbooks_url,
            db=database,
            metrics=self.metrics,
            release=_nothing,
        )
        self.planner = self.delivery.planner
        self.couriers = self.delivery.couriers

    async def works(self) -> None:
        """One round: decide, then deliver what is due."""
        await self.planner.plan()
        await asyncio.gather(*(courier.deliver_due() for courier in self.couriers))

    async def raises(
        self, *severities: Severity, key: str = KEY, whose: str | None = None, **fields: Any
    ) -> None:
        for severity in severities or (Severity.WARNING,):
            async with self.db.transaction() as tx:
                await service.raise_alert(tx, trouble(severity, key=key, **fields), whose=whose)

    async def resolves(self, key: str = KEY) -> bool:
        async with self.db.transaction() as tx:
            return await service.resolve_alert(tx, key)

    async def acknowledges(self, key: str = KEY, by: str = "person:jane") -> bool:
        """Whether that was new."""
        async with self.db.transaction() as tx:
            (found,) = [one for one in await service.list_open(tx) if one.key == key]
            _, is_new = await service.acknowledge(tx, found.id, by=by)
        return is_new

    async def minutes_pass(self, minutes: int) -> None:
        """All that is on record happened so much earlier."""
        for table, columns in _MOMENTS.items():
            moved = ", ".join(f"{name} = {name} - make_interval(mins => $1)" for name in columns)
            await sql.execute(self.db, f"UPDATE {table} SET {moved}", minutes)

    async def states(self) -> Sequence[tuple[str, str, str]]:
        """Channel, kind and state of each message, in order."""
        rows = await sql.fetch(
            self.db,
            "SELECT d.channel, n.kind, d.state FROM alert_deliveries d"
            " JOIN alert_notices n ON n.id = d.notice_id ORDER BY d.seq, d.channel",
        )
        return [(row["channel"], row["kind"], row["state"]) for row in rows]


async def _nothing() -> None:
    """A played channel holds nothing of the network."""


def trouble(severity: Severity = Severity.WARNING, *, key: str = KEY, **fields: Any) -> Alert:
    given = {"kind": "rail_credentials", "summary": "The rail does not answer.", "detail": {}}
    return Alert(key=key, severity=severity, **(given | fields))
