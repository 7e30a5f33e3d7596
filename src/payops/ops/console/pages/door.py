"""Signing in and out, and the files every page needs."""

import re
from typing import Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from payops.access.api import public
from payops.infra.web.context import context_of
from payops.infra.web.problem import problem_headers, status_of
from payops.kernel.errors import NotFound, PayopsError
from payops.ops.console.forms import Posted, fields_of, require_same_origin
from payops.ops.console.parts import Console
from payops.ops.console.rendering import STATIC, Said, page, see_other
from payops.ops.console.routing import SIGN_IN
from payops.ops.console.signing import Reader

_KINDS: Final = {
    "console.css": "text/css",
    "console.js": "text/javascript",
    "htmx.min.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
_KEPT: Final = "public, max-age=31536000, immutable"  # the address changes with the file
_HOME: Final = "/ops"
# A path of ours, nothing that a browser could take for another host, and no way back up.
_UP: Final = r"(?!(?:\.|%2[eE]){1,2}(?:/|$))"
_INSIDE: Final = re.compile(rf"/ops(?:/{_UP}[A-Za-z0-9._~%:@|-]+)*", re.ASCII)


def add_door(routes: APIRouter, console: Console) -> None:
    @routes.get("/sign-in", operation_id="consoleSignIn", dependencies=[Depends(public)])
    async def sign_in(request: Request, next: str = _HOME) -> Response:
        return page(request, "sign_in.html", next=_inside(next), refused="")

    @routes.post("/sign-in", operation_id="consoleExchangeKey", dependencies=[Depends(public)])
    async def exchange_key(request: Request) -> Response:
        require_same_origin(request)
        fields = await fields_of(request)
        came_for = _inside(fields.get("next", _HOME))
        try:
            token = await console.doorkeeper.admit(request, fields.get("key", ""))
        except PayopsError as error:
            context_of(request).error_code = error.code
            refusal = page(
                request, "sign_in.html", status_of(error), next=came_for, refused=str(error)
            )
            refusal.headers.update(problem_headers(error))
            return refusal
        answer = see_other(came_for)
        console.doorkeeper.hand_over(answer, token)
        return answer

    @routes.post("/sign-out", operation_id="consoleSignOut")
    async def sign_out(request: Request, visitor: Reader, _: Posted) -> Response:
        await console.doorkeeper.dismiss(visitor, context_of(request).request_id)
        answer = see_other(SIGN_IN, Said.SIGNED_OUT)
        console.doorkeeper.take_back(answer)
        return answer

    @routes.get("/static/{name}", operation_id="consoleAsset", dependencies=[Depends(public)])
    async def static(name: str) -> Response:
        if name not in _KINDS:
            raise NotFound
        return Response(
            (STATIC / name).read_bytes(),
            headers={"Cache-Control": _KEPT},
            media_type=_KINDS[name],
        )


def _inside(path: str) -> str:
    return path if _INSIDE.fullmatch(path) else _HOME
