"""Why something is not approved, rejected or asked for."""

from collections.abc import Mapping

from payops.kernel import errors


class ApprovalNotFound(errors.NotFound):
    code = "approval_not_found"
    title = "There is no such approval"


class ApprovalDecided(errors.Conflict):
    code = "approval_decided"
    title = "The approval was decided already"


class ApprovalExpired(errors.Conflict):
    code = "approval_expired"
    title = "The approval waited for too long; ask for it again"


class ApprovalPending(errors.Conflict):
    """Something else is asked for the same thing; ``extensions`` names it."""

    code = "approval_pending"
    title = "Another act on the same thing waits for approval"

    def __init__(self, approval_id: str | None = None) -> None:
        super().__init__()
        self.extensions: Mapping[str, str] = {"approvalId": approval_id} if approval_id else {}


class Overtaken(errors.Conflict):
    """What was asked about is not what it was, and the approval is closed as overtaken.

    An act raises it, before or after it has changed anything: all of that is undone.
    """

    code = "approval_overtaken"
    title = "What was asked for is no longer possible"
