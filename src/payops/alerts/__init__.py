"""What operations people must know: raised once, counted while it lasts, told, resolved."""
