"""HashiCorp Vault as the place that keeps the keys: KV version 2, by token or AppRole."""
