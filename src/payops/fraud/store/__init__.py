"""SQL of the fraud controls; takes a transaction, never commits."""
