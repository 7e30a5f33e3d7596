"""Looking into a user, and blocking one with all that this means for open withdrawals."""
