"""Limits: the velocity rules, who met them, changing them, and what another would have stopped."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from payops.fraud.domain.changes import Change, ChangeState
from payops.fraud.domain.rules import HOURS_MAX, Action, Measure, Mode, Scope
from payops.infra.web.context import context_of
from payops.ops.console.forms import Form, Posted
from payops.ops.console.parts import Console
from payops.ops.console.queries import Text
from payops.ops.console.rendering import Said, page, see_other
from payops.ops.console.signing import Reader, Visitor, Writer
from payops.ops.velocity.api import RuleName
from payops.ops.velocity.schemas import (
    BacktestReply,
    BacktestRequest,
    ChangeReply,
    ChangeRequest,
    ReportReply,
    RuleRequest,
    VersionReply,
)
from payops.ops.velocity.service import DAYS_MAX, Actor

_HERE: Final = "/ops/limits"
_NUMBERS: Final = ("limit", "windowHours", "days", "countsFailed")
_CHOICES: Final = {
    "scopes": list(Scope),
    "actions": list(Action),
    "measures": list(Measure),
    "modes": list(Mode),
    "hours_max": HOURS_MAX,
    "days_max": DAYS_MAX,
}


def add_limits(routes: APIRouter, console: Console) -> None:
    _add_reads(routes, console)
    _add_changes(routes, console)


def _add_reads(routes: APIRouter, console: Console) -> None:
    desk = console.velocity

    @routes.get("/limits", operation_id="consoleLimits")
    async def limits(
        request: Request, _: Reader, hours: Annotated[int, Query(ge=1, le=24 * 31)] = 24
    ) -> Response:
        waiting = await desk.changes(ChangeState.PENDING)
        return page(
            request,
            "limits.html",
            report=ReportReply.of(await desk.report(hours=hours)),
            waiting=[ChangeReply.of(change) for change in waiting],
            hours=hours,
            **_CHOICES,
        )

    @routes.get("/limits/history", operation_id="consoleLimitsHistory")
    async def history(request: Request, _: Reader, rule: Text = None) -> Response:
        found = [VersionReply.of(version) for version in await desk.history(rule)]
        return page(request, "limits_history.html", versions=found, rule=rule)

    # It changes nothing, so it is a question with an address that can be kept.
    @routes.get("/limits/backtest", operation_id="consoleBacktest")
    async def backtest(request: Request, _: Reader) -> Response:
        form = Form({name: value for name, value in request.query_params.items() if value})
        found = None
        if form.fields:
            asked = form.read(BacktestRequest, **form.typed(*_NUMBERS))
            rule = asked.rule("backtest", Action.WITHDRAWAL, Mode.ENFORCE)
            found = BacktestReply.of(await desk.backtest(rule, days=asked.days), rule.scope)
        return page(request, "limits_backtest.html", found=found, form=form, **_CHOICES)


def _add_changes(routes: APIRouter, console: Console) -> None:
    desk = console.velocity

    @routes.post("/limits/rules", operation_id="consoleMakeLimit")
    async def make(request: Request, visitor: Writer, form: Posted) -> Response:
        asked = form.read(RuleRequest, **form.typed(*_NUMBERS))
        rule = asked.rule(asked.name, asked.action, asked.mode)
        await desk.make(rule, asked.reason, _by(visitor, request))
        return see_other(_HERE, Said.DONE)

    @routes.post("/limits/rules/{rule}", operation_id="consoleChangeLimit")
    async def change(request: Request, visitor: Writer, form: Posted, rule: RuleName) -> Response:
        asked = form.read(ChangeRequest, **form.typed("limit"))
        done = await desk.change(
            rule,
            limit=asked.limit,
            mode=asked.mode,
            reason=asked.reason,
            by=_by(visitor, request),
        )
        return see_other(_HERE, Said.ASKED if isinstance(done, Change) else Said.DONE)


def _by(visitor: Visitor, request: Request) -> Actor:
    principal = visitor.principal
    return Actor(principal.caller, principal.owner, context_of(request).request_id)
