"""What payops does per second on this machine, and what a request costs.

Every measurement runs beside its yardstick, in interleaved rounds on one durable database
server of its own: the rate of a shared machine means little, a ratio means something.
"""
