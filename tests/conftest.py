"""What the whole suite needs of its own process."""

import signal


def pytest_configure(config):
    """Let Ctrl-C work here and in every child: a shell starts what it runs in the background with SIGINT ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
