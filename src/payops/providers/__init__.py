"""One package a vendor: its words on one side, the ports of the slices on the other."""
