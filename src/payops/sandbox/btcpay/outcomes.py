"""The vocabulary of a script: what happens to an invoice, and how the store is told."""

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, StrEnum, auto
from typing import TypeAlias

from payops.sandbox.replying import AT_ONCE, Lookup, Reply, Signature


class Status(StrEnum):
    """The server's word for an invoice."""

    NEW = "New"
    PROCESSING = "Processing"
    SETTLED = "Settled"
    EXPIRED = "Expired"
    INVALID = "Invalid"


class Addition(StrEnum):
    """What the server has to add to it."""

    NONE = "None"
    PARTIAL = "PaidPartial"
    OVER = "PaidOver"
    LATE = "PaidLate"
    MARKED = "Marked"


class Event(StrEnum):
    """What the webhook tells of."""

    CREATED = "InvoiceCreated"
    RECEIVED_PAYMENT = "InvoiceReceivedPayment"
    PAYMENT_SETTLED = "InvoicePaymentSettled"
    PROCESSING = "InvoiceProcessing"
    SETTLED = "InvoiceSettled"
    EXPIRED = "InvoiceExpired"
    INVALID = "InvoiceInvalid"


@dataclass(frozen=True, slots=True)
class Pay:
    """After a step's time ``share`` of the price is seen on the network."""

    share: Decimal = Decimal(1)


class Turn(Enum):
    """After a step's time the invoice takes a turn."""

    CONFIRM = auto()  # every payment has its confirmations
    EXPIRE = auto()  # its time is over
    INVALIDATE = auto()  # its payments are not confirmed in time
    REPLACE = auto()  # its payment is replaced by one with a higher fee
    MARK_SETTLED = auto()  # somebody presses a button


@dataclass(frozen=True, slots=True)
class Tell:
    """An event is told now, whether there was one or not."""

    event: Event
    signature: Signature = Signature.GENUINE
    is_repeated: bool = True  #: delivered again when it is not answered with 2xx


Step: TypeAlias = Pay | Turn | Tell


@dataclass(frozen=True, slots=True)
class Script:
    """All that happens to one invoice.

    ``lookups`` are for the first, second, ... GET of the invoice, ``method_lookups`` for those of
    its payment methods. ``copies`` of every event are delivered at once; none makes it silent.
    ``currency`` is what the price is said to be in, whatever it was asked in.
    """

    name: str
    description: str
    steps: tuple[Step, ...] = ()
    reply: Reply = AT_ONCE
    lookups: tuple[Lookup, ...] = (Lookup.TRUTH,)
    method_lookups: tuple[Lookup, ...] = (Lookup.TRUTH,)
    copies: int = 1
    currency: str | None = None

    @property
    def arrivals(self) -> str:
        """What arrives, in shares of the price."""
        steps = self.steps if self.reply.booked else ()
        shares = [step.share for step in steps if isinstance(step, Pay)]
        return " + ".join(f"{(100 * share).normalize():f} %" for share in shares) or "nothing"
