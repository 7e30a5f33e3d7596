"""Who asks, and what they may: end-user tokens, API keys, scopes."""
