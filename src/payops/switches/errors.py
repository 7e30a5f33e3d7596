"""What can be wrong with a switch."""

from payops.kernel import errors


class UnknownSwitch(errors.NotFound):
    code = "unknown_switch"
    title = "There is no such switch"
