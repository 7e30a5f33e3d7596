"""Replies that every imitation gives in the same way."""

import json

from starlette.responses import HTMLResponse, Response


def answer(status: int, content: object) -> Response:
    """JSON, without spaces."""
    body = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
    return Response(body, status, media_type="application/json")


def page_of_html() -> Response:
    """What a proxy in front of a provider may put in place of its answer."""
    return HTMLResponse("<html><body><h1>Please wait</h1></body></html>\n")
