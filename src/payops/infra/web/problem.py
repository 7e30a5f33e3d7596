"""Errors as answers: RFC 9457 problem documents, and the one table that knows HTTP statuses.

A problem never repeats what the client sent. Its body can be made anywhere
(``problem_body``), because a refusal is rendered, and stored under its idempotency key,
inside the transaction that refuses.
"""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from payops.infra.web.context import context_of
from payops.infra.web.faults import faults_of
from payops.kernel import errors

PROBLEM_JSON: Final = "application/problem+json"
TYPE_PREFIX: Final = "/docs/errors#"


class MethodNotAllowed(errors.PayopsError):
    """Found by the router only; no use case has a reason to raise it."""

    code = "method_not_allowed"
    title = "This path does not take this method"


STATUS_OF_FAMILY: Final[Mapping[type[errors.PayopsError], int]] = {
    errors.Malformed: 400,
    errors.Invalid: 422,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Refused: 422,
    errors.TooMany: 429,
    errors.TooLarge: 413,
    errors.Unavailable: 503,
    errors.BadUpstream: 502,
    MethodNotAllowed: 405,
}


def status_of(error: errors.PayopsError) -> int:
    """The HTTP status of the family ``error`` belongs to; 500 for none."""
    for family in type(error).__mro__:
        status = STATUS_OF_FAMILY.get(family)
        if status is not None:
            return status
    return 500


def problem_body(error: errors.PayopsError, request_id: str) -> bytes:
    """The problem document of ``error``.

    An error may carry a mapping ``extensions`` of further members, for example the id of
    the verification that would lift it; the standard members cannot be replaced by it.
    """
    return _document(
        status=status_of(error),
        code=error.code,
        title=error.title,
        detail=str(error),
        retryable=error.retryable,
        request_id=request_id,
        faults=error.faults,
        extensions=getattr(error, "extensions", {}),
    )


def problem_headers(error: errors.PayopsError) -> dict[str, str]:
    """The headers that go with ``error``: ``Retry-After`` and ``WWW-Authenticate``."""
    headers: dict[str, str] = {}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(max(error.retry_after_seconds, 1))
    if isinstance(error, errors.Unauthenticated):
        # RFC 6750 §3.1: no error code when no credentials were sent at all.
        refused = type(error) is not errors.Unauthenticated
        headers["WWW-Authenticate"] = 'Bearer realm="payops"' + (
            ', error="invalid_token"' if refused else ""
        )
    return headers


def problem_response(error: errors.PayopsError, request_id: str) -> Response:
    return Response(
        problem_body(error, request_id),
        status_of(error),
        headers=problem_headers(error),
        media_type=PROBLEM_JSON,
    )


def internal_error_body(request_id: str) -> bytes:
    """What is said of an error nobody foresaw: that it happened, and under which id."""
    return problem_body(errors.PayopsError(), request_id)


def install_problems(app: FastAPI) -> None:
    """Make ``app`` answer each error as a problem; the last resort is the middleware."""
    app.add_exception_handler(errors.PayopsError, _on_payops_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_parameters)
    app.add_exception_handler(HTTPException, _on_http_exception)


async def _on_payops_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.PayopsError)  # noqa: S101 - registered for this type only
    context = context_of(request)
    context.error_code = error.code
    return problem_response(error, context.request_id)


async def _on_invalid_parameters(request: Request, error: Exception) -> Response:
    """A query, path or header parameter that FastAPI refused, without the refused value."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    return await _on_payops_error(request, errors.Invalid(faults=faults_of(error.errors())))


async def _on_http_exception(request: Request, error: Exception) -> Response:
    """What the framework itself refuses: unknown paths, wrong methods."""
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    context = context_of(request)
    ours = {404: errors.NotFound, 405: MethodNotAllowed, 413: errors.TooLarge}.get(
        error.status_code
    )
    context.error_code = ours.code if ours else "http_error"
    body = _document(
        status=error.status_code,
        code=context.error_code,
        title=ours.title if ours else HTTPStatus(error.status_code).phrase,
        detail=ours.title if ours else HTTPStatus(error.status_code).phrase,
        retryable=False,
        request_id=context.request_id,
    )
    return Response(body, error.status_code, headers=error.headers, media_type=PROBLEM_JSON)


def _document(
    *,
    status: int,
    code: str,
    title: str,
    detail: str,
    retryable: bool,
    request_id: str,
    faults: Sequence[errors.Fault] = (),
    extensions: Mapping[str, Any] | None = None,
) -> bytes:
    document: dict[str, Any] = {
        **(extensions or {}),
        "type": TYPE_PREFIX + code,
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "retryable": retryable,
        "requestId": request_id,
    }
    if faults:
        document["errors"] = [{"pointer": f.pointer, "detail": f.detail} for f in faults]
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
