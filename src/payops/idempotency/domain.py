"""A key, the request it stands for, and the answer that every repeat gets."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

from payops.idempotency.errors import KeyInvalid, KeyRequired

Command = TypeVar("Command")

_KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Key:
    """Two callers, users or operations with the same key are strangers to each other."""

    user_id: str
    caller: str
    operation: str
    key: str


@dataclass(frozen=True, slots=True)
class Keyed(Generic[Command]):
    """A command under its key; ``fingerprint`` is the keyed hash of the canonical request."""

    key: Key
    fingerprint: bytes
    command: Command


@dataclass(frozen=True, slots=True)
class Answer:
    """What a caller is told: status, extra headers, exact bytes.

    ``resource`` is the shown id of what the request made. A key with a resource is kept
    for ever; its body is dropped after the retention period (``body`` is then ``None``).
    ``is_kept`` false: true for now only, so that the same key is decided anew next time.
    """

    status: int
    body: bytes | None
    headers: Mapping[str, str] = field(default_factory=dict)
    resource: str | None = None
    is_replay: bool = False
    is_kept: bool = True


@dataclass(frozen=True, slots=True)
class Use:
    """A key that was used: by whom, for what, and what it made, if it made anything."""

    user_id: str
    caller: str
    operation: str
    key: str
    resource: str | None
    status: int | None
    created_at: datetime


def check_key(header: str | None) -> str:
    """The key as given.

    Raises:
        KeyRequired: there is none.
        KeyInvalid: not 1 to 255 printable ASCII characters.
    """
    if header is None:
        raise KeyRequired
    if not _KEY.fullmatch(header):
        raise KeyInvalid
    return header


def canonical(request: Mapping[str, object]) -> bytes:
    """The same bytes for the same request, however its JSON was laid out."""
    return json.dumps(request, sort_keys=True, separators=(",", ":")).encode()
