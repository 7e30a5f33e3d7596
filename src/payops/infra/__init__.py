"""What every slice stands on and no slice knows: database, HTTP, logs, metrics, settings."""
