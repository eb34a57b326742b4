"""`python -m tfmlm` is the `tfmlm` command."""

import sys

from tfmlm.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
