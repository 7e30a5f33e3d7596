"""Whether somebody who knows a webhook secret signed a text, with an HMAC."""

import hmac
from collections.abc import Iterable
from typing import Literal, TypeAlias

Algorithm: TypeAlias = Literal["sha256", "sha512"]


class Secrets:
    """The current secret and, while it is being rotated, the previous one; false without any."""

    def __init__(self, secrets: Iterable[bytes], algorithm: Algorithm) -> None:
        # An empty key would be one that everybody knows.
        self._secrets = tuple(secret for secret in secrets if secret)
        self._algorithm = algorithm

    def __bool__(self) -> bool:
        return bool(self._secrets)

    def have_signed(self, text: bytes, signature: bytes) -> bool:
        # Every secret is tried, so that the time taken does not tell which one fits.
        fits = [
            hmac.compare_digest(hmac.digest(secret, text, self._algorithm), signature)
            for secret in self._secrets
        ]
        return any(fits)
