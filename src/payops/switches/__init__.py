"""Halting and resuming a flow or a provider, for every replica at once."""
