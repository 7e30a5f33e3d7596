"""Keys from Vault: a local server that answers as Vault does, errors included."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import structlog
from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from structlog.testing import capture_logs

from payops.infra.http import HttpClient
from payops.pii.errors import KeysUnavailable
from payops.providers.vault.adapter import Access, VaultKeys
from tests.support.sealing import K1, K2, text_of
from tests.support.serving import serve

SECRET = {"keys": f"k1:{text_of(K1)}", "index_key": text_of(K2)}
ROLE = {"role_id": "0d1f3c4e-role", "secret_id": "7a9b-secret"}
TOKEN = "hvs.CAESIJlU"  # made up
TOP = {
    "request_id": "2d4a0d9c-8d0f-1c4e-9d7b-2b1d5d0f7b11",
    "lease_id": "",
    "renewable": False,
    "lease_duration": 0,
    "wrap_info": None,
    "warnings": None,
    "auth": None,
}
VERSION = {
    "created_time": "2026-11-22T09:12:44.123456789Z",
    "custom_metadata": None,
    "deletion_time": "",
    "destroyed": False,
    "version": 3,
}


@dataclass
class Vault:
    """What a Vault with one KV engine and one AppRole answers; ``fault`` replaces answers."""

    url: str = ""
    fault: Response | None = None
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    secret: dict[str, Any] = field(default_factory=lambda: dict(SECRET))

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/v1/auth/approle/login")
        async def log_in(request: Request) -> Response:
            self._note(request)
            if json.loads(await request.body()) != ROLE:
                return JSONResponse({"errors": ["invalid role or secret ID"]}, 400)
            auth = {
                "client_token": TOKEN,
                "accessor": "0e9e354a",
                "policies": ["default", "payops"],
                "token_policies": ["default", "payops"],
                "metadata": {"role_name": "payops"},
                "lease_duration": 1200,
                "renewable": True,
                "token_type": "service",
            }
            return JSONResponse({**TOP, "data": None, "auth": auth})

        @app.get("/v1/secret/data/{path:path}")
        async def read(request: Request, path: str) -> Response:
            self._note(request)
            if self.fault:
                return self.fault
            if request.headers.get("x-vault-token") != TOKEN:
                return JSONResponse({"errors": ["permission denied"]}, 403)
            if path != "betrix/payops":
                return JSONResponse({"errors": []}, 404)
            data = {"data": self.secret, "metadata": VERSION}
            return JSONResponse({**TOP, "data": data, "mount_type": "kv"})

        return app

    def _note(self, request: Request) -> None:
        self.asked.append((request.method, request.url.path, dict(request.headers)))


@pytest.fixture
async def vault() -> AsyncIterator[Vault]:
    made = Vault()
    async with serve(made.app()) as url:
        made.url = url
        yield made


def keys_of(vault: Vault, **more: Any) -> VaultKeys:
    given = {"mount": "secret", "path": "betrix/payops", "url": vault.url, **more}
    return VaultKeys(Access(**given), lambda: HttpClient(timeout_seconds=2, connections_max=1))


async def test_the_keys_are_read_with_a_token(vault: Vault) -> None:
    """From the newest version of the secret, with the headers that Vault asks for."""
    material = await keys_of(vault, token=TOKEN, namespace="betrix").fetch()

    assert (SECRET["keys"], SECRET["index_key"]) == (material.keys, material.index_key)
    ((method, path, headers),) = vault.asked
    assert ("GET", "/v1/secret/data/betrix/payops") == (method, path)
    assert (TOKEN, "true", "betrix") == tuple(
        headers[name] for name in ("x-vault-token", "x-vault-request", "x-vault-namespace")
    )


async def test_an_approle_logs_in_each_time(vault: Vault) -> None:
    """Its token lives for minutes and the next time is weeks away, so none is kept."""
    keys = keys_of(vault, **ROLE)

    await keys.fetch()
    await keys.fetch()

    login, read = "/v1/auth/approle/login", "/v1/secret/data/betrix/payops"
    assert [login, read, login, read] == [path for _, path, _ in vault.asked]
    assert "x-vault-token" not in vault.asked[0][2]
    assert TOKEN == vault.asked[1][2]["x-vault-token"]


async def test_a_new_version_is_seen(vault: Vault) -> None:
    """Rotation begins in Vault: the next fetch has the new key in front."""
    keys = keys_of(vault, token=TOKEN)
    await keys.fetch()
    vault.secret["keys"] = f"k2:{text_of(K2)},{SECRET['keys']}"

    assert (await keys.fetch()).keys.startswith("k2:")


@pytest.mark.parametrize(
    ("access", "why"),
    [
        ({"token": "hvs.other"}, "HTTP 403: permission denied"),
        (
            {"role_id": "another-role", "secret_id": "another-secret"},
            "HTTP 400: invalid role or secret ID",
        ),
        ({"token": TOKEN, "path": "elsewhere"}, "HTTP 404: no such secret"),
        ({"token": TOKEN, "mount": "kv1"}, "HTTP 404"),
    ],
)
async def test_what_vault_refuses_is_said_in_its_words(
    vault: Vault, access: dict[str, str], why: str
) -> None:
    """Its errors name no secret; neither does ours."""
    with pytest.raises(KeysUnavailable, match=r"^Vault did not give the keys: ") as caught:
        await keys_of(vault, **access).fetch()

    assert f"Vault did not give the keys: {why}" in str(caught.value)
    assert not any(secret in str(caught.value) for secret in access.values())


DELETED = {**TOP, "data": {"data": None, "metadata": {**VERSION, "deletion_time": "2026-11-22"}}}


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (JSONResponse({"errors": ["Vault is sealed"]}, 503), "HTTP 503: Vault is sealed"),
        (JSONResponse({"errors": ["local node not active"]}, 500), "HTTP 500: local node not"),
        (JSONResponse(DELETED, 404), "HTTP 404: the newest version was deleted"),
        (PlainTextResponse("<html>Bad gateway", 502), "HTTP 502"),
        (PlainTextResponse("fine", 200), "its answer is not a JSON object"),
        (JSONResponse({**TOP, "data": {"keys": "k1:x"}}), "is the engine KV version 2?"),
        (Response(status_code=307, headers={"location": "http://127.0.0.1:9/"}), "HTTP 307"),
    ],
)
async def test_other_answers_are_no_keys(vault: Vault, fault: Response, why: str) -> None:
    """Sealed, standby, deleted, a proxy in between, an engine of version 1, a redirect."""
    vault.fault = fault

    with pytest.raises(KeysUnavailable) as caught:
        await keys_of(vault, token=TOKEN).fetch()

    assert why in str(caught.value)


async def test_a_secret_without_the_keys_is_a_mistake_not_an_outage(vault: Vault) -> None:
    """Trying again would not help, so it is another kind of error."""
    vault.secret = {"password": "x"}

    with pytest.raises(ValueError, match="keys and index_key missing in Vault"):
        await keys_of(vault, token=TOKEN).fetch()


async def test_a_vault_that_cannot_be_reached_says_so() -> None:
    """The address is not repeated: it may be an inner one."""
    away = Vault(url="http://127.0.0.1:9")

    with pytest.raises(KeysUnavailable, match="it cannot be reached: ConnectError") as caught:
        await keys_of(away, token=TOKEN).fetch()

    assert "127.0.0.1" not in str(caught.value)


@pytest.mark.parametrize(
    "access", [{"token": "with\nnewline"}, {"token": "t", "url": "ftp://vault"}]
)
async def test_what_cannot_be_sent_is_refused_unrepeated(
    vault: Vault, access: dict[str, str]
) -> None:
    """A token from a file often ends in a line break."""
    with pytest.raises(ValueError, match=r"not usable as the value of a header|not an http") as why:
        await keys_of(vault, **access).fetch()

    assert "newline" not in str(why.value)


async def test_nothing_secret_is_shown_or_logged(vault: Vault) -> None:
    """Neither in a repr nor in the log of a fetch."""
    with capture_logs([structlog.contextvars.merge_contextvars]) as logs:
        keys = keys_of(vault, token=TOKEN, secret_id=ROLE["secret_id"])
        material = await keys.fetch()

    shown = f"{keys._access!r}{material!r}{logs}"
    assert not any(secret in shown for secret in (TOKEN, ROLE["secret_id"], *SECRET.values()))
