"""What can be wrong with the machine rather than with the program."""


class PostgresUnavailable(RuntimeError):
    """No server can be had here; the text says what a person can do about it."""
