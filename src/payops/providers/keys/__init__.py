"""Where the keys of personal data are kept, and which of these places a process asks."""
