"""The vocabulary of a script: how a payment is opened, what comes of it, what is told of it."""

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, StrEnum, auto
from typing import TypeAlias

from payops.sandbox.replying import AT_ONCE, Lookup, Reply, Signature


class Status(StrEnum):
    """The provider's words for how far a payment is."""

    WAITING = "waiting"
    CONFIRMING = "confirming"
    CONFIRMED = "confirmed"
    SENDING = "sending"
    PARTIALLY_PAID = "partially_paid"
    FINISHED = "finished"
    FAILED = "failed"
    REFUNDED = "refunded"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    WRONG_ASSET = "wrong_asset_confirmed"


class Spelling(Enum):
    """How a notification writes the payment's id; the signature covers the number only."""

    DIGITS = auto()
    FRACTION = auto()  # 4914760150.0
    EXPONENT = auto()  # 4.91476015e9


@dataclass(frozen=True, slots=True)
class Pay:
    """Money arrives: ``share`` of what was asked for, perhaps its worth in another coin."""

    share: Decimal = Decimal(1)
    in_another_coin: bool = False


@dataclass(frozen=True, slots=True)
class Reach:
    """After a step's time the payment has another status, and the merchant is told so."""

    status: str
    is_told: bool = True


@dataclass(frozen=True, slots=True)
class Tell:
    """One notification of the payment as it is; ``says`` is a status in place of the true one."""

    says: str | None = None
    copies: int = 1  #: sent at the same time
    signature: Signature = Signature.GENUINE
    spelling: Spelling = Spelling.DIGITS
    has_fee: bool = True
    is_repeated: bool = True  #: sent again when it is not answered with 2xx


@dataclass(frozen=True, slots=True)
class Repeat:
    """A second deposit to the same address: a payment of its own, a child of the first."""

    share: Decimal
    ends: str = Status.PARTIALLY_PAID
    is_known: bool = True  #: whether GET answers for it


class Misstatement(Enum):
    """What the provider says wrongly from now on, in notifications and to GET alike."""

    ADDRESS = auto()  # another one than it gave
    ORDER = auto()  # somebody else's order id
    PRICE = auto()  # ten times the price
    CURRENCY = auto()  # as much of another currency
    MEMO = auto()  # another one than it gave
    COIN = auto()  # the coin that arrived in place of the one asked for
    AMOUNT = auto()  # twice what arrived, from the second GET on that shows it settled


@dataclass(frozen=True, slots=True)
class Misstate:
    """From here on something is stated wrongly."""

    what: Misstatement


Step: TypeAlias = Pay | Reach | Tell | Repeat | Misstate


@dataclass(frozen=True, slots=True)
class Script:
    """All that happens to one payment; ``lookups`` are for the first, second, ... GET."""

    name: str
    description: str
    steps: tuple[Step, ...] = ()
    reply: Reply = AT_ONCE
    lookups: tuple[Lookup, ...] = (Lookup.TRUTH,)
    gives_bad_address: bool = False
    quote_ends_at_once: bool = False

    @property
    def arrivals(self) -> str:
        """What arrives, in shares of what was asked for."""
        steps = self.steps if self.reply.booked else ()
        shares = [_share(step) for step in steps if isinstance(step, Pay | Repeat)]
        return " + ".join(shares) or "nothing"


def _share(step: Pay | Repeat) -> str:
    percent = f"{(100 * step.share).normalize():f} %"
    return (
        f"{percent} in another coin" if isinstance(step, Pay) and step.in_another_coin else percent
    )
