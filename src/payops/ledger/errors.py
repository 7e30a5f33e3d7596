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


class NotReversible(errors.Conflict):
    """Its money comes back another way, or not at all: a hold is released, a payout refunded."""

    code = "journal_not_reversible"
    title = "A movement of this kind is not undone by its opposite"


class JournalNotFound(errors.NotFound):
    code = "journal_not_found"
    title = "There is no such journal"
