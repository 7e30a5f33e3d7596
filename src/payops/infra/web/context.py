"""What is known of the request being answered, for logs, errors, audit and idempotency.

The middleware makes one ``RequestContext`` per request; whoever learns more fills it in.
"""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from starlette.requests import HTTPConnection
from starlette.types import Scope

_SCOPE_KEY: Final = "payops.context"


@dataclass(slots=True, eq=False)
class RequestContext:
    request_id: str
    address: str  #: of the client, "" when it cannot be known
    principal: str = ""  #: the verified caller, such as ``user:u1`` or ``key:key_…``
    error_code: str = ""  #: of the problem that was answered


_current: ContextVar[RequestContext | None] = ContextVar("payops_request", default=None)


def current_request_id() -> str:
    """The id of the request this code runs for; "" in jobs and on the command line."""
    context = _current.get()
    return context.request_id if context else ""


def context_of(connection: HTTPConnection) -> RequestContext:
    """The context of a request; an empty one where the middleware is not installed."""
    return context_in(connection.scope) or RequestContext(request_id="", address="")


def context_in(scope: Scope) -> RequestContext | None:
    found: RequestContext | None = scope.get(_SCOPE_KEY)
    return found


class Entered:
    """Makes ``context`` the current one for as long as the request is answered."""

    __slots__ = ("_context", "_scope", "_token")

    def __init__(self, scope: Scope, context: RequestContext) -> None:
        self._scope = scope
        self._context = context

    def __enter__(self) -> RequestContext:
        self._scope[_SCOPE_KEY] = self._context
        self._token = _current.set(self._context)
        return self._context

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)
