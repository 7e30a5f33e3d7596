"""Why a notification is not taken, or not replayed."""

from payops.kernel import errors


class UnknownSource(errors.NotFound):
    code = "unknown_webhook_source"
    title = "No provider sends notifications here"


class DeliveryNotFound(errors.NotFound):
    code = "webhook_not_found"
    title = "There is no such notification"


class NotKept(errors.Unavailable):
    code = "webhook_not_kept"
    title = "The notification could not be kept in time; send it again"


class NotReplayable(errors.Conflict):
    code = "webhook_not_replayable"
    title = "The notification cannot have an effect any more"
