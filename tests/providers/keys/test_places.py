"""Keys from the settings and from a file, and which place a process asks."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from payops.infra.settings import Pii, Settings, Vault
from payops.pii.errors import KeysUnavailable
from payops.pii.sealing import Keys
from payops.providers.keys.choosing import key_provider
from payops.providers.keys.local import EnvironmentKeys, FileKeys
from payops.providers.vault.adapter import VaultKeys
from tests.support.sealing import K1, K2, text_of

GOOD = {"keys": f"k1:{text_of(K1)}", "index_key": text_of(K2)}


def kept(folder: Path, content: Any, mode: int = 0o400) -> Path:
    path = folder / "keys.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    path.chmod(mode)
    return path


async def test_settings_are_one_place_to_keep_keys() -> None:
    """What is not set is named."""
    given = Pii(keys=SecretStr(GOOD["keys"]), index_key=SecretStr(GOOD["index_key"]))

    material = await EnvironmentKeys(given).fetch()

    assert (GOOD["keys"], GOOD["index_key"], None) == (
        material.keys,
        material.index_key,
        material.fingerprint_key,
    )
    with pytest.raises(ValueError, match="PAYOPS_PII__INDEX_KEY is not set"):
        await EnvironmentKeys(Pii(keys=SecretStr("k1:x"))).fetch()


async def test_a_file_is_another(tmp_path: Path) -> None:
    """A JSON object with the names of the settings; it is read anew each time."""
    path = kept(tmp_path, {**GOOD, "fingerprint_key": text_of(K1)}, 0o600)
    place = FileKeys(path)
    first = await place.fetch()
    path.write_text(json.dumps({**GOOD, "keys": f"k2:{text_of(K2)},{GOOD['keys']}"}))

    second = await place.fetch()

    assert GOOD["keys"] == first.keys
    assert second.keys.startswith("k2:")
    assert Keys.of(second).sealer.has("k1")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("no JSON", "the key file is not JSON"),
        ([1], "the key file is not a JSON object"),
        ({"keys": "k1:x"}, "index_key missing in the key file"),
    ],
)
async def test_a_file_that_cannot_be_used_is_explained(
    tmp_path: Path, content: Any, message: str
) -> None:
    """Without its name, which may say where secrets are, and without its content."""
    with pytest.raises(ValueError, match=message) as caught:
        await FileKeys(kept(tmp_path, content)).fetch()

    assert message == str(caught.value)


async def test_a_file_that_others_may_write_is_not_trusted(tmp_path: Path) -> None:
    """Whoever can put a key in front can read what is sealed from then on."""
    with pytest.raises(ValueError, match="can be written by others"):
        await FileKeys(kept(tmp_path, GOOD, 0o620)).fetch()


async def test_a_file_that_is_not_there_may_come_later(tmp_path: Path) -> None:
    """That is an outage of the place, not a mistake in the settings."""
    with pytest.raises(KeysUnavailable, match="cannot be read: No such file"):
        await FileKeys(tmp_path / "none.json").fetch()


def test_the_settings_choose_the_place(tmp_path: Path) -> None:
    """Each place with what it needs."""
    chosen = [
        key_provider(Settings(pii=Pii(key_provider="environment"))),
        key_provider(Settings(pii=Pii(key_provider="file", key_file=str(tmp_path)))),
        key_provider(
            Settings(
                pii=Pii(key_provider="vault"),
                vault=Vault(url="https://vault.example", token=SecretStr("t")),
            )
        ),
    ]

    assert [EnvironmentKeys, FileKeys, VaultKeys] == [type(place) for place in chosen]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Settings(pii=Pii(key_provider="file")), "PAYOPS_PII__KEY_FILE is not set"),
        (Settings(pii=Pii(key_provider="vault")), "PAYOPS_VAULT__URL is not set"),
        (
            Settings(
                pii=Pii(key_provider="vault"),
                vault=Vault(url="https://vault.example", role_id="role"),
            ),
            "PAYOPS_VAULT__TOKEN is not set, nor PAYOPS_VAULT__ROLE_ID with",
        ),
    ],
)
def test_what_a_place_needs_is_named(settings: Settings, message: str) -> None:
    """The variable, before anything is asked."""
    with pytest.raises(ValueError, match=message):
        key_provider(settings)
