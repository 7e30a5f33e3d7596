"""Crypto deposits: an invoice, what arrives for it on chain, and the credit it becomes."""
