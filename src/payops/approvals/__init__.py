"""Four eyes: what one person asks for, another allows, and the database holds them apart."""
