"""The operations checklists: every line is something that is done, with proof."""
