"""Use cases of deposits: asking for an invoice, reading payments back, crediting what arrived."""
