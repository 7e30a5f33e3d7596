"""Where a request comes from, and whether the user has been seen there before.

Fingerprint and network are keyed hashes by the time they come here; what is empty was not
given, or cannot be known, and is a device or a network like any other.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from payops.kernel.ids import read_id, show_id

DEVICE_PREFIX = "dev"
VERIFICATION_PREFIX = "ver"


class Policy(StrEnum):
    ENFORCE = "enforce"
    MONITOR = "monitor"  # recorded, and lets pass
    OFF = "off"


class FirstUse(StrEnum):
    TRUST = "trust"
    VERIFY = "verify"


class Seen(StrEnum):
    """What a look at device and network found."""

    KNOWN = "known"
    FIRST = "first"
    DEVICE_UNKNOWN = "device_unknown"
    FINGERPRINT_MISSING = "fingerprint_missing"
    NETWORK_UNKNOWN = "network_unknown"

    @property
    def is_unusual(self) -> bool:
        return self not in (Seen.KNOWN, Seen.FIRST)


class How(StrEnum):
    """Why a device is known."""

    FIRST = "first"
    VERIFIED = "verified"


class State(StrEnum):
    """Of a verification."""

    OPEN = "open"
    CONFIRMED = "confirmed"
    FAILED = "failed"  # tried too often
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class DeviceRules:
    """How devices are judged, and how long and how often a code may be tried."""

    policy: Policy = Policy.ENFORCE
    first_use: FirstUse = FirstUse.TRUST
    ipv4_prefix: int = 24
    ipv6_prefix: int = 48
    code_lasts: timedelta = timedelta(minutes=10)
    tries_max: int = 5


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request comes from. ``email`` is the verified address of its token, if any."""

    fingerprint: bytes = b""
    network: bytes = b""
    email: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a user and an origin. ``has_devices``: there was ever any."""

    has_devices: bool = False
    device_id: UUID | None = None
    is_network_known: bool = False


@dataclass(frozen=True, slots=True)
class Learnt:
    """A device, and a network, that are the user's from now on."""

    user_id: str
    id: UUID
    origin: Origin
    how: How


@dataclass(frozen=True, slots=True)
class Device:
    """A device of a user's, as the user is shown it."""

    id: UUID
    how: How
    has_fingerprint: bool
    known_since: datetime
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verification:
    """A question whether a device and network are the user's own; answered by a code."""

    user_id: str
    id: UUID
    origin: Origin
    state: State
    tries: int
    expires_at: datetime


def look(standing: Standing, origin: Origin, first_use: FirstUse) -> Seen:
    """Whether ``origin`` is known of the user.

    A user who has removed every device is no newcomer: or else whoever holds a token could
    remove them all and be the first.
    """
    if not standing.has_devices and first_use is FirstUse.TRUST:
        return Seen.FIRST
    if standing.device_id is None:
        return Seen.DEVICE_UNKNOWN if origin.fingerprint else Seen.FINGERPRINT_MISSING
    return Seen.KNOWN if standing.is_network_known else Seen.NETWORK_UNKNOWN


def show_device(device_id: UUID) -> str:
    return show_id(DEVICE_PREFIX, device_id)


def read_device(text: str) -> UUID:
    """Raises ``ValueError`` for anything ``show_device`` does not write."""
    return read_id(DEVICE_PREFIX, text)


def show_verification(verification_id: UUID) -> str:
    return show_id(VERIFICATION_PREFIX, verification_id)


def read_verification(text: str) -> UUID:
    """Raises ``ValueError`` for anything ``show_verification`` does not write."""
    return read_id(VERIFICATION_PREFIX, text)
