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
