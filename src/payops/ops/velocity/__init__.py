"""Velocity rules for operations: how they do, changing them, trying them on the past."""
