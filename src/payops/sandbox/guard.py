"""What stands before a provider's endpoints: the faults of the whole provider, then its key."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias, assert_never

from starlette.requests import Request
from starlette.responses import Response

from payops.sandbox.faults import Fault, FaultKind, Faults
from payops.sandbox.hangup import HangUp, is_gone_within
from payops.sandbox.settings import Settings

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]


class Guard:
    """Wraps endpoints. Each provider has its own words for the same refusals.

    ``error`` makes its answer with a status of 401, 403, 429 or 500; ``turned_away`` is its answer
    to a request whose credential it does not take, else None.
    """

    def __init__(
        self,
        settings: Settings,
        faults: Faults,
        *,
        error: Callable[[int], Response],
        turned_away: Callable[[Request], Response | None],
    ) -> None:
        self._settings = settings
        self._faults = faults
        self._error = error
        self._turned_away = turned_away

    def __call__(self, endpoint: Endpoint) -> Endpoint:
        async def guarded(request: Request) -> Response:
            fault = self._faults.take(request.method)
            if fault is not None and (instead := self._instead(fault)):
                return instead
            refused = self._turned_away(request)
            if refused is not None:
                return refused
            response = await endpoint(request)
            if fault is not None:
                await wait(request, self._settings, self._lateness_ms(fault))
                if fault.kind is FaultKind.LOST:
                    return HangUp()
            return response

        return guarded

    def _instead(self, fault: Fault) -> Response | None:
        """The answer of a provider that acts on nothing; None for a fault that lets it act."""
        match fault.kind:
            case FaultKind.DOWN:
                return HangUp()
            case FaultKind.UNAUTHORIZED:
                return self._error(401)
            case FaultKind.FORBIDDEN:
                return self._error(403)
            case FaultKind.SERVER_ERROR:
                return self._error(500)
            case FaultKind.RATE_LIMITED:
                response = self._error(429)
                response.headers["retry-after"] = str(fault.retry_after_seconds)
                return response
            case FaultKind.LOST | FaultKind.SLOW | FaultKind.LATENCY:
                return None
            case _:
                assert_never(fault.kind)

    def _lateness_ms(self, fault: Fault) -> int:
        return self._settings.delays.slow_ms if fault.kind is FaultKind.SLOW else fault.latency_ms


async def wait(request: Request, settings: Settings, delay_ms: int) -> None:
    """Wait, but no longer than the client does."""
    if delay_ms:
        await request.body()
        await is_gone_within(request.receive, settings.limit(delay_ms))
