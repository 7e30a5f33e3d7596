"""An imitation of NOWPayments: payments in coins over HTTP, signed notifications, a book."""
