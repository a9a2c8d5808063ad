"""The bench: the package beside its peers, each row a ratio within one run, with what is promised of it."""
