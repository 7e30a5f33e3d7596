"""Crypto deposits for operations: stories, figures, rates and breaks."""
