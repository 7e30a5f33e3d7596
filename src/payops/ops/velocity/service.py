"""What operations people do with velocity rules, from the API and the command line alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from payops.fraud.domain.backtesting import Backtest
from payops.fraud.domain.changes import Change, ChangeState, Version, read_change
from payops.fraud.domain.rules import Mode, Rule
from payops.fraud.errors import ChangeNotFound
from payops.fraud.service import changing, decisions
from payops.fraud.service.changing import Changing, Decision
from payops.fraud.service.decisions import Hits
from payops.infra.db import Database
from payops.withdrawals.service import backtesting

DAYS_MAX: Final = 366


@dataclass(frozen=True, slots=True)
class Report:
    """The rules as they stand, and who met them since ``since``."""

    since: datetime
    rules: Sequence[Rule]
    hits: Sequence[Hits]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: as the audit log has them, and which person that is."""

    name: str
    person: str
    request_id: str | None = None

    def decision(self, reason: str = "") -> Decision:
        return Decision(self.person, self.name, reason, self.request_id)


class VelocityDesk:
    """The use cases over one database and the rules it was given."""

    def __init__(self, db: Database, rules: Changing) -> None:
        self._db = db
        self._rules = rules

    async def report(self, *, hours: int) -> Report:
        async with self._db.transaction(read_only=True) as tx:
            now: datetime = await tx.fetchval("SELECT now()")
            since = now - timedelta(hours=hours)
            return Report(since, await self._rules.rules(tx), await decisions.hits(tx, since))

    async def history(self, name: str | None) -> list[Version]:
        """Changes that were made, newest first."""
        async with self._db.transaction(read_only=True) as tx:
            return await changing.history(tx, name)

    async def changes(self, state: ChangeState | None) -> list[Change]:
        """Loosenings that were asked for, newest first."""
        async with self._db.transaction(read_only=True) as tx:
            return await changing.changes(tx, state)

    async def make(self, rule: Rule, reason: str, by: Actor) -> Version:
        """A new rule. Raises as ``Changing.make``."""
        return await self._db.run(
            lambda tx: self._rules.make(
                tx,
                rule,
                reason=reason,
                person=by.person,
                actor=by.name,
                request_id=by.request_id,
            )
        )

    async def change(
        self, name: str, *, limit: int | None, mode: Mode | None, reason: str, by: Actor
    ) -> Version | Change:
        """Another limit or mode, or the proposal of one. Raises as ``Changing.change``."""
        return await self._db.run(
            lambda tx: self._rules.change(
                tx,
                name,
                limit=limit,
                mode=mode,
                reason=reason,
                person=by.person,
                actor=by.name,
                request_id=by.request_id,
            )
        )

    async def approve(self, change_id: str, by: Actor) -> Version:
        """Raises as ``Changing.approve``."""
        return await changing.approve(self._db, self._rules, _id(change_id), by.decision())

    async def reject(self, change_id: str, by: Actor) -> Change:
        """Raises as ``Changing.reject``."""
        known = _id(change_id)
        return await self._db.run(lambda tx: self._rules.reject(tx, known, by.decision()))

    async def backtest(self, rule: Rule, *, days: int) -> Backtest:
        """``rule`` over the last ``days``. Raises as ``backtesting.backtest``."""
        async with self._db.transaction(read_only=True) as tx:
            now: datetime = await tx.fetchval("SELECT now()")
        return await backtesting.backtest(
            self._db, rule, since=now - timedelta(days=days), until=now
        )


def _id(shown: str) -> UUID:
    """Raises ``ChangeNotFound`` for whatever is not one of our ids."""
    try:
        return read_change(shown)
    except ValueError:
        raise ChangeNotFound from None
