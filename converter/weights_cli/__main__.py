"""`python -m converter.weights_cli`: the command, where it is not on the PATH."""

import sys

from converter.weights_cli.command import main

if __name__ == "__main__":
    sys.exit(main())
