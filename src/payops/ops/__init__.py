"""For the people who keep it running: what may start, what they can see and do."""
