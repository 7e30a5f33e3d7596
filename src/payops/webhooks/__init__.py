"""The inbox: keep a provider's notification first, then let it have its effect once."""
