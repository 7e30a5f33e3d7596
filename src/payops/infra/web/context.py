"""What is known of the request being answered, for logs, errors, audit and idempotency.

The middleware makes one ``RequestContext`` per request; whoever learns more fills it in.
"""

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


def keep_context(scope: Scope, context: RequestContext) -> None:
    """For whoever answers the request of ``scope``."""
    scope[_SCOPE_KEY] = context


def context_of(connection: HTTPConnection) -> RequestContext:
    """The context of a request; an empty one where the middleware is not installed."""
    return context_in(connection.scope) or RequestContext(request_id="", address="")


def context_in(scope: Scope) -> RequestContext | None:
    found: RequestContext | None = scope.get(_SCOPE_KEY)
    return found
