"""SQL of personal data: the log of who read it, and the sealed columns of all slices."""
