"""Rows of every slice as moments of a story, in words for people."""

from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID

from payops.approvals.domain import Approval
from payops.audit import service as audit
from payops.audit.domain import ID_PREFIX as AUDIT
from payops.audit.domain import Proof
from payops.deposits.domain.invoices import Payment, Receipt, ReceiptState
from payops.fraud.service.evidence import Decided
from payops.idempotency.domain import Use
from payops.infra.db import Record
from payops.kernel.ids import show_id
from payops.ledger import domain as ledger
from payops.ledger.domain import Posted
from payops.ops.why.domain import Moment, Part
from payops.pii.service import Recorded
from payops.webhooks import domain as webhooks
from payops.webhooks.domain import Delivery


def of_use(use: Use) -> Moment:
    text = f"asked for as {use.operation} with the idempotency key {use.key}"
    if use.status is None:
        text += ", not answered yet"
    else:
        text += f", answered {use.status}"
    return Moment(at=use.created_at, part=Part.REQUEST, by=use.caller, text=text)


def of_decision(one: Decided) -> Moment:
    """The verdict, each rule with what it had counted, and what was known of the device."""
    said = [
        f"{rule['rule']} {rule['used']}+{rule['adds']} of {rule['limit']}"
        f"{' (met)' if rule['hit'] else ''}"
        for rule in one.rules
    ]
    if one.seen:
        said.append(f"device {one.seen}")
    verdict = f"{one.outcome} as {one.code}" if one.code else one.outcome
    return Moment(
        at=one.at,
        part=Part.DECISION,
        text=": ".join(filter(None, (verdict, "; ".join(said)))),
        detail={"rules": [dict(rule) for rule in one.rules], "seen": one.seen},
    )


def of_attempts(rows: Sequence[Record]) -> Iterator[Moment]:
    for row in rows:
        number = row["number"]
        yield Moment(at=row["started_at"], part=Part.ATTEMPT, text=f"send {number} began")
        if row["answered_at"] is not None:
            words = f": {row['detail']}" if row["detail"] else ""
            text = f"send {number} was answered {row['answer']}{words}"
            yield Moment(at=row["answered_at"], part=Part.ATTEMPT, text=text)


def of_callbacks(found: Sequence[Delivery]) -> Iterator[Moment]:
    for one in found:
        shown, why = webhooks.show(one.id), f" ({one.reason})" if one.reason else ""
        yield Moment(
            at=one.received_at,
            part=Part.CALLBACK,
            by=one.source,
            id=shown,
            text=f"a notification came; it is {one.state}{why} after {one.attempts} attempts",
        )


def of_journals(found: Sequence[Posted]) -> Iterator[Moment]:
    for posted in found:
        lines = [f"{line.account} {line.amount}" for line in posted.postings]
        reason = f" ({posted.reason})" if posted.reason else ""
        yield Moment(
            at=posted.posted_at,
            part=Part.ENTRY,
            id=ledger.show(posted.id),
            text=f"{posted.kind}{reason}: {', '.join(lines)}",
        )


def of_approvals(found: Sequence[Approval]) -> Iterator[Moment]:
    for one in found:
        wanted = one.wanted
        yield Moment(
            at=one.asked_at,
            part=Part.APPROVAL,
            by=one.asked_by,
            id=one.shown_id,
            text=f"{wanted.action} was asked for: {wanted.reason}",
            detail=wanted.payload,
        )
        if one.decided_at is not None:
            words = f": {one.decision_reason}" if one.decision_reason else ""
            yield Moment(
                at=one.decided_at,
                part=Part.APPROVAL,
                by=one.decided_by,
                id=one.shown_id,
                text=f"{wanted.action} was {one.state}{words}",
            )


def of_reads(found: Sequence[Recorded]) -> Iterator[Moment]:
    for read in found:
        reason = f": {read.reason}" if read.reason else ""
        text = f"{read.field} was opened for {read.purpose}{reason}"
        yield Moment(at=read.at, part=Part.ACCESS, by=read.actor, text=text)


def of_records(trail: Sequence[audit.Entry], proofs: Mapping[UUID, Proof]) -> Iterator[Moment]:
    for entry in trail:
        said = ", ".join(f"{name} {value}" for name, value in entry.detail.items())
        yield Moment(
            at=entry.at,
            part=Part.RECORD,
            by=entry.actor,
            id=show_id(AUDIT, entry.id),
            text=f"{entry.kind}{f': {said}' if said else ''}",
            proof=proofs[entry.id],
            detail=entry.detail,
        )


def of_payments(found: Sequence[Payment]) -> Iterator[Moment]:
    for one in found:
        wanted = f", {one.pay_amount:f} {one.coin} wanted" if one.pay_amount else ""
        yield Moment(
            at=one.created_at,
            part=Part.PAYMENT,
            by=one.provider,
            text=f"{one.kind} payment {one.reference} is known{wanted}",
        )
        if one.seen_at is not None:
            text = f"money was seen for {one.reference}"
            yield Moment(at=one.seen_at, part=Part.PAYMENT, by=one.provider, text=text)
        why = f": {one.reason}" if one.reason else ""
        text = f"{one.reference} became {one.state} ({one.provider_status}){why}"
        yield Moment(at=one.state_since, part=Part.PAYMENT, by=one.provider, text=text)


def of_receipts(found: Sequence[Receipt]) -> Iterator[Moment]:
    for one in found:
        worth = f", credited {one.credited}" if one.credited else ""
        how = f" by {one.method}" if one.method else ""
        why = f": {one.reason}" if one.reason else ""
        is_final = one.state in (ReceiptState.CREDITED, ReceiptState.REVERSED)
        yield Moment(
            at=one.created_at if is_final else one.arrived_at,
            part=Part.PAYMENT,
            by=one.provider,
            id=one.reference,
            text=f"{one.amount:f} {one.coin} arrived and is {one.state}{worth}{how}{why}",
        )
