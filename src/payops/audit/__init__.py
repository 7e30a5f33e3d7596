"""What was done, by whom and when: append-only, chained by hash, verifiable."""
