"""Authentication as dependencies of routes, and the proof that each route has one.

``requires(scope)`` stands first in a route's signature, because FastAPI resolves
dependencies in order and a stranger should learn nothing else. A route for everybody says
``Depends(public)`` or is a ``PublicRoute``; a test lists all routes with ``scopes_of`` and
accepts no other kind.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

import structlog
from fastapi import Query
from fastapi.dependencies.models import Dependant
from fastapi.openapi.models import HTTPBearer as BearerModel
from fastapi.routing import iter_route_contexts
from fastapi.security.base import SecurityBase
from starlette.requests import Request
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope as AsgiScope

from payops.access.domain import USER_ID_PATTERN, Principal, Scope, looks_like_key
from payops.access.errors import CredentialsRefused, ScopeMissing
from payops.access.service import Authenticator
from payops.infra.web.address import network_of
from payops.infra.web.context import context_of
from payops.infra.web.limiting import RateLimit
from payops.kernel.errors import Unauthenticated

OfUser = Annotated[str | None, Query(alias="userId", pattern=USER_ID_PATTERN)]


@dataclass(frozen=True, slots=True)
class Gate:
    """Who may pass, and how often. The application holds one as ``app.state.gate``."""

    authenticator: Authenticator
    limit: RateLimit

    async def admit(self, authorization: str | None, address: str) -> Principal:
        """The principal of an ``Authorization`` header.

        A known caller is counted as itself, a stranger as its address.

        Raises:
            Unauthenticated: or one of its kinds.
            RateLimited: one request too many of this caller, or failure of this address.
        """
        try:
            credential = _bearer(authorization)
            principal = self.authenticator.remembered(credential)
            if principal is None:
                if looks_like_key(credential):
                    # Only these cost a query: guessing must not become a load.
                    self.limit.require_room(_stranger(address))
                principal = await self.authenticator.verify(credential)
        except Unauthenticated:
            self.limit.count(_stranger(address))
            raise
        self.limit.count(principal.caller)
        return principal


class Scoped(SecurityBase):
    """A dependency that lets in who has ``scope``, however they prove who they are."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.scheme_name = "bearer"
        self.model = BearerModel(description="An end-user token (JWT) or an API key")


class Requires(Scoped):
    """By the ``Authorization`` header; OpenAPI shows it as bearer auth."""

    async def __call__(self, request: Request) -> Principal:
        context = context_of(request)
        gate: Gate = request.app.state.gate
        principal = await gate.admit(request.headers.get("authorization"), context.address)
        context.principal = principal.caller
        structlog.contextvars.bind_contextvars(principal=principal.caller)
        if self.scope not in principal.scopes:
            raise ScopeMissing(f"This needs the scope {self.scope}")
        return principal


@cache
def requires(scope: Scope) -> Requires:
    """The dependency that gives the ``Principal`` and refuses those without ``scope``."""
    return Requires(scope)


async def public() -> None:
    """Marks a route that is for everybody, or proves its caller in its own way."""


class PublicRoute(Route):
    """A route whose callers prove themselves in their own way, read without FastAPI's help.

    What it takes from the request it reads itself, which costs half of what FastAPI's
    resolving does: for routes that are called as often as the busiest of ours.
    """

    dependant = Dependant(dependencies=[Dependant(call=public)])  # the mark, as others carry it

    def matches(self, scope: AsgiScope) -> tuple[Match, AsgiScope]:
        match, found = super().matches(scope)
        if match is not Match.NONE:
            found["route"] = self  # as FastAPI's routes say who they are: logs and metrics ask
        return match, found


def scope_of(route: Any) -> Scope | None:
    """The scope that ``route`` requires; ``None`` when it says that it is public.

    Raises:
        LookupError: it says neither, or more than one thing.
    """
    marks = set(_marks(route.dependant))
    if len(marks) != 1:
        raise LookupError(f"{route.path} is marked {sorted(map(str, marks)) or 'nowhere'}")
    return marks.pop()


def scopes_of(routes: Sequence[BaseRoute]) -> dict[str, Scope | None]:
    """``{"POST /api/…": scope}`` of all routes with an endpoint of ours; see ``scope_of``."""
    return {
        f"{method} {route.path}": scope_of(route)
        for route in iter_route_contexts(routes)
        if getattr(route, "dependant", None) is not None
        for method in sorted(route.methods or ())
    }


def _marks(dependant: Any) -> Iterator[Scope | None]:
    for inner in dependant.dependencies:
        if isinstance(inner.call, Scoped):
            yield inner.call.scope
        elif inner.call is public:
            yield None
        yield from _marks(inner)


def _stranger(address: str) -> str:
    return f"address:{network_of(address)}"


def _bearer(authorization: str | None) -> str:
    if not authorization:
        raise Unauthenticated
    scheme, _, credential = authorization.strip().partition(" ")
    credential = credential.strip()
    if scheme.lower() != "bearer" or not credential:
        raise Unauthenticated
    if not credential.isascii() or " " in credential:
        raise CredentialsRefused
    return credential
