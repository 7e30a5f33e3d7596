"""What can be wrong with an idempotency key."""

from payops.kernel import errors


class KeyRequired(errors.Malformed):
    code = "idempotency_key_required"
    title = "This request needs an Idempotency-Key header"


class KeyInvalid(errors.Malformed):
    code = "idempotency_key_invalid"
    title = "The Idempotency-Key must be 1 to 255 printable ASCII characters"


class KeyReused(errors.Refused):
    code = "idempotency_key_reused"
    title = "The Idempotency-Key was used with another request"


class InProgress(errors.Conflict):
    code = "idempotency_in_progress"
    title = "A request with this Idempotency-Key is still running"
    retryable = True
