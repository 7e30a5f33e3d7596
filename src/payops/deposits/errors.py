"""Why an invoice is refused, and why a provider could not make one."""

from payops.kernel import errors


class InvoiceNotFound(errors.NotFound):
    code = "invoice_not_found"
    title = "There is no such invoice"


class NothingToResolve(errors.Conflict):
    code = "nothing_to_resolve"
    title = "There is nothing of this invoice for people to decide"


class UnknownProvider(errors.Refused):
    code = "unknown_provider"
    title = "There is no such provider of crypto deposits, or it is not configured"


class UnsupportedCurrency(errors.Refused):
    code = "unsupported_currency"
    title = "This coin cannot be paid with"


class AmountBelowMinimum(errors.Refused):
    code = "amount_below_minimum"
    title = "The amount is below what the provider accepts for this coin"


class AmountAboveMaximum(errors.Refused):
    code = "amount_above_maximum"
    title = "The amount is above the limit for one invoice"


class DepositsHalted(errors.Unavailable):
    code = "deposits_halted"
    title = "Deposits are halted for now"


class RateUnavailable(errors.Unavailable):
    code = "rate_unavailable"
    title = "No current exchange rate for this currency is recorded"


class ProviderUnavailable(errors.Unavailable):
    code = "provider_unavailable"
    title = "The payment provider cannot be reached for now"


class ProviderFailed(errors.BadUpstream):
    code = "provider_failed"
    title = "The payment provider's answer could not be used"
