"""Switches: what is halted, and halting and resuming it."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from payops.approvals.domain import Approval
from payops.infra.web.context import context_of
from payops.ops.console.forms import Posted
from payops.ops.console.parts import Console
from payops.ops.console.rendering import Said, page, see_other
from payops.ops.console.signing import Reader, Writer
from payops.ops.switches.api import SwitchReply, SwitchRequest


def add_switches(routes: APIRouter, console: Console) -> None:
    @routes.get("/switches", operation_id="consoleSwitches")
    async def switches(request: Request, _: Reader) -> Response:
        shown = [SwitchReply.of(switch) for switch in await console.switches.every()]
        return page(request, "switches.html", switches=shown)

    @routes.post("/switches/{name}/{act}", operation_id="consoleThrowSwitch")
    async def throw_switch(
        request: Request, visitor: Writer, form: Posted, name: str, act: str
    ) -> Response:
        asked = form.read(SwitchRequest, name=name, halted=act == "halt")
        throw = console.switches.halt if asked.halted else console.switches.resume
        thrown = await throw(
            asked.name,
            reason=asked.reason,
            by=visitor.person,
            request_id=context_of(request).request_id,
        )
        waits = isinstance(thrown, Approval)
        return see_other("/ops/switches", Said.ASKED if waits else Said.DONE)
