"""``python -m helpers``: the same as the command ``medgemma-tutorials``."""

import sys

from helpers.cli import main

if __name__ == "__main__":
    sys.exit(main())
