"""The job that looks at every rule, and at what is over, every minute."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

import structlog

from payops.alerts import service as alerts
from payops.alerts.domain import Alert
from payops.infra.db import Database, Tx
from payops.infra.scheduling import Job
from payops.infra.settings.watching import Watching
from payops.ops.watching import lapses
from payops.ops.watching.credentials import Credential
from payops.ops.watching.lapses import LAPSES, Lapse
from payops.ops.watching.queries import WATCH_JOB
from payops.ops.watching.rules import RULES, Rule, Scene

log = structlog.get_logger(__name__)

_EVERY: Final = timedelta(minutes=1)
_OPEN_OF_KIND: Final = "SELECT key FROM alerts WHERE kind = $1 AND resolved_at IS NULL"


@dataclass(frozen=True, slots=True)
class Watch:
    """Rules over the figures of all replicas; ``jobs`` are those whose slots are watched."""

    db: Database
    settings: Watching
    jobs: Sequence[Job]
    credentials: Callable[[], Sequence[Credential]]
    rules: Sequence[Rule] = RULES
    lapses: Sequence[Lapse] = LAPSES

    def job(self) -> Job:
        return Job(
            name=WATCH_JOB, every=_EVERY, timeout=timedelta(minutes=1), run=self.look, alone=True
        )

    async def look(self) -> dict[str, int]:
        """Look at every rule once; returns how many subjects of each are in trouble.

        What was not seen for long enough is over. A rule that cannot be looked at leaves its
        alerts as they are and stops no other; the run as a whole then fails.
        """
        found: dict[str, int] = {}
        faults: list[Exception] = []
        for rule in self.rules:
            try:
                found[rule.name] = await self._look_at(rule)
            except Exception as error:
                log.exception("watch.rule_failed", rule=rule.name)
                faults.append(error)
        for lapse in self.lapses:
            try:
                await self.db.run(partial(lapses.end, lapse=lapse))
            except Exception as error:
                log.exception("watch.lapse_failed", kind=lapse.kind)
                faults.append(error)
        if faults:
            raise ExceptionGroup("some rules could not be looked at", faults)
        return {name: count for name, count in found.items() if count}

    async def _look_at(self, rule: Rule) -> int:
        async def work(tx: Tx) -> int:
            limit = rule.limit(self.settings)
            over: dict[str, int] = {}
            if limit > 0:
                figures = await rule.look(tx, await self._scene(tx))
                over = {subject: figure for subject, figure in figures.items() if figure > limit}
            await self._resolve_others(tx, rule, over)
            for key, alert in sorted(_alerts(rule, over, limit).items()):
                log.debug("watch.over", rule=rule.name, key=key)
                await alerts.raise_alert(tx, alert)
            return len(over)

        return await self.db.run(work)

    async def _scene(self, tx: Tx) -> Scene:
        now = await tx.fetchval("SELECT now()")
        return Scene(self.settings, now, self.jobs, self.credentials())

    async def _resolve_others(self, tx: Tx, rule: Rule, over: Collection[str]) -> None:
        """What was trouble and is not, whether its subject is still there or not."""
        still = {_key(rule, subject) for subject in over}
        rows = await tx.fetch(_OPEN_OF_KIND, rule.name)
        await alerts.resolve_alerts(tx, sorted({row["key"] for row in rows} - still))


def _key(rule: Rule, subject: str) -> str:
    return f"{rule.name}:{subject}" if subject else rule.name


def _alerts(rule: Rule, over: Mapping[str, int], limit: int) -> dict[str, Alert]:
    return {
        _key(rule, subject): Alert(
            key=_key(rule, subject),
            kind=rule.name,
            severity=rule.severity,
            summary=rule.summary,
            detail={"about": subject or "all", "figure": figure, "limit": limit, "unit": rule.unit},
        )
        for subject, figure in over.items()
    }
