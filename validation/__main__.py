"""``python -m validation published``: every published number that is reproduced, beside ours."""

from __future__ import annotations

import sys

from validation.published.command import main

if __name__ == "__main__":
    if sys.argv[1:2] != ["published"]:
        sys.exit("python -m validation published [--help]")
    sys.exit(main(sys.argv[2:]))
