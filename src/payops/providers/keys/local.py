"""Keys that a process is given: as settings, or in a file that an orchestrator mounts."""

import asyncio
import json
from pathlib import Path
from stat import S_IWGRP, S_IWOTH
from typing import Final

from payops.infra.settings import Pii
from payops.pii.domain import KeyMaterial
from payops.pii.errors import KeysUnavailable

_FILE_BYTES_MAX: Final = 64 * 1024


class EnvironmentKeys:
    """Keys that are settings themselves; a process sees them change when it is restarted."""

    def __init__(self, settings: Pii) -> None:
        self._settings = settings

    async def fetch(self) -> KeyMaterial:
        return self.material()

    def material(self) -> KeyMaterial:
        """Raises ``ValueError`` for a setting that is missing; its variable is named."""
        given = {
            name: getattr(self._settings, name)
            for name in ("keys", "index_key", "index_key_previous", "fingerprint_key")
        }
        for name in ("keys", "index_key"):
            if given[name] is None:
                raise ValueError(f"PAYOPS_PII__{name.upper()} is not set")
        return KeyMaterial(
            **{name: secret.get_secret_value() for name, secret in given.items() if secret}
        )


class FileKeys:
    """Keys in a JSON file that an orchestrator mounts, with the names of the settings."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def fetch(self) -> KeyMaterial:
        try:
            text = await asyncio.to_thread(self._read)
        except OSError as error:
            raise KeysUnavailable(f"the key file cannot be read: {error.strerror}") from None
        try:
            values = json.loads(text)
        except ValueError:
            raise ValueError("the key file is not JSON") from None
        if not isinstance(values, dict):
            raise ValueError("the key file is not a JSON object")  # noqa: TRY004 - of a file
        return KeyMaterial.read(values, "the key file")

    def _read(self) -> bytes:
        with self._path.open("rb") as file:
            if self._path.stat().st_mode & (S_IWGRP | S_IWOTH):
                raise ValueError("the key file can be written by others than its owner")
            return file.read(_FILE_BYTES_MAX)
