"""What the inbox needs of a source of notifications, and of whoever they concern."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from payops.infra.db import Tx


class Unreadable(Exception):
    """Signed, but not a notification we can read. Its text holds nothing of the body."""


class WebhookSource(Protocol):
    """One provider's way to sign and to write notifications."""

    name: str

    def is_authentic(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether the signature fits; header names are lower case. Constant time."""

    def read(self, path_reference: str | None, body: bytes) -> Any:
        """The notification as the report type of the slice that handles it.

        Raises:
            Unreadable: no JSON object, or none of the known forms.
        """


class Effect(StrEnum):
    APPLIED = "applied"  # it moved something, or rightly changed nothing
    UNKNOWN = "unknown"  # about something we do not know (yet)
    PARKED = "parked"  # contradicts what we know: a person must look


@dataclass(frozen=True, slots=True)
class Handled:
    effect: Effect
    reason: str = ""  # for PARKED and UNKNOWN; no personal data
    user_id: str | None = None  # whom it concerned
    subject: str | None = None  # shown id of the withdrawal or invoice


class Handler(Protocol):
    """Applies a batch of reports in the caller's transaction, one result each, in order."""

    async def __call__(self, tx: "Tx", reports: Sequence[Any]) -> list[Handled]: ...
