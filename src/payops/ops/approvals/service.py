"""Asking for what needs two people, and deciding on it: from the API and the command line alike.

Loosened velocity rules have change requests of their own; they are listed and decided here
beside the others, under their own ids.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias
from uuid import UUID

from payops.approvals import domain
from payops.approvals import service as approvals
from payops.approvals.domain import Action, Approval, Person, State, Wanted
from payops.approvals.errors import ApprovalNotFound, Overtaken
from payops.approvals.service import Approvals
from payops.deposits.domain import invoices
from payops.deposits.errors import InvoiceNotFound
from payops.deposits.service import keeping as deposits
from payops.deposits.service import reviewing
from payops.deposits.service.reviewing import Review
from payops.fraud.domain.changes import CHANGE_PREFIX, Change, ChangeState, read_change
from payops.fraud.service import changing
from payops.fraud.service.changing import Changing, Decision
from payops.infra.db import Database, Tx
from payops.infra.web.amounts import money_of
from payops.ops.approvals import payloads
from payops.ops.service.withdrawals import withdrawal_id_of
from payops.withdrawals.service import resolving, writing_off
from payops.withdrawals.service.deciding import Bearer
from payops.withdrawals.service.resolving import Resolution

Listed: TypeAlias = Approval | Change


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision on an invoice as it was typed; amounts are still text."""

    outcome: reviewing.Verdict
    reason: str
    reference: str = ""
    amount: str | None = None
    arrived: Decimal | None = None


@dataclass(frozen=True, slots=True)
class ApprovalDesk:
    """One per process."""

    db: Database
    approvals: Approvals
    rules: Changing

    async def ask_resolve(
        self,
        txid: str,
        resolution: Resolution,
        *,
        reason: str,
        by: Person,
        request_id: str | None = None,
    ) -> Approval:
        """Have a payout settled by people. Raises as ``resolving.resolvable`` and ``ask``."""
        withdrawal_id = withdrawal_id_of(txid)

        async def work(tx: Tx) -> Approval:
            withdrawal = await resolving.resolvable(tx, withdrawal_id)
            wanted = Wanted(
                action=Action.WITHDRAWAL_RESOLVE,
                subject=withdrawal.txid,
                user_id=withdrawal.user_id,
                reason=reason,
                payload=payloads.of_resolution(resolution, withdrawal),
            )
            return await self.approvals.ask(tx, wanted, by, request_id=request_id)

        return await self.db.run(work)

    async def ask_refund(
        self, txid: str, bearer: Bearer, *, reason: str, by: Person, request_id: str | None = None
    ) -> Approval:
        """Have a payout given back. Raises as ``resolving.refundable`` and ``ask``."""
        withdrawal_id = withdrawal_id_of(txid)
        return await self.db.run(
            lambda tx: self.ask_refund_in(
                tx, withdrawal_id, bearer, reason=reason, by=by, request_id=request_id
            )
        )

    async def ask_refund_in(
        self,
        tx: Tx,
        withdrawal_id: UUID,
        bearer: Bearer,
        *,
        reason: str,
        by: Person,
        request_id: str | None = None,
    ) -> Approval:
        """As ``ask_refund``, in the caller's transaction."""
        withdrawal = await resolving.refundable(tx, withdrawal_id)
        wanted = Wanted(
            action=Action.WITHDRAWAL_REFUND,
            subject=withdrawal.txid,
            user_id=withdrawal.user_id,
            reason=reason,
            payload=payloads.of_bearer(bearer),
        )
        return await self.approvals.ask(tx, wanted, by, request_id=request_id)

    async def ask_write_off(
        self, txid: str, receipt: str, *, reason: str, by: Person, request_id: str | None = None
    ) -> Approval:
        """Have a payout accepted as paid whose money went back to the user.

        Raises as ``writing_off.writable_off`` and ``ask``.
        """
        withdrawal_id = withdrawal_id_of(txid)

        async def work(tx: Tx) -> Approval:
            withdrawal = await writing_off.writable_off(tx, withdrawal_id)
            wanted = Wanted(
                action=Action.WITHDRAWAL_WRITE_OFF,
                subject=withdrawal.txid,
                user_id=withdrawal.user_id,
                reason=reason,
                payload=payloads.of_receipt(receipt),
            )
            return await self.approvals.ask(tx, wanted, by, request_id=request_id)

        return await self.db.run(work)

    async def ask_review(
        self, invoice: str, verdict: Verdict, *, by: Person, request_id: str | None = None
    ) -> Approval:
        """Have a deposit in review decided. Raises as ``reviewing.reviewed`` and ``ask``."""
        invoice_id = _invoice_id(invoice)

        async def work(tx: Tx) -> Approval:
            priced = (await deposits.get(tx, invoice_id, user_id=None)).price.currency
            amount = None if verdict.amount is None else money_of(verdict.amount, priced)
            typed = Review(verdict.reference, "", verdict.outcome, amount, verdict.arrived)
            found, review = await reviewing.reviewed(tx, invoice_id, typed)
            wanted = Wanted(
                action=Action.DEPOSIT_RESOLVE,
                subject=found.shown_id,
                user_id=found.user_id,
                reason=verdict.reason,
                payload=payloads.of_review(review),
            )
            return await self.approvals.ask(tx, wanted, by, request_id=request_id)

        return await self.db.run(work)

    async def page(
        self, *, state: State | None, before: UUID | None, limit: int
    ) -> Sequence[Listed]:
        """Whatever two people decide or decided, newest first; ``before`` is the last id read."""
        async with self.db.transaction(read_only=True) as tx:
            found: list[Listed] = list(
                await approvals.page(tx, state=state, before=before, limit=limit)
            )
            asked = await changing.changes(tx, ChangeState(state.value) if state else None)
            found += [one for one in asked if before is None or one.id < before]
        return sorted(found, key=lambda one: one.id, reverse=True)[:limit]

    async def approve(
        self, shown_id: str, *, by: Person, reason: str = "", request_id: str | None = None
    ) -> Listed:
        """Allow it and do it; what was overtaken meanwhile is closed, and refused.

        Raises as ``Approvals.approve`` or ``Changing.approve``.
        """
        if shown_id.startswith(f"{CHANGE_PREFIX}_"):
            decision = Decision(by.owner, by.actor, reason, request_id)
            return await self._approve_change(_change_id(shown_id), decision)
        known = _id(shown_id)
        try:
            return await self.db.run(
                lambda tx: self.approvals.approve(
                    tx, known, by, reason=reason, request_id=request_id
                )
            )
        except Overtaken as overtaken:
            why = str(overtaken)
            await self.db.run(lambda tx: approvals.overtake(tx, known, why, request_id=request_id))
            raise

    async def reject(
        self, shown_id: str, *, by: Person, reason: str = "", request_id: str | None = None
    ) -> Listed:
        """Close it without effect. Raises as ``Approvals.reject`` or ``Changing.reject``."""
        if shown_id.startswith(f"{CHANGE_PREFIX}_"):
            change_id = _change_id(shown_id)
            decision = Decision(by.owner, by.actor, reason, request_id)
            return await self.db.run(lambda tx: self.rules.reject(tx, change_id, decision))
        known = _id(shown_id)
        return await self.db.run(
            lambda tx: self.approvals.reject(tx, known, by, reason=reason, request_id=request_id)
        )

    async def _approve_change(self, change_id: UUID, decision: Decision) -> Change:
        await changing.approve(self.db, self.rules, change_id, decision)
        async with self.db.transaction(read_only=True) as tx:
            return await changing.change_of(tx, change_id)


def _id(shown_id: str) -> UUID:
    """Raises ``ApprovalNotFound`` for whatever is not one of our ids."""
    try:
        return domain.read(shown_id)
    except ValueError:
        raise ApprovalNotFound from None


def _change_id(shown_id: str) -> UUID:
    """Raises ``ApprovalNotFound`` for whatever is not one of our ids."""
    try:
        return read_change(shown_id)
    except ValueError:
        raise ApprovalNotFound from None


def _invoice_id(shown_id: str) -> UUID:
    """Raises ``InvoiceNotFound`` for whatever is not one of our ids."""
    try:
        return invoices.read(shown_id)
    except ValueError:
        raise InvoiceNotFound from None
