"""An imitation of Lipana, the M-Pesa rail: payouts over HTTP, callbacks, a book of money."""
