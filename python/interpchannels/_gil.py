"""Whether there is a GIL."""

import sys

# It may be turned on later, never off.
WITHOUT_GIL = not getattr(sys, "_is_gil_enabled", lambda: True)()
