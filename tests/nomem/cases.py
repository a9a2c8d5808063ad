"""All cases by name; as a script, runs those that are named, every n-th from the i-th on (i/n), or all."""

from __future__ import annotations

import sys

import async_operations
import drop_in_operations
import operations
import sweep
import values_cases

CASES: dict[str, sweep.Case | sweep.Cold] = {
    **values_cases.CASES,
    **operations.CASES,
    **async_operations.CASES,
    **drop_in_operations.CASES,
}

if sys.version_info < (3, 13):
    # Where one of its own allocations fails, CPython 3.12 loses references in copy.copy(), in the making of a named
    # tuple, and in copyreg's functions.
    for _name in ("end_copy", "list_all", "recv_list_subclass"):
        _case = CASES[_name]
        assert isinstance(_case, sweep.Case)
        _case.what = (sweep.OURS,)


def main(arguments: list[str]) -> None:
    names = list(CASES)
    if arguments == ["--list"]:
        print(*names, sep="\n")
        return
    if len(arguments) == 1 and "/" in arguments[0]:
        first, step = map(int, arguments[0].split("/"))
        arguments = names[first::step]
    for name in arguments or names:
        print(name, end=" ", flush=True)
        sweep.run(CASES[name])


if __name__ == "__main__":
    main(sys.argv[1:])
