"""Puts our module in place of `_interpchannels`, in each interpreter that imports `site`.

run.py puts this folder at the front of PYTHONPATH, so that `site` imports this file in the main interpreter, in
each sub-interpreter and in each process that a test starts. It imports next to nothing, since every interpreter
that a test makes pays for it.
"""

import os
import sys
from importlib.machinery import ExtensionFileLoader, ModuleSpec, PathFinder

NAME = "_interpchannels"
FILE = os.environ.get("INTERPCHANNELS_CONFORMANCE_FILE")


class OursFirst:
    """A meta-path finder that knows one name, and stands before builtin and path finders alike."""

    @staticmethod
    def find_spec(fullname, path=None, target=None):
        if fullname != NAME:
            return None
        spec = ModuleSpec(NAME, ExtensionFileLoader(NAME, FILE), origin=FILE)
        spec.has_location = True
        return spec


def install():
    if FILE and NAME not in sys.modules:
        sys.meta_path.insert(0, OursFirst)


def chain():
    """Run the sitecustomize that this one hides, if there is one (Debian's, for one)."""
    here = os.path.dirname(os.path.abspath(__file__))
    others = [entry for entry in sys.path if os.path.abspath(entry) != here]
    spec = PathFinder.find_spec("sitecustomize", others)
    if spec is None or spec.loader is None or spec.origin is None:
        return
    with open(spec.origin, "rb") as file:
        code = compile(file.read(), spec.origin, "exec")
    exec(code, {"__name__": "sitecustomize", "__file__": spec.origin, "__spec__": spec})


install()
chain()
