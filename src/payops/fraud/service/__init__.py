"""Use cases of the fraud controls."""
