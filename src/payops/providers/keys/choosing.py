"""From the settings to the place that keeps the keys."""

from pathlib import Path

from payops.infra.http import HttpClient
from payops.infra.settings import Settings, Vault
from payops.pii.ports import KeyProvider
from payops.providers.keys.local import EnvironmentKeys, FileKeys
from payops.providers.vault.adapter import Access, VaultKeys


def key_provider(settings: Settings) -> KeyProvider:
    """Where ``PAYOPS_PII__KEY_PROVIDER`` says that the keys are.

    Raises:
        ValueError: a setting that this place needs is missing; its variable is named.
    """
    match settings.pii.key_provider:
        case "environment":
            return EnvironmentKeys(settings.pii)
        case "file":
            if settings.pii.key_file is None:
                raise ValueError("PAYOPS_PII__KEY_FILE is not set")
            return FileKeys(Path(settings.pii.key_file))
        case "vault":
            return _vault(settings.vault)


def _vault(vault: Vault) -> VaultKeys:
    if vault.url is None:
        raise ValueError("PAYOPS_VAULT__URL is not set")
    if vault.token is None and (vault.role_id is None or vault.secret_id is None):
        raise ValueError(
            "PAYOPS_VAULT__TOKEN is not set, nor PAYOPS_VAULT__ROLE_ID with PAYOPS_VAULT__SECRET_ID"
        )
    access = Access(
        url=vault.url,
        mount=vault.mount,
        path=vault.path,
        namespace=vault.namespace,
        token=vault.token.get_secret_value() if vault.token else None,
        role_mount=vault.role_mount,
        role_id=vault.role_id,
        secret_id=vault.secret_id.get_secret_value() if vault.secret_id else None,
    )
    return VaultKeys(
        access,
        lambda: HttpClient(
            timeout_seconds=vault.timeout_seconds, connections_max=1, ca_file=vault.ca_file
        ),
    )
