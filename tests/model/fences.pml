/*
 * The fences, on a memory that delays stores (x86-TSO, Owens, Sarkar and Sewell 2009). The other models take memory as
 * sequentially consistent; this one shows that the places where a store is followed by a load that must not overtake it
 * have their fence, and that they need it.
 *
 * Stands for: the pairs of docs/architecture.md, "Waiting".
 *  1. Channel::recv, which links and looks at the queue, holding both locks, and try_send, which publishes, holding the
 *     send lock, and looks at receivers_count_ after it has released it. No fence: the lock orders them.
 *  2. Offer::step, which links and looks for a place, holding both locks, and recv_locked, which looks at offers_count_
 *     and makes a place, holding the receive lock. No fence: as above.
 *  3. A wait that arms its word anew while it is in its group (Offer::wait, recv, Select::wait) and looks whether that
 *     has ended, and WaitGroup::end and wake_all. A fence on both sides.
 *
 * Abstracts: each thread's stores go into a buffer of its own, first in, first out, and from there to memory at any
 * time. An exchange, hence taking a lock, and a fence wait until it is empty; releasing a lock is a store. Nobody loads
 * what it has in its own buffer. C++ allows more than this memory does; what it allows beyond is excluded by acquire and
 * release, which are at each place in the code and are not modelled.
 *
 * Property: nobody sleeps when the other side has come and gone. Faults: LINK_WITHOUT_SIDE_LOCK in pairs 1
 * and 2; DROP_SLEEPER_FENCE in pair 3 (where the waker takes a lock, which on this memory is a fence).
 */
#ifndef PAIR
#define PAIR 1
#endif
#define SLEEPER 0
#define WAKER 1

#define LISTED 0    /* receivers_count_; PAIR 2: offers_count_ */
#define CAME 1      /* published_; PAIR 2: gone_; PAIR 3: ended_ */
#define LIST_LOCK 2 /* of the list: recv_lock; PAIR 2: send_lock; PAIR 3: the group's */
#define SIDE_LOCK 3 /* the waker's: send_lock; PAIR 2: recv_lock. PAIR 3: the sleeper's channel's */
#define WORD 4
#define WAITING 0
#define WOKEN 1
#define PARKED 2
#define NO_LOCK 5 /* which is always free */
byte memory[6];

chan buffer0 = [4] of { byte, byte };
chan buffer1 = [4] of { byte, byte };
bool asleep;

#define LOCK(buffer, l) atomic { empty(buffer) && (memory[l] == 0 || l == NO_LOCK) -> memory[l] = 1 }
#define UNLOCK(buffer, l) buffer!l, 0

/* What a sleeper of the pairs 1 and 2 takes. */
#ifdef LINK_WITHOUT_SIDE_LOCK
#define SIDE NO_LOCK
#else
#define SIDE SIDE_LOCK
#endif
#if PAIR == 1
#define RECV_LOCK LIST_LOCK
#define SEND_LOCK SIDE
#else
#define RECV_LOCK SIDE
#define SEND_LOCK LIST_LOCK
#endif

active proctype Buffer0()
{
    byte at, value;
end:
    do
    :: atomic { buffer0?at, value -> memory[at] = value }
    od
}
active proctype Buffer1()
{
    byte at, value;
end:
    do
    :: atomic { buffer1?at, value -> memory[at] = value }
    od
}

active proctype Sleeper()
{
    byte seen;
#if PAIR != 3
    /* The receive lock comes first. */
    LOCK(buffer0, RECV_LOCK);
    LOCK(buffer0, SEND_LOCK);
    buffer0!LISTED, 1;
    seen = memory[CAME];
    UNLOCK(buffer0, SEND_LOCK);
    UNLOCK(buffer0, RECV_LOCK);
#else
    /* It is in the group from the wait before, woken for something else, and arms its word under its channel's lock. */
    LOCK(buffer0, SIDE_LOCK);
    buffer0!WORD, WAITING;
    UNLOCK(buffer0, SIDE_LOCK);
#ifndef DROP_SLEEPER_FENCE
    empty(buffer0);
#endif
    seen = memory[CAME];
#endif
    if
    :: seen != 0 -> goto done
    :: else
    fi;
    /* sleep_until_woken(): a compare-and-exchange, then the kernel compares. */
    atomic {
        empty(buffer0) ->
        if
        :: memory[WORD] == WAITING -> memory[WORD] = PARKED
        :: else
        fi
    }
    atomic {
        if
        :: memory[WORD] == PARKED -> asleep = true
        :: else
        fi
    }
    !asleep;
done:
    skip
}

active proctype Waker()
{
    bool parked = false;
    byte seen = 1;
#if PAIR == 1
    LOCK(buffer1, SIDE_LOCK);
    buffer1!CAME, 1;
    UNLOCK(buffer1, SIDE_LOCK);
    seen = memory[LISTED];
#elif PAIR == 2
    LOCK(buffer1, SIDE_LOCK);
    seen = memory[LISTED];
    buffer1!CAME, 1;
#else
    LOCK(buffer1, LIST_LOCK);
    buffer1!CAME, 1;
    UNLOCK(buffer1, LIST_LOCK);
    empty(buffer1);
#endif
    if
    :: seen != 0 ->
        LOCK(buffer1, LIST_LOCK);
        atomic { parked = memory[WORD] == PARKED; memory[WORD] = WOKEN }
        UNLOCK(buffer1, LIST_LOCK);
#if PAIR == 2
        UNLOCK(buffer1, SIDE_LOCK);
#endif
        if
        :: parked -> asleep = false
        :: else
        fi
    :: else ->
#if PAIR == 2
        UNLOCK(buffer1, SIDE_LOCK)
#else
        skip
#endif
    fi
}

active proctype Rest()
{
    timeout;
    assert(!asleep)
}
