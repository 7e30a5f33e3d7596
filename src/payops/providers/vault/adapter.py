"""Keys from Vault, as the port of personal data wants them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from payops.infra.http import HttpClient
from payops.pii.domain import KeyMaterial
from payops.pii.errors import KeysUnavailable
from payops.providers.vault.client import VaultClient, VaultError

_SOURCE: Final = "Vault"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where the secret is, and who asks: a token, or a role that gets one each time."""

    url: str
    mount: str
    path: str
    namespace: str | None = None
    token: str | None = field(default=None, repr=False)
    role_mount: str = "approle"
    role_id: str | None = None
    secret_id: str | None = field(default=None, repr=False)


class VaultKeys:
    """Fetches the keys, each time over a connection of its own: that is rare.

    ``open_http`` makes the client, which is closed afterwards. No token is kept: one of an
    AppRole lives for minutes, and the next time may be weeks away.
    """

    def __init__(self, access: Access, open_http: Callable[[], HttpClient]) -> None:
        self._access = access
        self._open_http = open_http

    async def fetch(self) -> KeyMaterial:
        """Raises ``KeysUnavailable``; ``ValueError`` when what is there cannot be used."""
        access = self._access
        async with self._open_http() as http:
            client = VaultClient(http, base_url=access.url, namespace=access.namespace)
            try:
                token = access.token or await client.log_in(
                    access.role_mount,
                    role_id=access.role_id or "",
                    secret_id=access.secret_id or "",
                )
                secret = await client.read(access.mount, access.path, token=token)
            except VaultError as error:
                raise KeysUnavailable(f"{_SOURCE} did not give the keys: {error}") from error
        return KeyMaterial.read(secret, _SOURCE)
