"""What operations people must know: raised once, counted while it lasts, then resolved."""
