"""BTCPay Server, our own node for coins: its Greenfield API, its answers, its notifications."""
