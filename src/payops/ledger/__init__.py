"""Who owns what, and why: wallets, journals, signed entries. Only here do balances move."""
