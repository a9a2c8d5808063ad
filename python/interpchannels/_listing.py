"""`list_all`: the channels of the process."""

from __future__ import annotations

from typing import NamedTuple

from interpchannels import _interpchannels


class ChannelInfo(NamedTuple):
    """One channel, as `list_all()` saw it.

    >>> recv, send = interpchannels.create(capacity=8)
    >>> info = interpchannels.list_all()[-1]
    >>> info.id == recv.id, info.capacity, info.open_senders, info.closed
    (True, 8, 1, False)
    """

    id: int
    capacity: int | None
    queued: int
    open_senders: int
    open_receivers: int
    closed: bool


def list_all() -> list[ChannelInfo]:
    """Return a snapshot of every channel that `create()` made in this process, by id.

    Snapshots are not handles: they keep nothing open. Never blocks; may be called in any interpreter and thread.

    >>> recv, send = interpchannels.create()
    >>> recv.id in [channel.id for channel in interpchannels.list_all()]
    True
    """
    return sorted([ChannelInfo(*row) for row in _interpchannels._list_channels()])


ChannelInfo.__module__ = "interpchannels"
