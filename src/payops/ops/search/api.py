"""Search over HTTP; decides nothing."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from payops.access.api import OfUser
from payops.access.domain import Scope
from payops.infra.web.context import context_of
from payops.infra.web.replies import Limit, answer
from payops.ops.access import READ, Reader
from payops.ops.search.schemas import FoundReply
from payops.ops.search.service import LENGTH_MAX, Question, search
from payops.ops.service import Operations


def router(operations: Operations) -> APIRouter:
    routes = APIRouter(prefix="/api/ops", tags=["operations"])

    @routes.get(
        "/search",
        response_model=FoundReply,
        operation_id="opsSearch",
        summary="Find a withdrawal, a deposit or a user by any name",
        responses=READ,
    )
    async def find(
        request: Request,
        principal: Reader,
        q: Annotated[
            str,
            Query(
                min_length=1,
                max_length=LENGTH_MAX,
                description="An id of ours, a provider's, a receipt, a request's id, a user, an "
                "idempotency key, or a phone number in any spelling (needs `pii:read`)",
            ),
        ],
        user_id: OfUser = None,
        limit: Limit = 20,
    ) -> Response:
        asked = Question(
            text=q.strip(),
            actor=principal.caller,
            may_search_phones=Scope.PII_READ in principal.scopes,
            user_id=user_id,
            request_id=context_of(request).request_id,
            limit=limit,
        )
        return answer(FoundReply.of(await search(operations, asked)))

    return routes
