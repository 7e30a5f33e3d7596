"""The vocabulary of a script: how a payout is answered, how it ends, and what is told about it."""

from dataclasses import dataclass
from enum import Enum, StrEnum, auto


class Outcome(Enum):
    """How a booked payout ends in truth, whatever the callbacks say."""

    PAID = auto()
    FAILED = auto()
    NEVER = auto()  # it stays pending until somebody ends it by hand


class Shape(Enum):
    """What the reply to a POST looks like."""

    PAYOUT = auto()  # 2xx with the payout
    NOTHING = auto()  # the connection is closed
    REFUSAL = auto()  # the error envelope
    HTML = auto()  # 200 with a page that no program can read
    UNSUCCESSFUL = auto()  # 2xx with success false
    WITHOUT_ID = auto()  # 2xx with a payout that has no id


class Pace(Enum):
    """How long the reply takes."""

    USUAL = auto()
    SLOW = auto()
    HANGING = auto()  # longer than any client waits


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error envelope and its HTTP status."""

    status: int
    code: str
    message: str
    retry_after_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """How one POST of a payout is answered, and whether the payout is booked by then."""

    shape: Shape = Shape.PAYOUT
    booked: bool = True
    refusal: Refusal | None = None
    says: str | None = None  #: a status other than the true one
    pace: Pace = Pace.USUAL
    after_callbacks: bool = False  #: the callbacks come first


class Form(Enum):
    """The shape of a callback's body."""

    PLAIN = auto()  # transactionId, userId, amountKES, status
    NESTED = auto()  # event, data {...}
    FLAT = auto()  # event, transaction_id, phone, amount


class Signature(Enum):
    """How a callback is signed."""

    HEX = auto()
    PREFIXED = auto()  # sha256=...
    UPPER_CASE = auto()
    WRONG = auto()
    WRONG_AT_FIRST = auto()  # right when it is sent again
    MISSING = auto()


class Naming(Enum):
    """Which id a callback bears."""

    MERCHANT = auto()  # the merchant's transaction id, or the rail's when there is none
    RAIL = auto()
    UNKNOWN = auto()  # one that nobody ever gave out


@dataclass(frozen=True, slots=True)
class Callback:
    """One callback. Without ``says`` it tells the truth."""

    says: str | None = None
    form: Form = Form.PLAIN
    event: str | None = None  #: of the nested and flat forms; else ``transaction.<status>``
    copies: int = 1  #: sent at the same time
    signature: Signature = Signature.HEX
    naming: Naming = Naming.MERCHANT
    amount_off_by_kes: int = 0
    user_id: str | None = None  #: in place of the right one
    repeated: bool = True  #: sent again when it is not answered with 200


class Lookup(StrEnum):
    """What GET by id answers."""

    TRUTH = "truth"
    COMPLETED = "completed"  # the truth, but "success" is spelled "completed"
    ERROR = "error"  # HTTP 500
    UNKNOWN = "unknown"  # HTTP 404


@dataclass(frozen=True, slots=True)
class Script:
    """All that happens to one payout.

    ``replies`` are for the first, second, ... POST of a transaction id and ``lookups`` for the
    first, second, ... GET; the last of each stands for all that follow.
    """

    name: str
    description: str
    replies: tuple[Reply, ...] = (Reply(),)
    outcome: Outcome = Outcome.PAID
    callbacks: tuple[Callback, ...] = (Callback(),)
    lookups: tuple[Lookup, ...] = (Lookup.TRUTH,)
    failure: str = "The recipient's wallet cannot receive this amount"

    @property
    def may_be_received(self) -> bool:
        """Whether the phone ends up with the money, once the merchant has tried often enough."""
        return self.outcome is Outcome.PAID and any(reply.booked for reply in self.replies)

    def reply(self, attempt: int) -> Reply:
        """For POST number ``attempt``, counted from zero."""
        return self.replies[min(attempt, len(self.replies) - 1)]

    def lookup(self, attempt: int) -> Lookup:
        """For GET number ``attempt``, counted from zero."""
        return self.lookups[min(attempt, len(self.lookups) - 1)]
