"""BETRIX's own side: its back end, which is sent signed events, and its users, who get mail."""
