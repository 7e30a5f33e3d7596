"""Vault over HTTP: log in, read one secret, and say what went wrong in Vault's own words.

Vault's errors are ``{"errors": ["permission denied"]}`` and name no secret, so they are
passed on; whatever is not in that form is described by its status alone.
"""

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from payops.infra.http import (
    CallFailed,
    HttpClient,
    Reply,
    checked_base_url,
    checked_header_value,
)

_WORDS_LENGTH_MAX: Final = 200


class VaultError(Exception):
    """Vault gave no secret; the text says why and holds none."""


class VaultClient:
    """``base_url`` is Vault's address without ``/v1``.

    Raises:
        ValueError: the address or a header cannot be used; the text repeats neither.
    """

    def __init__(self, http: HttpClient, *, base_url: str, namespace: str | None = None) -> None:
        self._http = http
        self._base_url = checked_base_url(base_url)
        # Without it an agent in between takes the request for one of a browser.
        self._headers = {"x-vault-request": "true", "accept": "application/json"}
        if namespace:
            self._headers["x-vault-namespace"] = checked_header_value(namespace)

    async def log_in(self, mount: str, *, role_id: str, secret_id: str) -> str:
        """A token of an AppRole. Raises ``VaultError``."""
        body = json.dumps({"role_id": role_id, "secret_id": secret_id}).encode()
        document = await self._call("POST", f"/auth/{_path(mount)}/login", body=body)
        auth = document.get("auth")
        token = auth.get("client_token") if isinstance(auth, dict) else None
        if not isinstance(token, str) or not token:
            raise VaultError("the login was answered without a token")
        return token

    async def read(self, mount: str, path: str, *, token: str) -> Mapping[str, Any]:
        """The newest version of a secret. Raises ``VaultError``; ``ValueError`` for the token."""
        headers = {"x-vault-token": checked_header_value(token)}
        document = await self._call(
            "GET", f"/{_path(mount)}/data/{_path(path)}", headers=headers, is_secret=True
        )
        data = document.get("data")
        secret = data.get("data") if isinstance(data, dict) else None
        if not isinstance(secret, dict):
            raise VaultError("the answer holds no secret; is the engine KV version 2?")
        return secret

    async def _call(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        is_secret: bool = False,
    ) -> dict[str, Any]:
        try:
            reply = await self._http.request(
                method,
                f"{self._base_url}/v1{path}",
                headers={**self._headers, **(headers or {})},
                body=body,
            )
        except CallFailed as error:
            raise VaultError(f"it cannot be reached: {error}") from error
        document = _document(reply)
        if reply.status != 200:
            raise VaultError(_why(reply, document, is_secret=is_secret))
        if document is None:
            raise VaultError("its answer is not a JSON object")
        return document


def _document(reply: Reply) -> dict[str, Any] | None:
    try:
        document = json.loads(reply.body)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _why(reply: Reply, document: dict[str, Any] | None, *, is_secret: bool) -> str:
    words = document.get("errors") if document else None
    if isinstance(words, list) and words and all(isinstance(word, str) for word in words):
        return f"HTTP {reply.status}: {'; '.join(words)[:_WORDS_LENGTH_MAX]}"
    if is_secret and reply.status == 404:
        # Of a deleted version the metadata is answered, of nothing an empty list of errors.
        deleted = isinstance(document, dict) and isinstance(document.get("data"), dict)
        return "HTTP 404: the newest version was deleted" if deleted else "HTTP 404: no such secret"
    return f"HTTP {reply.status}"


def _path(text: str) -> str:
    return quote(text.strip("/"), safe="/")
