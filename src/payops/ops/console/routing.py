"""Errors of the console's routes, as pages."""

from collections.abc import Callable, Coroutine
from typing import Any, Final
from urllib.parse import quote

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from payops.infra.web.context import context_of
from payops.infra.web.faults import faults_of
from payops.infra.web.middleware import log_failure, operation_of
from payops.infra.web.problem import problem_headers, status_of
from payops.kernel.errors import Invalid, PayopsError, Unauthenticated
from payops.ops.console.rendering import page

SIGN_IN: Final = "/ops/sign-in"
_HTMX: Final = "hx-request"
_OUR_SIDE: Final = 500  # from here on it is not the request's fault


class ConsoleRoute(APIRoute):
    """A route whose refusals and failures a person reads."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except Unauthenticated as error:
                return _sign_in_first(request, error)
            except PayopsError as error:
                return refusal(request, error)
            except RequestValidationError as error:
                return refusal(request, Invalid(faults=faults_of(error.errors())))
            except HTTPException:
                raise  # the framework's own; the application answers it
            except Exception as error:  # noqa: BLE001 - an edge; behind it is the middleware's
                log_failure(error, operation_of(request.scope))
                return refusal(request, PayopsError())

        return answer


def refusal(request: Request, error: PayopsError) -> Response:
    """The page that says why not, and whether something may have been done all the same."""
    context = context_of(request)
    context.error_code = error.code
    status = status_of(error)
    answer = page(
        request,
        "error.html",
        status,
        error=error,
        is_doubtful=status >= _OUR_SIDE and request.method != "GET",
        request_id=context.request_id,
    )
    answer.headers.update(problem_headers(error))
    return answer


def _sign_in_first(request: Request, error: Unauthenticated) -> Response:
    """To the door, and back to where they wanted to go if that can be gone to again."""
    context_of(request).error_code = error.code
    # As it was sent: a user's id may hold what decoding would turn into a path. Without the
    # query, where a number may stand.
    sent: bytes = request.scope["raw_path"]
    came_for = sent.decode("ascii", "replace") if request.method == "GET" else "/ops"
    if _HTMX in request.headers:  # a part of a page: the whole page has to go
        return Response(status_code=401, headers={"HX-Redirect": SIGN_IN})
    return Response(
        status_code=303, headers={"Location": f"{SIGN_IN}?next={quote(came_for, safe='/:')}"}
    )
