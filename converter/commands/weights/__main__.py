"""`python -m converter.commands.weights`: run `mindconverter-weights` where that command is not on the PATH."""

import sys

from converter.commands.weights.command import main

if __name__ == "__main__":
    sys.exit(main())
