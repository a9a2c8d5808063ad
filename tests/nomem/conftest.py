"""The helpers on sys.path."""

import sys
from pathlib import Path

_tests = str(Path(__file__).resolve().parent.parent)
if _tests not in sys.path:
    sys.path.append(_tests)
