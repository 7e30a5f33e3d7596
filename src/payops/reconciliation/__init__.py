"""Comparing us with the providers: ask about everything that is not settled."""
