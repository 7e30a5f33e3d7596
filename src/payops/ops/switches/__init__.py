"""Halting and resuming, for operations."""
