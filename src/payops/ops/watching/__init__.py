"""Rules over figures: what is looked at every minute, and from where on a person must know."""
