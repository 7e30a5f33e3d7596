"""M-Pesa payouts: request, send, retry, ask, settle; each shilling exactly once."""
