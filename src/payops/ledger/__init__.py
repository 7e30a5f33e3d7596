"""Who owns what, and why: wallets, journals, signed entries. The only place that moves a balance."""
