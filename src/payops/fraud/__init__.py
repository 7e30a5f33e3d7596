"""What may look wrong about a request: too much in a while, a strange device, a blocked user."""
