"""All rows of the table, in its order."""

from . import (
    contention,
    demo_job,
    extras,
    idle,
    imports,
    large,
    lives,
    load,
    memory,
    one_way,
    pairs,
    round_trips,
)
from .rows import Section


def sections() -> list[Section]:
    """Made anew for each run, since a row keeps its samples."""
    return [
        Section("send and receive in one thread", list(pairs.small())),
        Section("containers", list(pairs.containers())),
        Section("instances of classes", list(pairs.instances())),
        Section("batches and counters", list(extras.rows())),
        Section("round trip", list(round_trips.rows())),
        Section("one way", list(one_way.rows())),
        Section("several senders and receivers", list(contention.rows())),
        Section("offered load", list(load.rows())),
        Section("large values", list(large.rows())),
        Section("memory", list(memory.rows())),
        Section("a channel's life", list(lives.rows())),
        Section("import", list(imports.rows())),
        Section("idle receivers", list(idle.rows())),
        Section("the demo's job", list(demo_job.rows())),
    ]
