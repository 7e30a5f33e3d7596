"""What a reconciliation found."""

from dataclasses import dataclass


@dataclass(slots=True)
class Tally:
    """Counts of one run: ``{checked, completed, failed, unresolved, errors}``."""

    checked: int = 0
    completed: int = 0
    failed: int = 0
    unresolved: int = 0
    errors: int = 0

    def as_json(self) -> dict[str, int]:
        return {
            "checked": self.checked,
            "completed": self.completed,
            "failed": self.failed,
            "unresolved": self.unresolved,
            "errors": self.errors,
        }
