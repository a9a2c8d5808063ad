"""The demo: Python files tokenised by several interpreters, by one, and by processes."""
