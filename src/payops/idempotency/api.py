"""The header, and the answer with the mark of a repeat."""

from typing import Annotated, Final

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import Response

from payops.idempotency.domain import Answer, check_key
from payops.infra.web.problem import PROBLEM_JSON
from payops.infra.web.replies import JSON

_ERROR_STATUS_MIN: Final = 400

HEADER: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "1 to 255 printable ASCII characters; the same key gives the same answer",
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": 255,
        "pattern": "^[!-~]([ -~]*[!-~])?$",
    },
}


async def required_key(request: Request) -> str:
    """Raises ``KeyRequired`` or ``KeyInvalid``."""
    return check_key(request.headers.get("idempotency-key"))


IdempotencyKey = Annotated[str, Depends(required_key)]


def respond(answer: Answer) -> Response:
    """The stored bytes as they are; a repeat says so in ``Idempotent-Replayed``."""
    headers = dict(answer.headers)
    if answer.is_replay:
        headers["Idempotent-Replayed"] = "true"
    is_problem = answer.status >= _ERROR_STATUS_MIN
    return Response(
        answer.body or b"",
        answer.status,
        headers=headers,
        media_type=PROBLEM_JSON if is_problem else JSON,
    )
