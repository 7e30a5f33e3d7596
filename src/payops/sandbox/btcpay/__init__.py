"""An imitation of a BTCPay Server's store: invoices over HTTP, signed events, a book."""
