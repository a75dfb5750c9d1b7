"""`python -m roeh` is `roeh`."""

import sys

from roeh.cli import main

if __name__ == "__main__":
    sys.exit(main())
