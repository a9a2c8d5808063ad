"""Puts what the tests of lives and deaths share on sys.path."""

import sys
from pathlib import Path

_here = Path(__file__).resolve().parent
for _folder in (str(_here), str(_here.parent)):
    if _folder not in sys.path:
        sys.path.append(_folder)
