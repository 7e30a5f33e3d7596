"""Personal data as values: where it lives, why it is read, how it is shown.

A phone number has one canonical form and is masked wherever it could be seen. Source for
its rules: Communications Authority of Kenya numbering plan as carried by
libphonenumber, with the guards that its permissive parser needs (docs/providers/lipana.md).
"""

import ipaddress
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

import phonenumbers

from payops.pii.errors import InvalidPhoneNumber

_COUNTRY_CODE = 254
_ALLOWED = re.compile(r"[0-9+() -]{9,24}", re.ASCII)
_CANONICAL = re.compile(r"254[17][0-9]{8}", re.ASCII)


@dataclass(frozen=True, slots=True, repr=False)
class Msisdn:
    """A Kenyan mobile number: ``254`` and nine digits. Its ``repr`` and ``str`` are masked."""

    digits: str

    def __post_init__(self) -> None:
        if not _CANONICAL.fullmatch(self.digits):
            raise InvalidPhoneNumber

    @property
    def masked(self) -> str:
        """``+2547••••4149``: enough to recognise one's own number, not to call it."""
        return f"+{self.digits[:4]}••••{self.digits[-4:]}"

    def __repr__(self) -> str:
        return f"Msisdn({self.masked})"

    def __str__(self) -> str:
        return self.masked


def parse_msisdn(text: str) -> Msisdn:
    """Read a number however Kenyans write it: ``0712…``, ``712…``, ``+254 (0)712-…``, ``00254…``.

    Letters and extensions are refused before the library sees them, because it would turn
    letters into digits and drop extensions. Valid means valid and mobile: which network
    serves it, and whether it has a wallet, only the rail can say.

    Raises:
        InvalidPhoneNumber: anything else.
    """
    if not _ALLOWED.fullmatch(text):
        raise InvalidPhoneNumber
    compact = re.sub(r"[() -]", "", text)
    if compact.startswith("00254"):
        compact = f"+{compact[2:]}"
    try:
        number = phonenumbers.parse(compact, "KE")
    except phonenumbers.NumberParseException:
        raise InvalidPhoneNumber from None
    if (
        number.country_code != _COUNTRY_CODE
        or number.extension
        or not phonenumbers.is_valid_number(number)
        or phonenumbers.number_type(number) != phonenumbers.PhoneNumberType.MOBILE
    ):
        raise InvalidPhoneNumber
    return Msisdn(f"{_COUNTRY_CODE}{number.national_number}")


class Purpose(StrEnum):
    """Why personal data is read: a closed list, checked by the database as well."""

    PAYOUT_SEND = "payout_send"
    PAYOUT_STATUS = "payout_status"
    WEBHOOK_PROCESSING = "webhook_processing"
    RECONCILIATION = "reconciliation"
    CUSTOMER_SUPPORT = "customer_support"
    INVESTIGATION = "investigation"
    LEGAL_REQUEST = "legal_request"
    KEY_ROTATION = "key_rotation"
    DEVICE_VERIFICATION = "device_verification"


# What a person may name. The others are the service's own, which work through rows by rule;
# a person's reads are counted against a quota.
BY_PEOPLE: Final = frozenset(
    {Purpose.CUSTOMER_SUPPORT, Purpose.INVESTIGATION, Purpose.LEGAL_REQUEST}
)

HOUSE: Final = "@house"  # the user id of what belongs to no user
ERASED: Final = "erased"  # what is shown where a phone number was


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value lives; it opens nowhere else."""

    table: str
    column: str
    user_id: str
    row_id: UUID

    @property
    def field(self) -> str:
        return f"{self.table}.{self.column}"


@dataclass(frozen=True, slots=True)
class Access:
    """Who reads personal data and why, as it is recorded.

    ``actor`` is ``user:…``, ``key:…`` or ``system:dispatcher``; ``subject`` the shown id of
    what it is read for; ``origin`` where from: the network of a client or the name of a job;
    ``reason`` a person's own words.
    """

    actor: str
    purpose: Purpose
    subject: str
    request_id: str | None = None
    origin: str = ""
    reason: str | None = None


def prefix_of(address: str) -> str:
    """The network of a client as it is recorded: IPv4 /24, IPv6 /48; "" for what is neither.

    Enough to see that a read came from somewhere else than the office, and no more.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    return str(ipaddress.ip_network((parsed, 24 if parsed.version == 4 else 48), strict=False))


@dataclass(frozen=True, slots=True)
class Opening:
    """Values opened by one statement for one actor and purpose; evidence of the rows of it.

    ``digest`` is over every column of the ``count`` rows of the access log.
    """

    id: UUID
    actor: str
    purpose: Purpose
    request_id: str | None
    subject: str | None
    user_id: str
    count: int
    digest: str


@dataclass(frozen=True, slots=True)
class Quota:
    """How many values one principal may open for one purpose of people's; 0 is off."""

    per_hour: int = 0
    per_day: int = 0


_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)


def _require_identifiers(*names: str | None) -> None:
    if any(name is not None and not _IDENTIFIER.fullmatch(name) for name in names):
        raise ValueError("not the name of a table or column")


@dataclass(frozen=True, slots=True)
class IndexCopy:
    """Where else the blind index of a row stands; ``beside`` is unique together with it."""

    table: str
    id_column: str
    index_column: str
    beside: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _require_identifiers(self.table, self.id_column, self.index_column, *self.beside)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedColumn:
    """A column of sealed values, so that rotation finds it: its slice declares it.

    The names are constants of ours and become part of SQL. Without a ``user_column`` the
    values are bound to the house. ``index_column`` holds the blind index of the same value.
    """

    table: str
    column: str
    id_column: str = "id"
    user_column: str | None = "user_id"
    index_column: str | None = None
    copies: tuple[IndexCopy, ...] = ()

    def __post_init__(self) -> None:
        _require_identifiers(self.table, self.column, self.id_column)
        _require_identifiers(self.user_column, self.index_column)

    @property
    def field(self) -> str:
        return f"{self.table}.{self.column}"

    def place(self, user_id: str, row_id: UUID) -> Place:
        return Place(self.table, self.column, user_id, row_id)


@dataclass(frozen=True, slots=True)
class KeyMaterial:
    """Keys as they are written down, wherever that is. Nothing of it is shown by ``repr``."""

    keys: str = field(repr=False)
    index_key: str = field(repr=False)
    index_key_previous: str | None = field(default=None, repr=False)
    fingerprint_key: str | None = field(default=None, repr=False)
    source: str = ""  #: "" is the environment

    def name_of(self, key: str) -> str:
        """How to call one of the keys in an error: ``PAYOPS_PII__KEYS``, ``keys in Vault``."""
        return f"{key} in {self.source}" if self.source else f"PAYOPS_PII__{key.upper()}"

    @classmethod
    def read(cls, values: Mapping[str, object], source: str) -> "KeyMaterial":
        """The material among ``values``: texts under the names of the fields.

        Raises:
            ValueError: one is missing or no text; it is named and nothing of it is shown.
        """
        found: dict[str, str] = {}
        for name in ("keys", "index_key", "index_key_previous", "fingerprint_key"):
            value = values.get(name)
            if isinstance(value, str) and value.strip():
                found[name] = value.strip()
            elif value not in (None, ""):
                raise ValueError(f"{name} in {source} is not a text")
        missing = [name for name in ("keys", "index_key") if name not in found]
        if missing:
            raise ValueError(f"{' and '.join(missing)} missing in {source}")
        return cls(**found, source=source)


@dataclass(frozen=True, slots=True)
class Holding:
    """What a slice keeps of one user in one class: what may go now, and what must stay."""

    erasable: int = 0
    kept: int = 0
    kept_until: datetime | None = None  #: when the last of what must stay may go


@dataclass(frozen=True, slots=True)
class SealedPhone:
    """What is stored of a phone number: unreadable, findable, and showable."""

    sealed: bytes
    index: bytes
    masked: str


MASK: Final = "•••"
SHOWN_LENGTH_MAX: Final = 200

_INPUT_LENGTH_MAX = 2_000
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)?")
# Separators do not hide a number: whatever is neither letter nor digit may stand between.
_LONG_NUMBER = re.compile(r"[+(]*\d(?:[\W_]*\d){4,}")
_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
_PART = re.compile(r"[^\W_]+")
_UNSHOWABLE = re.compile(r"[^\w\s.,:;!?()/%&+'•-]|_")
_MASK_RUN = re.compile(r"•+(?:[^\w•]*•+)*")


def scrub(text: str, limit: int = SHOWN_LENGTH_MAX) -> str:
    """A provider's words, made fit to be shown: at most ``limit`` characters, one line.

    Only words of ``_VOCABULARY`` and numbers of up to four digits stay; everything else
    becomes ``•••``. So a name, an address or a phone number cannot pass, in whatever
    language or spelling, because none of them is in the list. A cut ends in ``•••`` too.
    """
    plain = unicodedata.normalize("NFKC", text[:_INPUT_LENGTH_MAX]).replace("\u2019", "'")
    plain = _LONG_NUMBER.sub(MASK, _ESCAPE.sub(" ", plain))
    shown = _WORD.sub(lambda word: _shown(word[0]), _UNSHOWABLE.sub(" ", plain))
    shown = _MASK_RUN.sub(MASK, " ".join(shown.split()))
    if len(shown) <= limit:
        return shown
    whole_words = shown[: limit - len(MASK)].rpartition(" ")[0]
    return _MASK_RUN.sub(MASK, f"{whole_words} {MASK}").strip()


def _shown(word: str) -> str:
    if word.lower() in _VOCABULARY:
        return word
    return _PART.sub(lambda part: part[0] if _is_harmless(part[0]) else MASK, word)


def _is_harmless(part: str) -> bool:
    return part.lower() in _VOCABULARY or (part.isascii() and part.isdecimal() and len(part) < 5)


# The English of failed payments. Nothing that is also a name may be added: no "will", "may",
# "mark", "grace", "bill", "max" (tests hold a list against it).
_WORDS = """
    a able above accept accepted access account accounts active after again allowed already
    amount amounts an and another any api are as at attempt attempts authorised authorization
    authorized available b2b b2c balance be because been before being below beneficiary between
    blocked business busy but by c2b cached callback can can't cancelled cannot cent cents
    channel check closed code command complete completed completing confirm confirmation connect
    connected connection contact could couldn't credential credentials credit credited currency
    currently customer customer's daily daraja deactivated debit debited declined delayed denied
    destination details did didn't different disabled does doesn't dormant down due duplicate
    duplicated during each eligible empty enough error errors exceed exceeded exceeds exist
    existing exists expired external failed failing fails failure fault fee fees few float for
    format found from frozen full funds gateway general had has have higher hour hourly hours
    identifier if inactive incorrect ineligible initiate initiated initiator input insufficient
    internal invalid is issue it its kes ksh kshs later less limit limited limits line lipana
    locked lower m-pesa maintenance match maximum merchant message method minimum minute minutes
    missing mobile money month monthly more mpesa msisdn must need needs network no not number
    numbers of offline on once one only operation operator or order organisation organization
    other our out outside over own parameter parameters parse partner party password pay payment
    payments payout payouts pending per permission permissions permitted person phone pin
    platform please possible previous problem processed processing processor provided provider
    queue queued range rate reached reason receive received receiver recipient recipient's
    recipients reference refused registered reject rejected request requested requests required
    response restricted result retry reversal reversed rule safaricom same second seconds
    security send sender sending sent server service services session shilling shillings
    shortcode since sms some status still stopped subscriber subscription success successful
    successfully support supported suspended system temporarily temporary than that the their
    then there this threshold time timed timed-out timeout timeouts times to today tomorrow too
    top-up traffic transaction transactions transfer transfers try trying twice unable
    unauthorised unauthorized unavailable under unexpected unknown unreachable unregistered
    unsuccessful unsupported until up updated upstream use used user utility validate validation
    value wait wallet was week weekly were when which while with withdraw withdrawal withdrawals
    within without working wrong yet you your zero
"""
_VOCABULARY: Final = frozenset(_WORDS.split())
