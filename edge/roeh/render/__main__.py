"""`python -I -m roeh.render`: started by bundle/rendering.py, never by hand."""

import os

from roeh.render.main import main

if __name__ == "__main__":
    # No tidying up: it would ask for what it may not.
    os._exit(main())
