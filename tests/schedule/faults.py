"""The faults that are planted in the engine's source, one at a time, and what has to be said about each.

A fault is a piece of the source and what stands there instead. Where the engine changes, so that the piece is no longer
in it, `run` says so: the fault has to follow.
"""

from __future__ import annotations

from typing import NamedTuple


class Fault(NamedTuple):
    name: str
    file: str  # in src/channel
    scene: str
    breaks: str  # what has to be said
    edits: tuple[tuple[str, str], ...]  # text, and what stands there instead


FAULTS = [
    Fault(
        "DROP_RECHECK",
        "channel.cpp",
        "one item",
        "a receiver sleeps, and there is an item",
        (
            (
                "            status = recv_locked<SendLock::kHeld>(out, scratch, wakes, moved_in);\n"
                "            if (status == Status::kWouldBlock) left = queue_.detach_memory();\n",
                "",
            ),
        ),
    ),
    Fault(
        "LINK_WITHOUT_SEND_LOCK",
        "channel.cpp",
        "send, recv",
        "a receiver sleeps, and there is an item",
        (
            (
                "            if (capacity_ != 0) queue_.send_lock.lock();\n"
                "            link_locked(me);\n"
                "            status = recv_locked<SendLock::kHeld>(out, scratch, wakes, moved_in);\n"
                "            if (status == Status::kWouldBlock) left = queue_.detach_memory();\n"
                "            if (capacity_ != 0) queue_.send_lock.unlock();\n",
                "            link_locked(me);\n"
                "            status = recv_locked<SendLock::kTake>(out, scratch, wakes, moved_in);\n",
            ),
        ),
    ),
    Fault(
        "WAKE_BEFORE_UNLOCK",
        "channel.cpp",
        "send, recv",
        "wakes with a lock held",
        (
            (
                "        queue_.recv_lock.unlock();\n"
                "        more = count != 0 && wakes.full();\n"
                "        wakes.deliver();\n",
                "        more = count != 0 && wakes.full();\n"
                "        wakes.deliver();\n"
                "        queue_.recv_lock.unlock();\n",
            ),
        ),
    ),
    Fault(
        "MARK_AFTER_UNLOCK",
        "channel.cpp",
        "limit, recv",
        "touches an atomic whose life is over",
        (
            (
                "        unlink_locked(receiver);\n        wakes.add(*receiver.who);\n        if (receiver.promises)",
                "        Waiter* const who = receiver.who;\n"
                "        unlink_locked(receiver);\n"
                "        queue_.recv_lock.unlock();\n"
                "        wakes.add(*who);\n"
                "        queue_.recv_lock.lock();\n"
                "        return true;\n"
                "        if (receiver.promises)",
            ),
        ),
    ),
    Fault(
        "DROP_LOOK_AT_LIMIT",
        "channel.cpp",
        "limit, recv",
        "a receiver sleeps, and there is an item",
        (
            (
                "                            : recv_locked<SendLock::kTake>",
                "                        : leave != Status::kOk ? Status::kWouldBlock\n"
                "                            : recv_locked<SendLock::kTake>",
            ),
        ),
    ),
    Fault(
        "DROP_DELIVERED_LOOK",
        "channel.cpp",
        "limit, recv, capacity 0",
        "one was sent, and not received",
        (
            (
                "        Status status = me.delivered.load(std::memory_order_relaxed)",
                "        Status status = false",
            ),
        ),
    ),
    Fault(
        "DROP_UNLINK",
        "channel.cpp",
        "limit, recv",
        "who has gone stands in line",
        (("        if (status != Status::kWouldBlock && me.linked) unlink_locked(me);\n", ""),),
    ),
    Fault(
        "DROP_LEAVE_RECHECK",
        "channel.cpp",
        "cancel, recv",
        "it sleeps, and its handle was closed",
        (
            (
                "if (!in_group.enter() || must_leave(wait) != Status::kOk) continue;",
                "if (!in_group.enter()) continue;",
            ),
        ),
    ),
    Fault(
        "DROP_CLOSE_WAKE",
        "channel.cpp",
        "close, recv",
        "somebody sleeps at a closed channel",
        (
            (
                "kOffersKept : 0u), std::memory_order_release);\n    }\n    wake_all();\n",
                "kOffersKept : 0u), std::memory_order_release);\n    }\n",
            ),
        ),
    ),
    Fault(
        "READ_STATE_LAST",
        "channel.cpp",
        "close, recv",
        "it was told that all is over, and there is an item",
        (
            (
                "    return (bits & kSendsClosed) ? Status::kClosed : Status::kWouldBlock;\n}\n\ntemplate Status",
                "    return sends_closed() ? Status::kClosed : Status::kWouldBlock;\n}\n\ntemplate Status",
            ),
        ),
    ),
    Fault(
        "DROP_PROMOTION",
        "channel.cpp",
        "a place",
        "a sender sleeps, and there is a place",
        (("        if (capacity_ != kUnbounded) moved_in += promote_locked(wakes);\n", ""),),
    ),
    Fault(
        "OFFER_LINKS_WITH_ONE_LOCK",
        "offer.cpp",
        "a place",
        "a sender sleeps, and there is a place",
        (("bool both = c.capacity_ == 0 || !stands_;", "bool both = c.capacity_ == 0;"),),
    ),
    Fault(
        "SHORT_SEND_TELLS_NOBODY",
        "channel.hpp",
        "send, recv, short",
        "a receiver sleeps, and there is an item",
        (
            (
                "    // Relaxed: as in try_send().\n"
                "    if (receivers_count_.load(std::memory_order_relaxed) == 0) return Status::kOk;\n"
                "    return wake_receivers<true>(1) ? Status::kOk : Status::kOkOwing;\n",
                "    return Status::kOk;\n",
            ),
        ),
    ),
    Fault(
        "SHORT_RECV_TAKES_A_PLACE",
        "channel.hpp",
        "a place, short",
        "a sender sleeps, and there is a place",
        (
            (
                "                       offers_count_.load(std::memory_order_relaxed) == 0 && queue_.take_short(out);",
                "                       queue_.take_short(out);",
            ),
        ),
    ),
    Fault(
        "SHORT_RECV_OF_A_TOMBSTONE",
        "queue.hpp",
        "clear, recv",
        "an item is not what was sent",
        (("(header.flags & ~std::uint32_t{kHasSender}) != 0 || ", ""),),
    ),
    Fault(
        "PARK_BLINDLY",
        "blocked.hpp",
        "one item",
        "sleeps",
        (
            (
                "        if (!waiter.word.compare_exchange_strong(seen, Waiter::kParked, std::memory_order_acq_rel,\n"
                "                                                 std::memory_order_acquire) &&\n"
                "            seen == Waiter::kWoken) {\n",
                "        waiter.word.store(Waiter::kParked);\n        if (seen == Waiter::kWoken) {\n",
            ),
        ),
    ),
    Fault(
        "DROP_GROUP_LEAVE",
        "blocked.hpp",
        "end, recv",
        "touches an atomic whose life is over",
        (("    ~InGroup() { leave(); }\n", ""),),
    ),
    Fault(
        "WITHDRAW_BLINDLY",
        "offer.cpp",
        "limit, send, capacity 0",
        "an item is not what was sent",
        (
            (
                "    if (sent_.load(std::memory_order_relaxed)) return",
                "    if (sent_.load(std::memory_order_relaxed) && linked) return",
            ),
        ),
    ),
    Fault(
        "SENT_BEFORE_MARK",
        "channel.cpp",
        "limit, send, capacity 0",
        "whose life is over",
        (
            (
                "    wakes.add(*offer.who);\n    offer.sent_.store(true, std::memory_order_release);",
                "    offer.sent_.store(true, std::memory_order_release);\n    wakes.add(*offer.who);",
            ),
        ),
    ),
    Fault(
        "DELIVERED_BEFORE_MARK",
        "channel.cpp",
        "limit, recv, capacity 0",
        "whose life is over",
        (
            (
                "        wakes.add(*receiver.who);\n        receiver.delivered.store(true, std::memory_order_release);",
                "        receiver.delivered.store(true, std::memory_order_release);\n        wakes.add(*receiver.who);",
            ),
        ),
    ),
    Fault(
        "SKIP_CLAIM",
        "waiter.hpp",
        "select of recvs, capacity 0",
        "an item was lost",
        (
            (
                "        if (!chosen) return true;\n",
                "        if (!chosen) return true;\n        chosen->store(this);\n        return true;\n",
            ),
        ),
    ),
    Fault(
        "SKIP_LOSERS_REMOVAL",
        "select.cpp",
        "select of recvs",
        "touches",
        (
            (
                "        if (status != Status::kWouldBlock) {\n            unlink(true);\n",
                "        if (status != Status::kWouldBlock) {\n",
            ),
        ),
    ),
    Fault(
        "SKIP_PASS_ON",
        "select.cpp",
        "select and recv",
        "a receiver sleeps, and there is an item",
        (
            (
                "            pass_on(status);\n            return status;\n",
                "            return status;\n",
            ),
        ),
    ),
    Fault(
        "SELECT_WITHDRAWS_BLINDLY",
        "select.cpp",
        "select is interrupted, capacity 0",
        "an item was received that was refused",
        (
            (
                "    if (chosen_.load(std::memory_order_acquire)) {  // as in look()\n",
                "    if (false) {\n",
            ),
        ),
    ),
    Fault(
        "LOCK_IN_ORDER_OF_OPERATIONS",
        "select.cpp",
        "two selects",
        "waits for a lock for ever",
        (("    std::sort(&channels_[0], &channels_[count_], std::less<>());\n", ""),),
    ),
    Fault(
        "WATCH_KEEPS_ITS_WAKE_UP",
        "watch.cpp",
        "watch, recv",
        "a receiver sleeps, and there is an item",
        (("    if (pass_on) channel_.settle();\n", ""),),
    ),
    Fault(
        "LAST_WAKES_NOBODY",
        "tally.cpp",
        "done, join",
        "it sleeps, and all are done",
        (
            (
                "        all = all_done_locked(queue);\n    }\n    if (all) wake_all();\n    return true;",
                "    }\n    return true;",
            ),
        ),
    ),
    Fault(
        "RECYCLE_TOO_EARLY",
        "queue.cpp",
        "recycle, one in a segment",
        "touches memory",
        (
            (
                "        head_ = left->next;\n        head_offset_ = 0;\n        retire(left);\n",
                "        retire(left);\n        head_ = left->next;\n        head_offset_ = 0;\n",
            ),
        ),
    ),
    Fault(
        "KEEP_THE_SPARE",
        "queue.cpp",
        "recycle, one in a segment",
        "frees memory twice",
        (
            (
                "spare_.exchange(nullptr, std::memory_order_acquire);",
                "spare_.load(std::memory_order_acquire);",
            ),
        ),
    ),
    Fault(
        "PUBLISH_FIRST",
        "queue.cpp",
        "recycle, one in a segment",
        "an item is not what was sent",
        (
            (
                "    copy_payload(header->body() + (flags ? header->bytes_at() : 0), parcel.data, payload);\n"
                "    tail_offset_ += length;\n",
                "    tail_offset_ += length;\n"
                "    published_.store(published_.load(std::memory_order_relaxed) + 1, std::memory_order_release);\n"
                "    copy_payload(header->body() + (flags ? header->bytes_at() : 0), parcel.data, payload);\n",
            ),
            (
                "    // Release pairs with the acquire in published(), live() and skip_to_next().\n"
                "    published_.store(published_.load(std::memory_order_relaxed) + 1, std::memory_order_release);\n",
                "",
            ),
        ),
    ),
    Fault(
        "GIVE_BACK_WITHOUT_LOCK",
        "channel.cpp",
        "give back, then small",
        "an item was lost",
        (
            (
                "    if (!queue_.send_lock.try_lock()) return {};\n"
                "    const Queue::Contents left = queue_.detach_memory();\n"
                "    queue_.send_lock.unlock();\n",
                "    const Queue::Contents left = queue_.detach_memory();\n",
            ),
        ),
    ),
    Fault(
        "GIVE_BACK_BLINDLY",
        "queue.cpp",
        "give back, then small",
        "an item was lost",
        (("    if (abandoned_ || has_next()) return {};\n", "    if (abandoned_) return {};\n"),),
    ),
]
