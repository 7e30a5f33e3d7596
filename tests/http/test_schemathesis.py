"""The API keeps to its own OpenAPI document."""
