"""``python -m mixcheck`` is the command ``mixcheck``."""

import sys

from mixcheck.command import main

if __name__ == "__main__":
    sys.exit(main())
