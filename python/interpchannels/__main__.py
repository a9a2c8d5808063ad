"""`python -m interpchannels demo` and `… bench`: see `python -m interpchannels demo --help`."""

import signal
import sys

# The guard matters: multiprocessing imports this module again in every process that it spawns.
if __name__ == "__main__":
    try:
        from interpchannels._cli import main

        status = main(sys.argv[1:])
    except KeyboardInterrupt:  # while it was being imported
        status = 130
    # All is done and said. A Ctrl-C from here on would only put a traceback under it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(status)
