"""Rules, what they find, devices, blocks and decisions as values. Pure; the caller brings facts."""
