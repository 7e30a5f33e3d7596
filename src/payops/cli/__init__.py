"""The command line: the same use cases as the API, for people and for scripts.

Exit codes: 0 fine, 1 a check found something, 2 usage, 3 could not run, 130 interrupted. With
``--json`` exactly one JSON document goes to standard output; logs go to standard error.
"""

from payops.cli.main import main

__all__ = ["main"]
