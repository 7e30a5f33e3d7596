"""Reading what is asked of the controls, and the controls that every imitation has."""

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from payops.sandbox.faults import Fault, FaultKind, Faults
from payops.sandbox.guard import Endpoint
from payops.sandbox.replies import answer

Choice = TypeVar("Choice", bound=Enum)


class Wrong(Exception):
    """What was asked of the controls makes no sense; the text says why."""


def checked(
    endpoint: Endpoint, *, missing: str, conflicts: Mapping[type[Exception], str]
) -> Endpoint:
    """``endpoint`` with its refusals as answers: 400, 404 with ``missing``, 409."""

    async def wrapped(request: Request) -> Response:
        try:
            return await endpoint(request)
        except tuple(conflicts) as error:
            return answer(409, {"error": conflicts[type(error)]})
        except LookupError:
            return answer(404, {"error": missing})
        except (Wrong, ValueError) as error:
            return answer(400, {"error": str(error)})

    return wrapped


async def content_of(request: Request) -> dict[str, Any]:
    """The JSON object in the body; an empty body is an empty object."""
    body = await request.body()
    if not body:
        return {}
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise Wrong("the body must be a JSON object")
    return content


def whole(
    content: dict[str, Any], name: str, *, default: int | None, lowest: int | None
) -> int | None:
    value = content.get(name, default)
    if value is default:
        return default
    # A JSON true is an int to Python: exactly int is meant.
    if type(value) is not int or (lowest is not None and value < lowest):
        raise Wrong(f"{name} must be a whole number" + ("" if lowest is None else f" >= {lowest}"))
    return value


def text(content: dict[str, Any], name: str) -> str | None:
    value = content.get(name)
    if value is not None and not isinstance(value, str):
        raise Wrong(f"{name} must be a text")
    return value


def amount(content: dict[str, Any], name: str) -> Decimal | None:
    """An amount above zero, written as a text: a JSON number would lose digits on its way."""
    written = text(content, name)
    if written is None:
        return None
    try:
        value = Decimal(written)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value <= 0:
        raise Wrong(f"{name} must be a decimal text above zero")
    return value


def choice(choices: type[Choice], content: dict[str, Any], *, default: Choice) -> Choice:
    """The member named in ``content`` under the name of its class, both in lower case."""
    name = choices.__name__.lower()
    value = content.get(name)
    if value is None:
        return default
    try:
        return choices[str(value).upper()]
    except KeyError:
        known = ", ".join(choice.name.lower() for choice in choices)
        raise Wrong(f"{name} is one of {known}") from None


class FaultControls:
    """``/faults``: what is wrong with a whole provider."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def routes(self) -> list[Route]:
        return [
            Route("/faults", self._checked(self._show), methods=["GET"]),
            Route("/faults", self._checked(self._add), methods=["POST"]),
            Route("/faults", self._checked(self._clear), methods=["DELETE"]),
        ]

    def _checked(self, endpoint: Endpoint) -> Endpoint:
        return checked(endpoint, missing="no such fault", conflicts={})

    async def _show(self, _request: Request) -> Response:
        return answer(200, [_shown(fault) for fault in self._faults])

    async def _add(self, request: Request) -> Response:
        content = await content_of(request)
        fault = Fault(
            kind=FaultKind(content.get("kind", "")),
            remaining=whole(content, "count", default=None, lowest=1),
            method=content.get("method"),
            latency_ms=whole(content, "latencyMs", default=0, lowest=0) or 0,
            retry_after_seconds=whole(content, "retryAfterSeconds", default=1, lowest=0) or 0,
        )
        if fault.method not in {None, "GET", "POST"}:
            raise Wrong("method is GET, POST or left out")
        self._faults.add(fault)
        return answer(201, _shown(fault))

    async def _clear(self, _request: Request) -> Response:
        self._faults.clear()
        return answer(200, [])


def _shown(fault: Fault) -> dict[str, Any]:
    return {
        "kind": fault.kind,
        "remaining": fault.remaining,
        "method": fault.method,
        "latencyMs": fault.latency_ms,
        "retryAfterSeconds": fault.retry_after_seconds,
        "hits": fault.hits,
    }
