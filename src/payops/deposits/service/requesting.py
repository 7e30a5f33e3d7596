"""Accepting requests for invoices: limits, row, audit and key in one commit.

The provider is asked afterwards, with nothing open. Until it has answered, the key stands
for the invoice and has no answer yet.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from payops.audit import service as audit
from payops.audit.domain import AuditEvent
from payops.deposits.domain.invoices import Checkout, Invoice
from payops.deposits.domain.states import State
from payops.deposits.errors import DepositsHalted
from payops.deposits.routing import Route
from payops.deposits.service.rates import Charge
from payops.deposits.store import reading, writing
from payops.fraud.domain.decisions import Decision, Outcome
from payops.fraud.domain.rules import Action
from payops.fraud.domain.velocity import Assessment, Done, RuleSet
from payops.fraud.errors import VelocityLimitExceeded
from payops.fraud.service import decisions
from payops.fraud.service.velocity import Velocity
from payops.idempotency.domain import Answer, Keyed
from payops.infra.db import Tx
from payops.kernel.errors import PayopsError
from payops.kernel.ids import new_id
from payops.kernel.money import KES, Money
from payops.switches.domain import DEPOSITS
from payops.switches.service import Switchboard

OPERATION: Final = "invoice"
_CREATED: Final = 201


@dataclass(frozen=True, slots=True)
class Request:
    """An invoice asked for, and what was found out beforehand about who could make it."""

    user_id: str
    price: Money
    coin: str | None
    checkout: Checkout
    provider: str | None
    actor: str
    request_id: str | None
    plan: "Plan | PayopsError | None" = None  # None: not looked at yet


@dataclass(frozen=True, slots=True)
class Plan:
    route: Route
    charge: Charge


Result: TypeAlias = Invoice | PayopsError
Render = Callable[[Result, Request], Answer]


class Acceptance:
    """Decides batches of requests. Velocity is counted here, where the invoice is made."""

    def __init__(self, *, velocity: Velocity, switchboard: Switchboard, render: Render) -> None:
        self._velocity = velocity
        self._switchboard = switchboard
        self._render = render

    async def decide(self, tx: Tx, batch: Sequence[Keyed[Request]]) -> list[Answer]:
        """One answer per request, in order; the caller stores them and commits."""
        requests = [keyed.command for keyed in batch]
        users = {request.user_id for request in requests}
        rules = await self._velocity.rules(tx)
        await self._velocity.lock_depositors(tx, users)
        now: datetime = await tx.fetchval("SELECT now()")
        # Read after the locks, in a snapshot of its own: no race can pass a limit.
        since = rules.reach(Action.DEPOSIT, now)
        usages = await reading.history(tx, users, since) if since is not None else {}
        view = _View(
            now=now,
            rules=rules,
            done={user: [_done(usage) for usage in found] for user, found in usages.items()},
            halted=await self._halted(tx, requests),
        )
        decided = [_decided(request, view) for request in requests]
        accepted = [one.result for one in decided if isinstance(one.result, Invoice)]
        if accepted:
            await writing.insert_invoices(tx, accepted)
        await self._note(tx, list(zip(requests, decided, strict=True)), now)
        return [
            _unanswered(one)
            if isinstance(one.result, Invoice)
            else self._render(one.result, request)
            for request, one in zip(requests, decided, strict=True)
        ]

    async def _halted(self, tx: Tx, requests: Sequence[Request]) -> set[str]:
        names = {r.plan.route.provider.name for r in requests if isinstance(r.plan, Plan)}
        return {
            name
            for name in {DEPOSITS, *names}
            if await self._switchboard.halted(tx, [name]) is not None
        }

    async def _note(
        self, tx: Tx, decided: Sequence[tuple[Request, "_Decided"]], now: datetime
    ) -> None:
        await decisions.record(tx, [_decision(request, one) for request, one in decided])
        await audit.record(tx, [_event(request, one.result) for request, one in decided])
        await self._velocity.watch(
            tx,
            {r.user_id for r, one in decided if isinstance(one.result, VelocityLimitExceeded)},
            now,
        )


@dataclass(frozen=True, slots=True)
class _View:
    """What stood when the locks were had; each request sees what the ones before it took."""

    now: datetime
    rules: RuleSet
    done: dict[str, list[Done]]
    halted: set[str]


_NOT_ASSESSED: Final = Assessment()


@dataclass(frozen=True, slots=True)
class _Decided:
    result: Result
    assessment: Assessment = _NOT_ASSESSED


def _decided(request: Request, view: _View) -> _Decided:
    if DEPOSITS in view.halted:
        return _Decided(DepositsHalted())
    done = view.done.setdefault(request.user_id, [])
    assessment = view.rules.for_deposits(done, view.now)
    if assessment.refusal is not None:
        return _Decided(assessment.refusal, assessment)
    plan = request.plan
    if plan is None:
        raise ValueError("a request is planned before it is decided")
    if isinstance(plan, PayopsError):
        return _Decided(plan, assessment)
    if plan.route.provider.name in view.halted:
        return _Decided(DepositsHalted(), assessment)
    invoice = _invoice(request, plan, view.now)
    done.append(Done(view.now, invoice.price.minor))
    return _Decided(invoice, assessment)


def _invoice(request: Request, plan: Plan, now: datetime) -> Invoice:
    rate = plan.charge.rate
    return Invoice(
        user_id=request.user_id,
        id=new_id(),
        state=State.CREATING,
        price=request.price,
        charged=plan.charge.money,
        coin=plan.route.coin.code if plan.route.coin else None,
        provider=plan.route.provider.name,
        checkout=request.checkout,
        caller=request.actor,
        request_id=request.request_id,
        created_at=now,
        updated_at=now,
        state_since=now,
        rate=rate.for_payer if rate else None,
        rate_id=rate.id if rate else None,
        rate_set_at=rate.set_at if rate else None,
    )


def _unanswered(one: _Decided) -> Answer:
    """The key stands for the invoice; the provider has yet to be asked."""
    assert isinstance(one.result, Invoice)  # noqa: S101 - the caller looked
    header = one.assessment.header
    return Answer(
        _CREATED, None, {"RateLimit": header} if header else {}, resource=one.result.shown_id
    )


def _done(usage: reading.Usage) -> Done:
    return Done(usage.created_at, usage.amount_minor)


def _decision(request: Request, one: _Decided) -> Decision:
    refused = isinstance(one.result, PayopsError)
    return Decision(
        user_id=request.user_id,
        action=Action.DEPOSIT,
        outcome=Outcome.REFUSED if refused else Outcome.ACCEPTED,
        code=one.result.code if isinstance(one.result, PayopsError) else "",
        subject=one.result.shown_id if isinstance(one.result, Invoice) else None,
        request_id=request.request_id,
        amount_minor=request.price.minor if request.price.currency == KES else None,
        findings=one.assessment.findings,
    )


def _event(request: Request, result: Result) -> AuditEvent:
    detail: Mapping[str, object] = {
        "amountMinor": request.price.minor,
        "currency": request.price.currency.code,
    }
    if isinstance(result, PayopsError):
        return AuditEvent(
            kind="deposit_refused",
            actor=request.actor,
            user_id=request.user_id,
            request_id=request.request_id,
            detail={**detail, "code": result.code},
        )
    return AuditEvent(
        kind="deposit_initiated",
        actor=request.actor,
        user_id=request.user_id,
        subject=result.shown_id,
        request_id=request.request_id,
        detail={
            **detail,
            "coin": result.coin,
            "provider": result.provider,
            "chargedMinor": result.charged.minor,
            "chargedCurrency": result.charged.currency.code,
            "rate": str(result.rate) if result.rate is not None else None,
        },
    )
