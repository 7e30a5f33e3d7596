"""From a bearer credential to a principal: an API key or an end-user token."""

from payops.access.domain import Principal, looks_like_key
from payops.access.service.keys import KeyVerifier
from payops.access.service.tokens import TokenVerifier


class Authenticator:
    """The two verifiers behind one question; a credential's own look says which is asked."""

    def __init__(self, keys: KeyVerifier, tokens: TokenVerifier) -> None:
        self._keys = keys
        self._tokens = tokens

    def remembered(self, credential: str) -> Principal | None:
        """Who was verified with it a short while ago: no I/O, microseconds."""
        if looks_like_key(credential):
            return self._keys.remembered(credential)
        return self._tokens.remembered(credential)

    async def verify(self, credential: str) -> Principal:
        """Who asks; raises a kind of ``Unauthenticated``, or ``Unavailable``."""
        if looks_like_key(credential):
            return await self._keys.verify(credential)
        return await self._tokens.verify(credential)
