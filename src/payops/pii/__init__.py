"""Personal data: sealed at rest, found by keyed hash only, every read recorded."""
