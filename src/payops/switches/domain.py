"""What a switch is. Everything is on until somebody, or a rule, halts it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

WITHDRAWALS: Final = "withdrawals"
DEPOSITS: Final = "deposits"


@dataclass(frozen=True, slots=True)
class Switch:
    """``changed_by`` and ``changed_at`` are ``None`` while nobody has ever touched it."""

    name: str
    is_halted: bool = False
    reason: str = ""
    changed_by: str | None = None
    changed_at: datetime | None = None
