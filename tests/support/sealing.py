"""Personal data with made-up keys, for tests that need no application around it."""

import base64
from collections.abc import Callable

from payops.ops import evidence
from payops.pii.domain import KeyMaterial, Quota
from payops.pii.sealing import Keys
from payops.pii.service import PersonalData

K1, K2, K3, K4 = (bytes(range(first, first + 32)) for first in (0, 32, 64, 96))


def text_of(key: bytes) -> str:
    return base64.b64encode(key).decode()


def material(
    *keys: tuple[str, bytes], index: bytes = K2, previous: bytes | None = None
) -> KeyMaterial:
    """A ring of ``keys``, the first of which is primary, with the given index keys."""
    return KeyMaterial(
        keys=",".join(f"{key_id}:{text_of(key)}" for key_id, key in keys or [("k1", K1)]),
        index_key=text_of(index),
        index_key_previous=text_of(previous) if previous else None,
        fingerprint_key=text_of(previous) if previous else None,
    )


def personal_data(
    *keys: tuple[str, bytes],
    index: bytes = K2,
    previous: bytes | None = None,
    quota: Quota | None = None,
    unknown_key: Callable[[], None] = lambda: None,
) -> PersonalData:
    return PersonalData(
        Keys.of(material(*keys, index=index, previous=previous)),
        journal=evidence.note,
        quota=quota or Quota(),
        unknown_key=unknown_key,
    )
