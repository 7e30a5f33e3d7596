"""The fixtures of the shop."""

from tests.support.shop import open_shop, shop

__all__ = ["open_shop", "shop"]
