"""The service in a process that kills itself at a chosen point, from the outside of the product.

A point is ``step:moment``. The steps are the transactions that move money, known by a statement
each of them runs, and the calls to providers: ``send`` to the rail, ``open`` and ``read`` to
NOWPayments. The moments of a transaction are ``before`` its COMMIT, ``sent`` (COMMIT is on the
wire, its answer unread) and ``after`` it.

``bug`` plants a fault that the harness has to catch, to prove that it would.
"""

import asyncio
import contextvars
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from payops.cli import serving
from payops.deposits.domain.invoices import Invoice
from payops.deposits.service import keeping
from payops.deposits.service.opening import Opening
from payops.deposits.store import writing as deposits
from payops.infra.db import Tx
from payops.providers.lipana.adapter import LipanaRail
from payops.providers.nowpayments.adapter import NowPayments
from payops.webhooks import store as inbox
from payops.webhooks.domain import State
from payops.webhooks.service import Inbox
from payops.withdrawals.service.claiming import Claimed, Claims

STATEMENTS: Final[Mapping[str, str]] = {
    "accept": "INSERT INTO withdrawals ",
    "claim": "INSERT INTO payout_attempts ",
    "record": "UPDATE payout_attempts ",
    "keep": "INSERT INTO webhook_deliveries ",
    "effect": "UPDATE webhook_deliveries d SET state",
}
DEPOSIT_STATEMENTS: Final[Mapping[str, str]] = {
    "request": "INSERT INTO invoices ",
    "attempt": "INSERT INTO invoice_attempts ",
    "opened": "UPDATE invoice_attempts SET answer = $4",
    "due": "UPDATE deposit_payments SET due_at = ",
    "credit": "INSERT INTO deposit_receipts ",
}
_MOMENTS: Final = ("before", "sent", "after")
POINTS: Final = (
    *(f"{step}:{moment}" for step in STATEMENTS for moment in _MOMENTS),
    "send:before",
    "send:after",
)
DEPOSIT_POINTS: Final = (
    *(f"{step}:{moment}" for step in DEPOSIT_STATEMENTS for moment in _MOMENTS),
    *(f"{call}:{moment}" for call in ("open", "read") for moment in ("before", "after")),
)


_CALLS: Final[Mapping[str, tuple[type, str]]] = {
    "send": (LipanaRail, "send"),
    "open": (NowPayments, "open"),
    "read": (NowPayments, "read"),
}


def serve(environ: Mapping[str, str], log: str, dies: str, bug: str) -> None:
    """Serve like ``payops serve`` until told to stop, or until the point ``dies``."""
    for name in [name for name in os.environ if name.startswith("PAYOPS_")]:
        del os.environ[name]
    os.environ.update(environ)
    output = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.stdout = os.fdopen(1, "w", buffering=1)
    if bug:
        _BUGS[bug]()
    if dies:
        _arm(*dies.split(":"))
    serving.serve()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _arm(step: str, moment: str) -> None:
    if step in _CALLS:
        _arm_call(*_CALLS[step], moment)
    else:
        _arm_commit({**STATEMENTS, **DEPOSIT_STATEMENTS}[step], moment)


def _arm_call(owner: type, name: str, moment: str) -> None:
    original = getattr(owner, name)

    async def call(self: Any, *arguments: Any) -> Any:
        if moment == "before":
            _die()
        answer = await original(self, *arguments)
        _die()
        return answer

    setattr(owner, name, call)


def _arm_commit(statement: str, moment: str) -> None:
    """Die around the commit of the first transaction that ran ``statement``."""
    marked: set[int] = set()
    original_commit = Tx.commit

    async def commit(self: Tx, *, notify: bool) -> None:
        if id(self) not in marked:
            await original_commit(self, notify=notify)
            return
        if moment == "before":
            _die()
        committing = asyncio.ensure_future(original_commit(self, notify=notify))
        if moment == "sent":
            for _ in range(3):
                await asyncio.sleep(0)  # COMMIT leaves; what comes back is never read
            _die()
        await committing
        _die()

    _watch(lambda tx, sql: marked.add(id(tx)) if statement in sql else None)
    Tx.commit = commit  # type: ignore[method-assign]


def _watch(see: Any) -> None:
    """``see(tx, sql)`` after each statement of every transaction."""
    execute, fetch = Tx.execute, Tx.fetch

    async def watched_execute(self: Tx, sql: str, *arguments: object) -> int:
        count = await execute(self, sql, *arguments)
        see(self, sql)
        return count

    async def watched_fetch(self: Tx, sql: str, *arguments: object) -> list[Any]:
        rows = await fetch(self, sql, *arguments)
        see(self, sql)
        return rows

    Tx.execute = watched_execute  # type: ignore[method-assign]
    Tx.fetch = watched_fetch  # type: ignore[method-assign]


# Planted faults


def _send_before_commit() -> None:
    """The rail is called while the attempt is not committed yet: a crash forgets that it was."""
    rail: list[LipanaRail] = []
    originals = LipanaRail.__init__, Claims._begin

    def made(self: LipanaRail, *arguments: Any, **named: Any) -> None:
        originals[0](self, *arguments, **named)
        rail.append(self)

    async def begin(self: Claims, tx: Tx, rows: Sequence[Any]) -> list[Claimed]:
        claimed = await originals[1](self, tx, rows)
        for one in claimed:
            # An empty context, or the HTTP client would refuse: a transaction is open.
            await asyncio.create_task(
                LipanaRail.send(rail[0], one.payout), context=contextvars.Context()
            )
        return claimed

    LipanaRail.__init__ = made  # type: ignore[method-assign]
    Claims._begin = begin  # type: ignore[method-assign]


def _mark_before_effect() -> None:
    """A callback is marked as handled in a transaction of its own, before its effect."""
    original = Inbox._apply

    async def apply(self: Inbox, batch: Sequence[Any]) -> list[None]:
        async with self._db.transaction() as tx:
            await inbox.mark(tx, [(i, State.APPLIED, "", None, None, None) for i in batch])
        return await original(self, batch)

    Inbox._apply = apply  # type: ignore[method-assign]


def _answer_before_commit() -> None:
    """Callers are told that it stands, and it was rolled back: as a lost commit would look."""
    _roll_back(STATEMENTS["accept"])


def _show_before_commit() -> None:
    """As before, of an address that was shown."""
    _roll_back(DEPOSIT_STATEMENTS["opened"])


def _roll_back(statement: str) -> None:
    original = Tx.commit
    accepting: set[int] = set()

    async def commit(self: Tx, *, notify: bool) -> None:
        if id(self) in accepting:
            accepting.discard(id(self))
            await self.roll_back()
            return
        await original(self, notify=notify)

    _watch(lambda tx, sql: accepting.add(id(tx)) if statement in sql else None)
    Tx.commit = commit  # type: ignore[method-assign]


def _ask_before_commit() -> None:
    """A provider is asked while no attempt is on record: a crash forgets that it was."""
    begin, record = Opening.begin, Opening.record

    async def not_begun(self: Opening, invoice_id: UUID) -> Invoice:
        async with self._db.transaction(read_only=True) as tx:
            invoice = await keeping.get(tx, invoice_id, user_id=None)
        return replace(invoice, attempts=invoice.attempts + 1)

    async def begin_and_record(
        self: Opening, keyed: Any, given: Any, invoice: Invoice, answer: Any
    ) -> Any:
        await begin(self, invoice.id)
        return await record(self, keyed, given, invoice, answer)

    Opening.begin = not_begun  # type: ignore[method-assign]
    Opening.record = begin_and_record  # type: ignore[method-assign]


def _take_for_good() -> None:
    """What is claimed to be read back is not due again if nobody reads it."""
    never = "CASE WHEN $3::interval IS NULL THEN now() END"
    deposits._CLAIM = deposits._CLAIM.replace("now() + $3", never)


_BUGS: Final = {
    "send before commit": _send_before_commit,
    "mark before effect": _mark_before_effect,
    "answer before commit": _answer_before_commit,
    "show before commit": _show_before_commit,
    "ask before commit": _ask_before_commit,
    "take for good": _take_for_good,
}
