"""``python -m tlml`` is the ``tlml`` command."""

import sys

from tlml.cli import main

if __name__ == "__main__":
    sys.exit(main())
