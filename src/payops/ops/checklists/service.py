"""Running a list, keeping what was found, and telling when each line last passed."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeAlias

import structlog

from payops.audit import service as audit
from payops.audit.domain import AuditEvent
from payops.infra.db import Database
from payops.infra.logging.redaction import clean, clean_text
from payops.kernel.errors import PayopsError
from payops.ops.checklists import store
from payops.ops.checklists.domain import LISTS, Finding, ListName, Shown, Status, failed
from payops.ops.checklists.parts import By

Probe: TypeAlias = Callable[[By], Awaitable[Finding]]
Progress: TypeAlias = Callable[[int, str], None]

_DETAIL_LENGTH_MAX: Final = 500

log = structlog.get_logger(__name__)


class Checker:
    """The lists over one process's probes, by item."""

    def __init__(self, db: Database, probes: Mapping[str, Probe]) -> None:
        self._db = db
        self._probes = probes

    async def run(
        self, name: ListName, by: By, *, progress: Progress = lambda _, __: None
    ) -> list[Shown]:
        """Carry out every line of the list, one after the other, and keep what was found.

        A line that cannot be carried out has failed, and the others go on. ``progress`` is
        told how many are done and which one comes. Nothing moves money of real users.
        """
        findings = []
        for done, item in enumerate(LISTS[name]):
            progress(done, item)
            findings.append((item, _cleaned(await self._carried_out(item, by))))
        async with self._db.transaction() as tx:
            results = await store.insert(tx, name, findings, ran_by=by.actor)
            counts = Counter(result.status.value for result in results)
            event = AuditEvent(
                kind="checklist_run",
                actor=by.actor,
                subject=name.value,
                request_id=by.request_id,
                detail=dict(counts),
            )
            await audit.record(tx, [event])
        return await self.latest(name)

    async def latest(self, name: ListName) -> list[Shown]:
        """The list as it was last run, line by line."""
        items = LISTS[name]
        async with self._db.transaction(read_only=True) as tx:
            results = await store.newest(tx, name, items)
            passed = await store.last_passed(tx, items)
        return [Shown(item, results.get(item), passed.get(item)) for item in items]

    async def _carried_out(self, item: str, by: By) -> Finding:
        try:
            return await self._probes[item](by)
        except PayopsError as error:
            return failed(f"could not be carried out: {error}", code=error.code)
        except Exception as error:
            # A message may quote a row: the log has the whole of it, the result its kind.
            log.exception("checklist.probe_failed", item=item)
            return failed(f"could not be carried out: {type(error).__name__}")


def is_ok(lines: Sequence[Shown]) -> bool:
    """Whether nothing failed; what asks for attention is no failure, what never ran is none yet."""
    return all(line.result is None or line.result.status is not Status.FAIL for line in lines)


def _cleaned(finding: Finding) -> Finding:
    """Kept for ever and shown around: what looks like personal data is taken out."""
    detail = clean_text(finding.detail)[:_DETAIL_LENGTH_MAX]
    return Finding(finding.status, detail, clean(finding.evidence))
