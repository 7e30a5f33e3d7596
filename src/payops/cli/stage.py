"""What an act of the demo has at hand: the service, the sandbox, and a voice."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import httpx

_POLL_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must be so in the end."""

    what: str
    holds: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Stage:
    """The service as a client sees it. Without ``user``, calls are made with the API key."""

    service: httpx.Client
    sandbox: httpx.Client
    key: str
    token_for: Callable[[str], str]
    say: Callable[..., None]

    def get(self, path: str, *, user: str | None = None) -> Any:
        return _answer(self.service.get(path, headers=self._headers(user)))

    def post(self, path: str, body: dict[str, Any], *, user: str | None = None) -> Any:
        headers = {**self._headers(user), "Idempotency-Key": uuid4().hex}
        return _answer(self.service.post(path, json=body, headers=headers))

    def book(self, provider: str | None = None) -> Any:
        """The sandbox's own account of what it paid, or of what ``provider`` received."""
        return _answer(self.sandbox.get(f"/_sandbox{f'/{provider}' if provider else ''}/book"))

    def _headers(self, user: str | None) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key if user is None else self.token_for(user)}"}


def until(look: Callable[[], Any], *, seconds_max: int) -> Any:
    """What ``look`` returns once that is true, or at the latest after ``seconds_max``."""
    deadline = time.monotonic() + seconds_max
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return found


def _answer(response: httpx.Response) -> Any:
    """The JSON of an answer.

    Raises:
        ValueError: it was refused, with the reason as the service gave it.
    """
    if response.is_success:
        return response.json()
    where = f"{response.request.method} {response.request.url.path}"
    try:
        said = response.json()
    except ValueError:
        said = {}
    raise ValueError(f"{where}: {response.status_code} {said.get('code')}: {said.get('detail')}")
