"""`python -m deaths`: the long forms, as `make deaths` and `make soak` run them."""

from __future__ import annotations

import argparse
import random
import sys
from typing import Any


def main(arguments: list[str]) -> int:
    """Run what the arguments say; the exit status. `batch` and `measure` are called by the others."""
    if arguments[:1] == ["batch"]:
        from deaths import batches

        seed, first, count, scale = map(int, (*arguments[1:4], arguments[5]))
        return batches.play(seed, first, count, arguments[4], scale)
    if arguments[:1] == ["measure"]:
        from deaths import soak

        print(soak.measure(arguments[1]))
        return 0
    if arguments[:1] == ["soak"]:
        return soak_main(arguments[1:])
    parser = argparse.ArgumentParser(prog="deaths", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--first", type=int, default=0, help="the number of the first round")
    parser.add_argument("--rounds", type=int, default=10_000)
    parser.add_argument("--scale", type=int, default=1, help="multiplies a round's items")
    parser.add_argument("--exits", type=int, default=500)
    parser.add_argument("--forks", type=int, default=1_000)
    return deaths(parser.parse_args(arguments))


def soak_main(arguments: list[str]) -> int:
    from deaths import soak

    parser = argparse.ArgumentParser(prog="deaths soak", description=soak.__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--seconds", type=float, default=600)
    options = parser.parse_args(arguments)
    print(f"{sys.version.split()[0]}  seed {options.seed}  {options.seconds:g} s", flush=True)
    status = soak.Soak(options.seed, options.seconds).run()
    sys.stdout.flush()
    return status


def deaths(options: argparse.Namespace) -> int:
    from deaths import batches, exits, forks

    def say(line: str) -> None:
        print(line, flush=True)

    say(f"{sys.version.split()[0]}  seed {options.seed}")
    faults: list[str] = []
    parts: list[tuple[Any, int, dict[str, int]]] = [
        (batches, options.rounds, {"scale": options.scale}),
        (exits, options.exits, {}),
        (forks, options.forks, {}),
    ]
    for part, count, more in parts:
        if count:
            sums = part.run(options.seed, count, options.first, say=say, **more)
            faults += sums["faults"]
            for key, number in sorted(sums.get("deaths", {}).items()):
                say(f"  {key:16} {number}")
    say(f"faults: {len(faults)}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
