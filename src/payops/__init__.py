"""The money service of the BETRIX wallet platform: ledger, payouts, deposits, reconciliation."""
