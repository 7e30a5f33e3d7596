"""Why a request looks wrong, and when it may look right again."""

from payops.kernel import errors


class VelocityLimitExceeded(errors.TooMany):
    code = "velocity_limit_exceeded"
    title = "A limit on how much may be done in a while is reached"
