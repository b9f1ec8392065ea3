"""`python -m converter`: the command, where it is not on the PATH."""

import sys

from converter.commands import main

if __name__ == "__main__":
    sys.exit(main())
