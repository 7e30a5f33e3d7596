"""Fixtures of the operations' own use cases."""

from tests.support.shop import open_shop, shop
from tests.support.till import open_tills, till

__all__ = ["open_shop", "open_tills", "shop", "till"]
