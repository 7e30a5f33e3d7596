"""What can be wrong with personal data, said without repeating it."""

from payops.kernel import errors


class InvalidPhoneNumber(errors.Refused):
    code = "invalid_phone_number"
    title = "The phone number is not a Kenyan mobile number"


class SealingKeyMissing(errors.Unavailable):
    """A value was sealed under a key that is not in the ring; the text names its id."""

    code = "sealing_key_missing"
    title = "A sealing key is missing"


class SealBroken(Exception):
    """A sealed value was altered, moved to another place, or sealed under another key."""


class KeysUnavailable(errors.Unavailable):
    """The place that keeps the keys did not give them; the text says which place and why."""

    code = "keys_unavailable"
    title = "The keys cannot be fetched"


class QuotaReached(errors.TooMany):
    """One principal has opened as much personal data for one purpose as it may for now."""

    code = "personal_data_quota_reached"
    title = "Too much personal data was opened for this purpose"


class Erased(errors.Conflict):
    code = "personal_data_erased"
    title = "The personal data was erased"


class ErasureRefused(errors.Conflict):
    code = "erasure_refused"
    title = "Personal data is still needed"
