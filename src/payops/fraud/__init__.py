"""Limits on what a user may do in a while, decided under the lock of the wallet it would move."""
