"""Signing in with an API key, and who sits before a page afterwards.

The key is exchanged for a session and forgotten by the browser. The cookie goes with links
from elsewhere (``SameSite=Lax``), so that a link in an alert opens its page; what changes
anything is a form, and a form must come from a page of the session itself (``forms``).
"""

from dataclasses import dataclass
from functools import cache
from typing import Annotated, Final

import structlog
from fastapi import Depends
from starlette.requests import Request
from starlette.responses import Response

from payops.access import service as access
from payops.access.api import Gate, Scoped
from payops.access.domain import Kind, Principal, Scope, Session
from payops.access.errors import ScopeMissing
from payops.approvals.domain import Person
from payops.audit import service as audit
from payops.audit.domain import AuditEvent
from payops.infra.db import Database, Tx
from payops.infra.settings import Console as Limits
from payops.infra.web.context import context_of

# The prefix makes browsers refuse the cookie unless it is Secure and of this very host.
_COOKIE: Final = "payops_console"
_SECURE_COOKIE: Final = "__Host-payops_console"
_SAME_SITE: Final = "lax"
REFRESH_HEADER: Final = "x-refresh"  # sent by what a page asks for by itself


@dataclass(frozen=True, slots=True)
class Visitor:
    """A signed-in person, and the token that each of their forms must carry."""

    session: Session
    form_token: str

    @property
    def principal(self) -> Principal:
        return self.session.principal

    @property
    def person(self) -> Person:
        """As approvals know them: the key, and whose it is."""
        return Person(self.principal.caller, self.principal.owner)

    @property
    def role(self) -> str:
        """What their scopes make of them, in a word."""
        if self.may(Scope.OPS_APPROVE):
            return "approver"
        return "operator" if self.may(Scope.OPS_WRITE) else "observer"

    def may(self, scope: str) -> bool:
        return scope in self.principal.scopes


class Doorkeeper:
    """Opens sessions, finds whose a request is, and ends them; audited."""

    def __init__(self, db: Database, gate: Gate, limits: Limits, *, is_https: bool) -> None:
        self._db = db
        self._gate = gate
        self._limits = limits
        self._is_https = is_https
        self.cookie = _SECURE_COOKIE if is_https else _COOKIE

    async def admit(self, request: Request, key: str) -> str:
        """Exchange an API key for the token of a session.

        Raises:
            Unauthenticated: or one of its kinds: no good key.
            ScopeMissing: a good one, of something that is not in operations.
            RateLimited: too many bad ones from this address.
        """
        context = context_of(request)
        principal = await self._gate.admit(f"Bearer {key}", context.address)
        if principal.kind is not Kind.KEY or Scope.OPS_READ not in principal.scopes:
            raise ScopeMissing(f"The console needs an API key with the scope {Scope.OPS_READ}")
        async with self._db.transaction() as tx:
            token = await access.open_session(tx, principal, minutes_max=self._limits.minutes_max)
            await _record(tx, "console_signed_in", principal, context.request_id)
        return token

    async def visitor(self, request: Request) -> Visitor:
        """Who sends ``request``. Raises ``Unauthenticated``, or ``RateLimited``.

        What a page asks for by itself has a limit of its own: a page left open in many tabs
        leaves its reader room to act.
        """
        token = self.token_of(request)
        is_refresh = request.method == "GET" and REFRESH_HEADER in request.headers
        async with self._db.transaction() as tx:
            session = await access.find_session(
                tx,
                token,
                idle_minutes=self._limits.idle_minutes,
                is_seen=not is_refresh,
            )
        caller = session.principal.caller
        self._gate.limit.count(f"refresh:{caller}" if is_refresh else caller)
        return Visitor(session, access.form_token(token))

    async def dismiss(self, visitor: Visitor, request_id: str) -> None:
        """Sign out; a second time changes nothing."""
        async with self._db.transaction() as tx:
            if await access.end_session(tx, visitor.session):
                await _record(tx, "console_signed_out", visitor.principal, request_id)

    def token_of(self, request: Request) -> str:
        return request.cookies.get(self.cookie, "")

    def hand_over(self, answer: Response, token: str) -> None:
        answer.set_cookie(
            self.cookie,
            token,
            max_age=self._limits.minutes_max * 60,
            secure=self._is_https,
            httponly=True,
            samesite=_SAME_SITE,
        )

    def take_back(self, answer: Response) -> None:
        answer.delete_cookie(self.cookie, secure=self._is_https, httponly=True, samesite=_SAME_SITE)


class SignedIn(Scoped):
    """By the session's cookie; a page shows less to who has fewer scopes, and does less."""

    async def __call__(self, request: Request) -> Visitor:
        visitor = await doorkeeper_of(request).visitor(request)
        request.state.visitor = visitor
        context_of(request).principal = visitor.principal.caller
        structlog.contextvars.bind_contextvars(principal=visitor.principal.caller)
        if not visitor.may(self.scope):
            raise ScopeMissing(f"This needs the scope {self.scope}")
        return visitor


@cache
def signed_in(scope: Scope) -> SignedIn:
    """The dependency that gives the ``Visitor`` and refuses those without ``scope``."""
    return SignedIn(scope)


def doorkeeper_of(request: Request) -> Doorkeeper:
    found: Doorkeeper = request.app.state.doorkeeper
    return found


Reader = Annotated[Visitor, Depends(signed_in(Scope.OPS_READ))]
Writer = Annotated[Visitor, Depends(signed_in(Scope.OPS_WRITE))]
Approver = Annotated[Visitor, Depends(signed_in(Scope.OPS_APPROVE))]
Auditor = Annotated[Visitor, Depends(signed_in(Scope.AUDIT_READ))]
PersonalDataReader = Annotated[Visitor, Depends(signed_in(Scope.PII_READ))]


async def _record(tx: Tx, kind: str, principal: Principal, request_id: str) -> None:
    event = AuditEvent(kind=kind, actor=principal.caller, request_id=request_id)
    await audit.record(tx, [event])
