"""How scripts have a crypto payment opened, asked about and told of, whoever the provider is."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from starlette.requests import Request
from starlette.responses import Response

from payops.sandbox.guard import wait
from payops.sandbox.hangup import HangUp
from payops.sandbox.replies import page_of_html
from payops.sandbox.settings import Settings


class Shape(Enum):
    """What the reply to a POST looks like."""

    MADE = auto()  # 2xx with what was made
    NOTHING = auto()  # the connection is closed
    REFUSAL = auto()  # the error envelope
    HTML = auto()  # 200 with a page that no program can read


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error envelope and its HTTP status."""

    status: int
    code: str
    message: str
    retry_after_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """How a POST is answered, and whether something was made by then."""

    shape: Shape = Shape.MADE
    booked: bool = True
    refusal: Refusal | None = None
    hangs: bool = False  #: longer than any client waits
    after_steps: bool = False  #: everything happens before the answer


#: What most scripts have.
AT_ONCE = Reply()


class Lookup(Enum):
    """What GET by id answers."""

    TRUTH = auto()
    ERROR = auto()  # HTTP 500
    UNKNOWN = auto()  # HTTP 404


class Signature(Enum):
    """How a notification is signed."""

    GENUINE = auto()
    WRONG = auto()
    MISSING = auto()


def nth(lookups: tuple[Lookup, ...], attempt: int) -> Lookup:
    """For GET number ``attempt``, counted from zero; the last stands for all that follow."""
    return lookups[min(attempt, len(lookups) - 1)]


async def replied(
    request: Request,
    settings: Settings,
    reply: Reply,
    *,
    made: Callable[[], Response],
    refused: Callable[[Refusal], Response],
) -> Response:
    """The answer to a POST, in its time; ``made`` is the one that carries what was made."""
    if reply.hangs:
        await wait(request, settings, settings.delays.hang_ms)
    else:
        await settings.pause(settings.delays.reply_ms)
    if reply.shape is Shape.NOTHING:
        return HangUp()
    if reply.shape is Shape.HTML:
        return page_of_html()
    return made() if reply.refusal is None else refused(reply.refusal)
