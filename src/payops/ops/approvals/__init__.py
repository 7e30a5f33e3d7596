"""What needs two people: asking for it, deciding on it, and doing it."""
