"""The HTTP edge: reading requests strictly, answering errors uniformly, one middleware."""
