"""The same key gives the same effect and the same answer, whatever failed in between."""
