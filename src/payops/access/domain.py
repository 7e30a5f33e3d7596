"""Principals, scopes and API keys as values."""

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from payops.access.errors import OtherUser
from payops.kernel.errors import Fault, Invalid
from payops.kernel.ids import read_id, show_id

USER_ID_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._:|-]{0,63}$"
KEY_ID_PREFIX: Final = "key"

_USER_ID: Final = re.compile(USER_ID_PATTERN.removesuffix("$"), re.ASCII)
_BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PERSON: Final = re.compile(r"\A(?:\s*person:)+")
_SECRET_BYTES: Final = 32
_SECRET_LENGTH: Final = 43  # base62 digits of 32 bytes
_KEY_TEXT: Final = re.compile(rf"sk_(?:test|live)_[0-9A-Za-z]{{{_SECRET_LENGTH}}}", re.ASCII)


class Scope(StrEnum):
    WITHDRAWALS_READ = "withdrawals:read"
    WITHDRAWALS_WRITE = "withdrawals:write"
    DEPOSITS_READ = "deposits:read"
    DEPOSITS_WRITE = "deposits:write"
    WALLETS_READ = "wallets:read"
    WALLETS_WRITE = "wallets:write"
    OPS_READ = "ops:read"
    OPS_WRITE = "ops:write"
    OPS_APPROVE = "ops:approve"
    PII_READ = "pii:read"
    AUDIT_READ = "audit:read"


# What an end user may do, with their own things only. Crediting a wallet is not among it.
END_USER_SCOPES: Final = frozenset(
    {
        Scope.WITHDRAWALS_READ,
        Scope.WITHDRAWALS_WRITE,
        Scope.DEPOSITS_READ,
        Scope.DEPOSITS_WRITE,
        Scope.WALLETS_READ,
    }
)


class Kind(StrEnum):
    USER = "user"
    KEY = "key"


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified caller."""

    kind: Kind
    id: str  #: the user's id, or the key's as it is shown
    owner: str  #: the person or system behind it: four eyes are two owners
    scopes: frozenset[Scope]
    user_id: str | None = None  #: whom it acts for; a key names a user in each request
    verified_email: str | None = field(default=None, repr=False)  #: from the token

    @property
    def caller(self) -> str:
        """``user:u1`` or ``key:key_…``: whose idempotency keys and whose rate limit."""
        return f"{self.kind}:{self.id}"


def end_user(user_id: str, verified_email: str | None = None) -> Principal:
    return Principal(Kind.USER, user_id, user_id, END_USER_SCOPES, user_id, verified_email)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is kept of a key; the key itself is shown once, when it is made."""

    id: UUID
    name: str
    owner: str
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None

    @property
    def shown_id(self) -> str:
        return show_id(KEY_ID_PREFIX, self.id)


def person_of(owner: str) -> str:
    """The person behind ``person:Jane`` or an API key's owner ``jane``: the same one."""
    return _PERSON.sub("", owner.casefold()).strip()


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that signed in with an API key, for as long as that key is good."""

    id: UUID
    principal: Principal
    key_name: str


def is_user_id(text: str) -> bool:
    return _USER_ID.fullmatch(text) is not None


def acting_for(principal: Principal, user_id: str | None, *, pointer: str = "/userId") -> str:
    """The user whose money a request concerns.

    ``user_id`` is what the request names, at ``pointer``. A user's token may leave it out.

    Raises:
        OtherUser: a token that names another user than its own.
        Invalid: an API key that names nobody, or something that is no user id.
    """
    if principal.user_id is not None:
        if user_id is not None and user_id != principal.user_id:
            raise OtherUser
        return principal.user_id
    if user_id is None:
        raise Invalid(faults=[Fault(pointer, "is required with an API key")])
    if not is_user_id(user_id):
        raise Invalid(faults=[Fault(pointer, "is not a user id")])
    return user_id


def read_key_id(text: str) -> UUID:
    """Raises ``ValueError`` for anything but a key's shown id."""
    return read_id(KEY_ID_PREFIX, text)


def new_key_text(*, live: bool) -> str:
    """A new API key: 256 random bits after a prefix that secret scanners know."""
    number, digits = int.from_bytes(secrets.token_bytes(_SECRET_BYTES)), []
    for _ in range(_SECRET_LENGTH):
        number, digit = divmod(number, len(_BASE62))
        digits.append(_BASE62[digit])
    return f"{key_prefix(live=live)}{''.join(reversed(digits))}"


def key_prefix(*, live: bool) -> str:
    return "sk_live_" if live else "sk_test_"


def looks_like_key(credential: str) -> bool:
    """Whether it is to be judged as an API key; a JWT never starts like this."""
    return credential.startswith("sk_")


def is_key_text(text: str) -> bool:
    return _KEY_TEXT.fullmatch(text) is not None


def key_hash(text: str) -> bytes:
    """What a key is stored and looked up by.

    One unkeyed SHA-256 is enough: slowness protects guessable secrets, and nobody guesses
    256 random bits. Nor need the comparison take constant time: an index lookup by hash
    leaks at most where a hash is not, and hashes near it lead to no key.
    """
    return hashlib.sha256(text.encode()).digest()
