"""What can be wrong with a break."""

from payops.kernel import errors


class BreakNotFound(errors.NotFound):
    code = "break_not_found"
    title = "There is no such break, or it is closed"
