"""The one middleware: request id, size cap, headers, access log, metrics, last resort.

Pure ASGI and on the path of every request, so it walks the headers once, keeps what it
can prepared, and lets nothing that goes wrong in telemetry reach the request.
"""

import re
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from payops.infra.web.address import Network, client_address
from payops.infra.web.context import RequestContext, keep_context
from payops.infra.web.problem import (
    PROBLEM_JSON,
    internal_error_body,
    problem_body,
    status_of,
)
from payops.kernel import errors
from payops.kernel.ids import new_id, show_id

log = structlog.get_logger(__name__)

BODY_BYTES_MAX: Final = 64 * 1024

Observe: TypeAlias = Callable[[str, str, int, float], None]
"""``observe(operation, method, status, seconds)``, called once for each answer."""

CountRefusal: TypeAlias = Callable[[str, str], None]
"""``count_refusal(operation, code)``, called once for each answer that is a problem."""

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{8,128}", re.ASCII)
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_FRAMES_MAX: Final = 20

# Two of one of these would let two readers act on different values.
_SINGLE: Final = frozenset(
    {b"authorization", b"idempotency-key", b"content-length", b"x-device-fingerprint"}
)

# A route may set its own, as the pages with scripts must.
_DEFAULT_HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)
_HSTS: Final = (b"strict-transport-security", b"max-age=31536000")


class DuplicateHeader(errors.Malformed):
    """A header that must be unique came more than once."""

    code = "duplicate_header"
    title = "A header that must be unique was sent more than once"


@dataclass(frozen=True, slots=True)
class _Head:
    """What the request's headers say, read in one pass."""

    request_id: str
    address: str
    body_length: int  #: as declared, 0 when it is not
    refusal: errors.PayopsError | None


class _Exchange:
    """One request and its answer: wraps ``receive`` and ``send``."""

    __slots__ = (
        "_headers",
        "_length",
        "_length_max",
        "_receive",
        "_request_id",
        "_seen",
        "_send",
        "status",
    )

    def __init__(
        self,
        receive: Receive,
        send: Send,
        head: _Head,
        headers: tuple[tuple[bytes, bytes], ...],
        length_max: int,
    ) -> None:
        self._receive = receive
        self._send = send
        self._request_id = head.request_id.encode()
        self._headers = headers
        self._length = head.body_length
        self._length_max = length_max
        self._seen = 0
        self.status = 0

    async def receive(self) -> Message:
        """The next part of the body.

        The cap applies where the body is read, not before: a request that is refused for
        its credentials is refused for those. What is left unread the server reads and
        throws away: closing at once would often reset the connection before the client
        has seen the answer.

        Raises:
            TooLarge: more was declared or sent than is read.
        """
        if self._length > self._length_max:
            raise errors.TooLarge
        message = await self._receive()
        if message["type"] == "http.request":
            self._seen += len(message.get("body", b""))
            if self._seen > self._length_max:
                raise errors.TooLarge
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = list(message.get("headers", ()))
            present = {name.lower() for name, _ in headers}
            headers += [item for item in self._headers if item[0] not in present]
            headers.append((b"x-request-id", self._request_id))
            message = {**message, "headers": headers}
        await self._send(message)

    async def answer(self, status: int, body: bytes) -> None:
        await self.send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [
                    (b"content-type", PROBLEM_JSON.encode()),
                    (b"content-length", str(len(body)).encode()),
                ],
            }
        )
        await self.send({"type": "http.response.body", "body": body})


class EdgeMiddleware:
    """See the module. ``app.add_middleware(EdgeMiddleware, …)``, as the only middleware."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        trusted_proxies: Sequence[Network] = (),
        observe: Observe | None = None,
        count_refusal: CountRefusal | None = None,
        quiet: frozenset[str] = frozenset(),
        https: bool = False,
        body_bytes_max: int = BODY_BYTES_MAX,
    ) -> None:
        """``quiet`` operations are logged at debug level; ``https`` adds HSTS."""
        self._app = app
        self._trusted = tuple(trusted_proxies)
        self._observe = observe
        self._count_refusal = count_refusal
        self._quiet = quiet
        self._headers = (*_DEFAULT_HEADERS, _HSTS) if https else _DEFAULT_HEADERS
        self._body_bytes_max = body_bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter_ns()
        head = _read_head(scope, self._trusted)
        context = RequestContext(head.request_id, head.address)
        exchange = _Exchange(receive, send, head, self._headers, self._body_bytes_max)
        keep_context(scope, context)
        with structlog.contextvars.bound_contextvars(request_id=head.request_id, principal=""):
            try:
                await self._pass_on(scope, exchange, head, context)
            except Exception as error:  # noqa: BLE001 - the last resort
                context.error_code = errors.PayopsError.code
                log_failure(error, operation_of(scope))
                if not exchange.status:
                    await exchange.answer(500, internal_error_body(context.request_id))
            finally:
                self._record(scope, context, exchange.status, time.perf_counter_ns() - began)

    async def _pass_on(
        self, scope: Scope, exchange: _Exchange, head: _Head, context: RequestContext
    ) -> None:
        if head.refusal is None:
            await self._app(scope, exchange.receive, exchange.send)
            return
        context.error_code = head.refusal.code
        body = problem_body(head.refusal, context.request_id)
        await exchange.answer(status_of(head.refusal), body)

    def _record(self, scope: Scope, context: RequestContext, status: int, nanoseconds: int) -> None:
        """Log and measure; an answer that never began has status 0."""
        operation = operation_of(scope)
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        try:
            emit = log.debug if operation in self._quiet else log.info
            emit(
                "http.answered",
                method=method,
                operation=operation,
                status=status,
                duration_ms=nanoseconds // 10_000 / 100,
                code=context.error_code,
            )
            if self._observe is not None:
                self._observe(operation, method, status, nanoseconds / 1e9)
            if self._count_refusal is not None and context.error_code:
                self._count_refusal(operation, context.error_code)
        except Exception:  # noqa: BLE001, S110 - the client has its answer
            pass


def operation_of(scope: Scope) -> str:
    """The name of the route that took the request: its operation id, else its function.

    Never the path, which holds ids. ``unmatched`` when no route did.
    """
    route = scope.get("route")
    name = getattr(route, "operation_id", None) or getattr(route, "name", None)
    return name or getattr(scope.get("endpoint"), "__name__", None) or "unmatched"


def _read_head(scope: Scope, trusted: Sequence[Network]) -> _Head:
    request_id = ""
    forwarded: list[str] = []
    length = 0
    seen: set[bytes] = set()
    refusal: errors.PayopsError | None = None
    for name, value in scope["headers"]:
        if name in _SINGLE:
            if name in seen:
                refusal = DuplicateHeader()
            seen.add(name)
            if name == b"content-length" and value.isdigit():
                length = int(value[:20])
        elif name == b"x-request-id":
            request_id = value.decode("latin-1")
        elif name == b"x-forwarded-for":
            forwarded.append(value.decode("latin-1"))
    if not _REQUEST_ID.fullmatch(request_id):
        request_id = show_id("req", new_id())
    if "\0" in scope["path"] or b"%00" in scope["query_string"]:
        refusal = errors.Malformed("The address of the request holds a NUL character")
    peer = scope["client"][0] if scope.get("client") else None
    return _Head(request_id, client_address(peer, forwarded, trusted), length, refusal)


def log_failure(error: Exception, operation: str) -> None:
    """An error nobody foresaw: its type and where it was, never its text, which may quote."""
    frames = traceback.StackSummary.extract(
        traceback.walk_tb(error.__traceback__), lookup_lines=False
    )
    log.error(
        "http.failed",
        error=type(error).__qualname__,
        operation=operation,
        where=[f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-_FRAMES_MAX:]],
    )
