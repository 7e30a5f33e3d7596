"""One question for whatever a person has in hand."""
