"""Tills for the tests of deposits."""

from tests.support.till import open_tills, till

__all__ = ["open_tills", "till"]
