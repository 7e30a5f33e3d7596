"""The overview over HTTP; decides nothing."""

from fastapi import APIRouter
from starlette.responses import Response

from payops.infra.web.replies import answer
from payops.infra.web.wire import problems
from payops.ops.access import Reader
from payops.ops.overview.schemas import OverviewReply
from payops.ops.overview.service import OverviewDesk


def router(desk: OverviewDesk) -> APIRouter:
    routes = APIRouter(prefix="/api/ops", tags=["operations"])

    @routes.get(
        "/overview",
        response_model=OverviewReply,
        operation_id="opsGetOverview",
        summary="How things stand: health, money under way, what waits, jobs, the last 24 hours",
        responses=problems(401, 403, 429, 503),
    )
    async def get_overview(_: Reader) -> Response:
        # Null says that something never happened: each member is always there.
        return answer(OverviewReply.of(await desk.overview()), keep_nulls=True)

    return routes
