"""The withdrawals' SQL: set-based writes for the money path, plain reads for the rest."""
