"""The deposits' SQL. It takes a transaction and never commits."""
