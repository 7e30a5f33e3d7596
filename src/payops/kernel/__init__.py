"""Words every slice shares: money, ids, time, errors, backoff. Standard library only."""
