"""`python -m interpchannels demo`: see `python -m interpchannels demo --help`."""

import sys

from interpchannels._demo.cli import main

# The guard matters: multiprocessing imports this module again in every process that it spawns.
if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
