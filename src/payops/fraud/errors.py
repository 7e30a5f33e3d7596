"""Why a request looks wrong, and when it may look right again."""

from collections.abc import Mapping

from payops.kernel import errors


class VelocityLimitExceeded(errors.TooMany):
    code = "velocity_limit_exceeded"
    title = "A limit on how much may be done in a while is reached"


class UnusualActivity(errors.TooMany):
    """The device or the network is not known of this user. Confirming makes it known."""

    code = "unusual_activity"
    title = "The request comes from a device or network that is not known yet"

    def __init__(
        self,
        detail: str = "",
        *,
        verification_id: str = "",
        dev_code: str | None = None,
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(detail, retry_after_seconds=retry_after_seconds)
        self.verification_id = verification_id
        shown = {"verificationId": verification_id, "devCode": dev_code}
        self.extensions: Mapping[str, str] = {name: value for name, value in shown.items() if value}


class UserBlocked(errors.Forbidden):
    code = "user_blocked"
    title = "This user is blocked"


class BlockedForLonger(errors.Conflict):
    """A block that ends sooner would lift the one that stands."""

    code = "blocked_for_longer"
    title = "The user is blocked for longer already; ask to lift that block instead"


class UserNotBlocked(errors.Conflict):
    code = "user_not_blocked"
    title = "This user is not blocked"


class DeviceNotFound(errors.NotFound):
    code = "device_not_found"
    title = "There is no such device"


class VerificationNotFound(errors.NotFound):
    code = "device_verification_not_found"
    title = "There is no such verification"


class VerificationClosed(errors.Conflict):
    """Used, expired or tried too often. The request that needs one makes a new one."""

    code = "device_verification_closed"
    title = "The verification can no longer be confirmed"


class WrongCode(errors.Refused):
    code = "device_code_wrong"
    title = "The code is not the one that was sent"


class RuleNotFound(errors.NotFound):
    code = "velocity_rule_not_found"
    title = "There is no such velocity rule"


class RuleExists(errors.Conflict):
    code = "velocity_rule_exists"
    title = "There is a velocity rule of this name already"


class RuleInvalid(errors.Invalid):
    code = "velocity_rule_invalid"
    title = "No velocity rule can be like this"


class RuleChanged(errors.Conflict):
    """Somebody else's change came first: look at the rule as it is now."""

    code = "velocity_rule_changed"
    title = "The rule has been changed meanwhile"


class ChangeNotFound(errors.NotFound):
    code = "velocity_change_not_found"
    title = "There is no such change of a velocity rule"


class ChangeDecided(errors.Conflict):
    code = "velocity_change_decided"
    title = "The change has been decided already"


class ChangePending(errors.Conflict):
    """One change of a rule waits at a time, so that what is approved is what was seen."""

    code = "velocity_change_pending"
    title = "Another change of this rule waits for approval"
