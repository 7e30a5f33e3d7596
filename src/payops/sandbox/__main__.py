"""``python -m payops.sandbox``."""

import sys

from payops.sandbox.command import main

sys.exit(main())
