"""Why the ledger refuses."""

from payops.kernel import errors


class InsufficientFunds(errors.Refused):
    code = "insufficient_funds"
    title = "The available balance does not cover the amount"


class ReferenceReused(errors.Conflict):
    """The reference names another amount or the other direction."""

    code = "reference_reused"
    title = "The reference was used for another movement"


class AlreadyPosted(errors.Conflict):
    """The journal, or another one that closes the same journal, exists already."""

    code = "already_posted"
    title = "The movement was recorded before"


class JournalNotFound(errors.NotFound):
    code = "journal_not_found"
    title = "There is no such journal"
