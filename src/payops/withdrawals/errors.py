"""Why a withdrawal is refused, and what must never happen to one."""

from payops.kernel import errors


class IllegalTransition(Exception):
    """What was reported cannot follow from the state it would change."""

    def __init__(self, state: str, event: str) -> None:
        super().__init__(f"{event} is not possible from {state}")
        self.state = state
        self.event = event


class WithdrawalNotFound(errors.NotFound):
    code = "withdrawal_not_found"
    title = "There is no such withdrawal"


class WithdrawalsHalted(errors.Unavailable):
    code = "withdrawals_halted"
    title = "Withdrawals are halted for now"


class NotHalted(errors.Conflict):
    code = "withdrawals_not_halted"
    title = "This is possible only while withdrawals are halted"


class AmountOutOfRange(errors.Refused):
    code = "amount_out_of_range"
    title = "The amount is outside the limits for one withdrawal"


class NothingToRetry(errors.Conflict):
    code = "nothing_to_retry"
    title = "There is nothing to send or to ask again at the moment"


class NotResolvable(errors.Conflict):
    code = "not_resolvable"
    title = "There is nothing about the withdrawal for people to decide"


class NotRefundable(errors.Conflict):
    code = "not_refundable"
    title = "Only a completed withdrawal can be given back, and only once"


class NotWritableOff(errors.Conflict):
    code = "not_writable_off"
    title = "Only a withdrawal that was given back as not paid can be written off, and only once"


class ReceiptTaken(errors.Conflict):
    code = "receipt_taken"
    title = "The receipt belongs to another payout"


class NotCancellable(errors.Conflict):
    code = "not_cancellable"
    title = "The withdrawal can no longer be cancelled"
