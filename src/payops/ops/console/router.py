"""All pages of the console under ``/ops``."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from payops.kernel.errors import NotFound
from payops.ops.console.pages.alerts import add_alerts
from payops.ops.console.pages.approvals import add_approvals
from payops.ops.console.pages.audit import add_audit
from payops.ops.console.pages.checklists import add_checklists
from payops.ops.console.pages.crypto import add_crypto
from payops.ops.console.pages.door import add_door
from payops.ops.console.pages.inbox import add_inbox
from payops.ops.console.pages.invoices import add_invoices
from payops.ops.console.pages.jobs import add_jobs
from payops.ops.console.pages.limits import add_limits
from payops.ops.console.pages.overview import add_overview
from payops.ops.console.pages.queue import add_queue
from payops.ops.console.pages.reports import add_reports
from payops.ops.console.pages.search import add_search
from payops.ops.console.pages.switches import add_switches
from payops.ops.console.pages.users import add_users
from payops.ops.console.pages.withdrawals import add_withdrawals
from payops.ops.console.parts import Console
from payops.ops.console.routing import ConsoleRoute
from payops.ops.console.signing import Reader

_PAGES = (
    add_door,
    add_switches,
    add_search,
    add_withdrawals,
    add_invoices,
    add_users,
    add_inbox,
    add_approvals,
    add_checklists,
    add_audit,
    add_crypto,
    add_limits,
    add_reports,
    add_alerts,
    add_jobs,
    add_overview,
    add_queue,
)


def router(console: Console) -> APIRouter:
    """Outside the public specification: people read these, programs use the API."""
    routes = APIRouter(prefix="/ops", include_in_schema=False, route_class=ConsoleRoute)
    for add in _PAGES:
        add(routes, console)

    @routes.get("/{path:path}", operation_id="consoleNowhere")
    async def nowhere(request: Request, _: Reader, path: str) -> Response:  # noqa: ARG001
        raise NotFound

    return routes
