"""What FastAPI's OpenAPI document lacks: the answers that any route may give, as examples.

A problem is one shape, so it is one schema; each status shows what a client will really read.
"""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI

from payops.infra.web.problem import PROBLEM_JSON, STATUS_OF_FAMILY, TYPE_PREFIX
from payops.infra.web.wire import PROBLEM_SCHEMA
from payops.kernel import errors

_METHODS: Final = frozenset({"get", "post", "put", "patch", "delete"})
_REFERENCE: Final = {"$ref": "#/components/schemas/Problem"}
_ANY: Final = (400, 429, 500, 503)
_SECURED: Final = (401, 403)
_WITH_BODY: Final = (413,)
_MAY_RETRY: Final = frozenset({409, 429, 503})
_FAMILY_OF_STATUS: Final[Mapping[int, type[errors.PayopsError]]] = {
    **{status: family for family, status in STATUS_OF_FAMILY.items()},
    422: errors.Invalid,  # one of the two families of this status, and the one with `errors`
}


def install_specification(app: FastAPI) -> None:
    """Make ``app.openapi()`` the whole truth; the document is made once."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = completed(plain())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def completed(document: dict[str, Any]) -> dict[str, Any]:
    """``document`` with every problem response, each with an example."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = PROBLEM_SCHEMA
    for operation in _operations(document):
        responses = operation["responses"]
        for status in (*_common(operation), *map(int, responses)):
            if status >= HTTPStatus.BAD_REQUEST:
                responses[str(status)] = _problem(status)
        operation["responses"] = dict(sorted(responses.items()))
    return document


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in document.get("paths", {}).values():
        yield from (operation for method, operation in path.items() if method in _METHODS)


def _common(operation: dict[str, Any]) -> tuple[int, ...]:
    secured = _SECURED if operation.get("security") else ()
    return (*_ANY, *secured, *(_WITH_BODY if "requestBody" in operation else ()))


def _problem(status: int) -> dict[str, Any]:
    response = {
        "description": HTTPStatus(status).phrase,
        "content": {PROBLEM_JSON: {"schema": _REFERENCE, "example": _example(status)}},
    }
    if status in _MAY_RETRY:
        response["headers"] = {
            "Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer"}}
        }
    if status == HTTPStatus.UNAUTHORIZED:
        response["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    return response


def _example(status: int) -> dict[str, Any]:
    family = _FAMILY_OF_STATUS.get(status, errors.PayopsError)
    example: dict[str, Any] = {
        "type": TYPE_PREFIX + family.code,
        "title": family.title,
        "status": status,
        "detail": family.title,
        "code": family.code,
        "retryable": family.retryable,
        "requestId": "req_01m82fv3jre00ag2sehvsvhn0n",
    }
    if family is errors.Invalid:
        example["errors"] = [{"pointer": "/amountKES", "detail": "is required"}]
    return example
