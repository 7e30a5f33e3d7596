"""``python -m payops`` is ``payops``."""

from payops.cli import main

main()
