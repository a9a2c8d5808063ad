"""Interpreters that end in the middle of what they do, with an account of every item."""
