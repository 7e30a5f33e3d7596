"""Which keys and secrets a process uses, told apart without knowing them.

Nothing in a secret says how old it is. What can be known is since when this service has
used it: a keyed fingerprint of it is noted when it is first seen.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pydantic import SecretStr

from payops.infra.settings import Settings
from payops.pii.sealing import Fingerprints
from payops.pii.service import PersonalData

_PURPOSE: Final = "credential"
_SHOWN_BYTES: Final = 8  # tells a secret from the one before it, and is no way to find it


@dataclass(frozen=True, slots=True)
class Credential:
    """``name`` is the setting it comes from; ``mark`` differs from secret to secret."""

    name: str
    mark: str

    @property
    def subject(self) -> str:
        return f"credential:{self.name}:{self.mark}"


def in_use(
    settings: Settings, fingerprints: Fingerprints, personal_data: PersonalData
) -> tuple[Credential, ...]:
    """Those that are set; of sealing keys the primary one."""
    found = [
        Credential(name, _mark(fingerprints, name, secret.get_secret_value().encode()))
        for name, secret in _secrets(settings)
        if secret is not None
    ]
    primary = personal_data.marks.header
    return (*found, Credential("PAYOPS_PII__KEYS", _mark(fingerprints, "pii", primary)))


def _secrets(settings: Settings) -> Iterator[tuple[str, SecretStr | None]]:
    yield "PAYOPS_LIPANA__API_KEY", settings.lipana.api_key
    yield "PAYOPS_LIPANA__WEBHOOK_SECRET", settings.lipana.webhook_secret
    yield "PAYOPS_NOWPAYMENTS__API_KEY", settings.nowpayments.api_key
    yield "PAYOPS_NOWPAYMENTS__IPN_SECRET", settings.nowpayments.ipn_secret
    yield "PAYOPS_BTCPAY__API_KEY", settings.btcpay.api_key
    yield "PAYOPS_BTCPAY__WEBHOOK_SECRET", settings.btcpay.webhook_secret
    yield "PAYOPS_EVENTS__SECRET", settings.events.secret
    yield "PAYOPS_AUTH__JWT_KEY", settings.auth.jwt_key


def _mark(fingerprints: Fingerprints, name: str, secret: bytes) -> str:
    return fingerprints.of(_PURPOSE, name.encode(), secret)[:_SHOWN_BYTES].hex()
