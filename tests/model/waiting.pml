/*
 * The waiting protocol of a channel: register, look again, park, be woken after the unlock, close, time out, cancel,
 * the end of an interpreter. Receivers wait for items, senders for places.
 *
 * Stands for (channel.cpp unless said otherwise): recv, try_recv_batch, recv_locked, promote_locked, try_send, wake_receivers,
 * wake_one_locked, tell_receivers, settle, close_sends, close_now, wake_all, mark_receivers; Offer::step, look_locked,
 * wait, withdraw (offer.cpp); blocking_send (module/blocking.cpp); LinkList, mark_wave, WaitGroup (waiter.hpp).
 *
 * Abstracts, besides common.pml: an item is a number, the queue is an array with two counts; memory does not fail.
 * A list of wake-ups holds one (8 in C++), so that a wave has to come back for the rest. Of the things that can happen
 * besides, one does, at any moment, or none: a close of the handle that receiver 0 waits by; a close of the channel for
 * senders; the end of the interpreter that receiver 1 and sender 2 belong to; somebody who takes both locks. Who has a
 * limit may time out, or be interrupted once by a signal and come back, with its place in line (a receiver) or standing
 * in it (a sender). The scenes are below.
 *
 * Properties, and the faults that show that they are checked:
 *  - At rest nobody sleeps for whom there is an item, a place, or a reason to leave (no lost wake-up): DROP_RECHECK,
 *    LINK_WITHOUT_RECV_LOCK, DROP_LOOK_AT_LIMIT, DROP_SETTLE, DROP_TELL, DROP_CLOSE_WAKE, DROP_LEAVE_RECHECK, DROP_UNPARK,
 *    PARK_WITHOUT_COMPARING.
 *  - Nothing is unparked while a lock is held: WAKE_BEFORE_UNLOCK. Nothing of a waiter is touched when its call is
 *    over: MARK_AFTER_UNLOCK.
 *  - When a call ends it is in no list and no group: DROP_UNLINK, DROP_GROUP_LEAVE.
 *  - No item is received twice: RECEIVE_UNLOCKED. None is lost, and what was refused is not received: DROP_SENT_LOOK.
 *  - There are never more than CAP items in the queue: IGNORE_CAPACITY. No send overtakes a standing offer: OVERTAKE.
 *  - Nobody waits for a lock for ever: LOCK_SENDS_FIRST.
 */
#define WAITERS 4
#ifndef SCENE
#define SCENE 1
#endif
#if SCENE == 1 /* items */
#define CAP 2
#define ITEMS 2
#define PROCESSES 3
#define START run Receiver(0, false, 1); run Receiver(1, true, 2); run Sender(2, false, 0, 1)
#elif SCENE == 2 /* items, and what happens besides */
#define CAP 1
#define ITEMS 1
#define PROCESSES 4
#define START run Receiver(0, false, 1); run Receiver(1, false, 1); run Sender(2, false, 0, 0); run Event()
#elif SCENE == 3 /* places */
#define CAP 1
#define ITEMS 3
#define PROCESSES 3
#define START run Receiver(0, false, 2); run Sender(2, false, 0, 1); run Sender(3, true, 2, 2)
#elif SCENE == 4 /* places, and what happens besides */
#define CAP 1
#define ITEMS 2
#define PROCESSES 4
#define START run Receiver(0, false, 1); run Sender(2, false, 0, 0); run Sender(3, false, 1, 1); run Event()
#else /* a receiver who makes a place, and one who waits for what moves into it */
#define CAP 1
#define ITEMS 2
#define PROCESSES 4
#define START run Receiver(0, false, 1); run Receiver(1, false, 1); run Sender(2, false, 0, 0); run Sender(3, false, 1, 1)
#endif
#include "common.pml"

bool recv_lock, send_lock;
byte published, gone, queue[ITEMS + 1];
bool sends_closed, closed_now;
byte receivers, offers; /* receivers_count_, offers_count_ */
byte signals = 1;

/*
 * Link and LinkList. Receivers: 0, 1; offers: 2, 3. A list is who is linked; of two with a place `ahead` has the
 * better one. A wave: those whom it has yet to reach are `due`, which who is inserted later is not.
 */
bool linked[WAITERS], placed[WAITERS], due[WAITERS];
byte ahead[2] = { 0, 2 };
#define LISTED(w) ((w) / 2)
#define OTHER_OF(w) ((w) ^ 1)
#define FRONT(list) (linked[ahead[list]] -> ahead[list] : OTHER_OF(ahead[list]))
#define IS_FRONT(w) (!linked[OTHER_OF(w)] || (linked[w] && ahead[LISTED(w)] == w))

/* WaitGroup */
bool in_group[WAITERS], group_due[WAITERS], group_ended;
#define IN_GROUP(w) ((w) == 1 || (w) == 2)

/* Each offer's, under the send lock. */
bool sent[WAITERS];
byte offered[WAITERS];

/* What has become of each item, a bit each. */
byte received, accepted, refused, dropped;
byte finished; /* how many processes */
bool cancelled;

#define HAS_PLACE (published - gone < CAP)
#define MUST_LEAVE(w) ((w == 0 && cancelled) || (IN_GROUP(w) && group_ended))

/* Everything from here to the processes is inside of a step. */
inline decide_to_leave(w)
{
    if
    :: woken != OK -> leave = woken
    :: woken == OK && w == 0 && cancelled -> leave = CANCELLED
    :: woken == OK && IN_GROUP(w) && group_ended -> leave = ENDING
    :: else -> leave = OK
    fi
}
inline insert(w)
{
    if
    :: !placed[w] -> placed[w] = true; ahead[LISTED(w)] = OTHER_OF(w)
    :: else
    fi;
    linked[w] = true;
    due[w] = false
}
inline unlink_receiver(w) { linked[w] = false; receivers-- }
inline unlink_offer(w) { linked[w] = false; offers-- }
inline append(item)
{
    queue[published] = item;
    published++;
    assert(published - gone <= CAP)
}
inline note_received(item)
{
    assert((received & BIT(item)) == 0);
    received = received | BIT(item)
}
/* promote_locked(), both locks: as many as a list of wake-ups holds. */
inline promote_locked()
{
    do
    :: offers != 0 && !sends_closed && HAS_PLACE && wakes == 0 ->
        other = FRONT(1);
        append(offered[other]);
        unlink_offer(other);
        sent[other] = true;
        mark_woken(other);
        moved_in++
    :: else -> break
    od;
    other = 0
}
inline wake_receivers_locked(count)
{
    do
    :: count != 0 && receivers != 0 ->
        other = FRONT(0);
        unlink_receiver(other);
#ifdef MARK_AFTER_UNLOCK
        late = other + 1;
        count = 0
#else
        mark_woken(other);
        count--
#endif
    :: else -> break
    od;
    other = 0
}

/* Processes' steps. */
#ifdef DROP_UNPARK
#define DELIVER wakes = 0
#else
#define DELIVER deliver()
#endif
#ifdef MARK_AFTER_UNLOCK
#define DELIVER_TO_RECEIVERS if :: late != 0 -> atomic { other = late - 1; late = 0; mark_woken(other) } :: else fi; DELIVER
#else
#define DELIVER_TO_RECEIVERS DELIVER
#endif

/* wake_receivers(): for `count` items. */
inline wake_receivers()
{
#ifdef WAKE_BEFORE_UNLOCK
    atomic { TAKE(recv_lock); wake_receivers_locked(count) }
    DELIVER;
    atomic { RELEASE(recv_lock) }
#else
    atomic { !recv_lock -> wake_receivers_locked(count) }
    DELIVER_TO_RECEIVERS
#endif
}
/* tell_receivers(): where receivers wait, for what moved in. */
inline tell_receivers()
{
    if
    :: moved_in != 0 && receivers != 0 -> count = moved_in; moved_in = 0; wake_receivers()
    :: else -> moved_in = 0
    fi
}
/* settle(): count_with_offers() receivers, then promote_all(). */
inline settle()
{
    atomic { count = published - gone + offers; moved_in = 0 }
    wake_receivers();
    atomic { !recv_lock && !send_lock -> promote_locked() }
    DELIVER;
    tell_receivers()
}

/* WaitGroup::enter(); where the group has ended, MUST_LEAVE says so as well. */
inline enter(w)
{
    atomic {
        if
        :: IN_GROUP(w) && !group_ended && !in_group[w] -> in_group[w] = true; group_due[w] = false
        :: else
        fi
    }
}
#ifdef DROP_GROUP_LEAVE
#define LEAVE_GROUP(w)
#else
#define LEAVE_GROUP(w) in_group[w] = false;
#endif
#ifdef DROP_LEAVE_RECHECK
#define LEAVES_NOW(w) false
#else
#define LEAVES_NOW(w) MUST_LEAVE(w)
#endif

#ifdef RECEIVE_UNLOCKED
#define RECV_LOCK_AND skip
#define RECV_UNLOCK skip
#else
#define RECV_LOCK_AND TAKE(recv_lock)
#define RECV_UNLOCK RELEASE(recv_lock)
#endif

/* recv_locked(): the look at the bits, and what follows. */
inline read_bits()
{
    saw_closed_now = closed_now;
    saw_closed = sends_closed;
    saw_offers = offers
}
inline recv_locked()
{
    if
    :: saw_closed_now -> status = CLOSED
    :: else ->
        if
        :: saw_offers != 0 ->
            atomic {
                !send_lock ->
                if
                :: published != gone -> note_received(queue[gone]); gone++; status = OK
                :: else ->
                    if
                    :: offers != 0 && !sends_closed -> /* take_offer_locked(): from its sender's memory */
                        other = FRONT(1);
                        note_received(offered[other]);
                        unlink_offer(other);
                        sent[other] = true;
                        mark_woken(other);
                        other = 0;
                        status = OK
                    :: else -> status = WOULD_BLOCK
                    fi
                fi;
                promote_locked()
            }
        :: atomic {
                /* try_recv_batch(), which did not get the send lock in a bounded try, and owes the move */
                saw_offers != 0 && published != gone ->
                note_received(queue[gone]);
                gone++;
                status = OK;
                owes = true
            }
        :: else ->
#ifdef RECEIVE_UNLOCKED
            if
            :: published != gone -> other = queue[gone]; note_received(other); gone++; status = OK
            :: else -> status = WOULD_BLOCK
            fi
#else
            atomic {
                if
                :: published != gone -> note_received(queue[gone]); gone++; status = OK
                :: else -> status = WOULD_BLOCK
                fi
            }
#endif
        fi;
        if
        :: status == WOULD_BLOCK && saw_closed -> status = CLOSED
        :: else
        fi
    fi
}

/* The same with both locks, inside of a step. */
inline recv_locked_held()
{
    if
    :: closed_now -> status = CLOSED
    :: else ->
        if
        :: published != gone -> note_received(queue[gone]); gone++; status = OK
        :: published == gone && offers != 0 && !sends_closed ->
            other = FRONT(1);
            note_received(offered[other]);
            unlink_offer(other);
            sent[other] = true;
            mark_woken(other);
            other = 0;
            status = OK
        :: else ->
            if
            :: sends_closed -> status = CLOSED
            :: else
            fi
        fi;
        promote_locked()
    fi
}

proctype Receiver(byte me; bool limited; byte calls)
{
    OWN_STATE;
    byte moved_in = 0, count = 0, late = 0, saw_offers = 0;
    bool saw_closed = false, saw_closed_now = false, owes = false;
    alive[me] = true;
look:
    atomic { status = OK; decide_to_leave(me) }
#ifdef DROP_LOOK_AT_LIMIT
    if
    :: woken != OK ->
        atomic {
            !recv_lock ->
            if
            :: linked[me] -> unlink_receiver(me)
            :: else
            fi;
            status = woken
        }
        goto returned
    :: else
    fi;
#endif
    atomic { RECV_LOCK_AND; read_bits() }
    recv_locked();
    if
    :: status == WOULD_BLOCK && leave == OK && !linked[me] ->
        atomic { /* with the send lock as well: linked, then look again */
            !send_lock ->
            insert(me);
            receivers++;
#ifndef DROP_RECHECK
            recv_locked_held()
#endif
        }
    :: else
    fi;
    atomic {
        if
        :: status == WOULD_BLOCK && leave != OK -> status = leave
        :: status == WOULD_BLOCK && leave == OK -> word[me] = WAITING
        :: else
        fi;
#ifndef DROP_UNLINK
        if
        :: status != WOULD_BLOCK && linked[me] -> unlink_receiver(me)
        :: else
        fi;
#endif
        saw_closed = false;
        saw_closed_now = false;
        saw_offers = 0;
        RECV_UNLOCK
    }
    DELIVER;
#ifdef DROP_TELL
    moved_in = 0;
#endif
    tell_receivers();
    if
    :: owes -> owes = false; settle()
    :: else
    fi;
    if
    :: status != WOULD_BLOCK -> goto returned
    :: else
    fi;
    enter(me);
    if
    :: LEAVES_NOW(me) -> woken = OK; goto look
    :: else
    fi;
    sleep_until_woken(me, limited);
    goto look;
returned:
    atomic {
        LEAVE_GROUP(me)
        assert(!linked[me] && !in_group[me]);
        word[me] = WAITING;
        woken = OK;
        leave = OK;
        if
        :: status == OK && calls > 1 -> calls--; placed[me] = false; goto look
        :: status == INTERRUPTED -> goto look /* with its place */
        :: else
        fi;
        alive[me] = false;
        awake--;
        finished++
    }
}

/* Offer::look_locked(), inside of a step. */
inline look_locked(w)
{
    if
    :: sent[w] -> status = OK
    :: !sent[w] && sends_closed ->
        if
        :: linked[w] -> unlink_offer(w)
        :: else
        fi;
        status = CLOSED
    :: else ->
        if
        :: IS_FRONT(w) && HAS_PLACE ->
            append(offered[w]);
            if
            :: linked[w] -> unlink_offer(w)
            :: else
            fi;
            sent[w] = true;
            status = OK
        :: else -> status = WOULD_BLOCK
        fi
    fi
}

#ifdef IGNORE_CAPACITY
#define TRY_HAS_PLACE true
#else
#define TRY_HAS_PLACE HAS_PLACE
#endif
#ifdef OVERTAKE
#define NOBODY_STANDS true
#else
#define NOBODY_STANDS offers == 0
#endif

proctype Sender(byte me; bool limited; byte item; byte last)
{
    OWN_STATE;
    byte moved_in = 0, count = 0, late = 0;
    bool was_sent = false, stands = false;
next_item:
    /* try_send(), attached. */
    atomic {
        if
        :: send_lock -> status = CONTENDED
        :: else ->
            if
            :: sends_closed -> status = CLOSED
            :: else ->
                if
                :: NOBODY_STANDS && TRY_HAS_PLACE -> assert(offers == 0); append(item); status = OK
                :: else -> status = WOULD_BLOCK
                fi
            fi
        fi
    }
    if
    :: status == OK && receivers != 0 -> /* published, then look for receivers */
        atomic {
            count = 1;
            if
            :: recv_lock -> status = OWING
            :: else -> wake_receivers_locked(count)
            fi
        }
        DELIVER_TO_RECEIVERS;
        if
        :: status == OWING ->
#ifndef DROP_SETTLE
            settle();
#endif
            status = OK
        :: else
        fi
    :: else
    fi;
    if
    :: status == OK || status == CLOSED -> goto done
    :: else
    fi;

    atomic { alive[me] = true; sent[me] = false; offered[me] = item; placed[me] = false; word[me] = WAITING }
wait:
    woken = OK;
step:
    decide_to_leave(me);
#ifndef LINK_WITHOUT_RECV_LOCK
    if
    :: !stands -> atomic { TAKE(recv_lock) } /* to stand up takes both */
    :: else
    fi;
#endif
    atomic {
        TAKE(send_lock);
        was_sent = sent[me];
        look_locked(me);
#ifdef DROP_SENT_LOOK
        if /* the fault: it leaves, whatever has happened to the offer */
        :: status == OK && leave != OK && leave != INTERRUPTED -> status = leave
        :: else
        fi;
#endif
        if
        :: status == WOULD_BLOCK && leave == OK && !linked[me]
        :: else -> goto looked
        fi
    }
    atomic { insert(me); offers++ }
    atomic {
        skip;
looked:
        if
        :: status == WOULD_BLOCK && leave == OK -> word[me] = WAITING
        :: status == WOULD_BLOCK && leave != OK ->
            if
            :: linked[me] && leave != INTERRUPTED -> unlink_offer(me)
            :: else
            fi;
            status = leave
        :: else
        fi;
        if
        :: status == OK && !was_sent -> moved_in = 1
        :: else
        fi;
        was_sent = false;
#ifndef LINK_WITHOUT_RECV_LOCK
        if
        :: !stands -> RELEASE(recv_lock)
        :: else
        fi;
#endif
        stands = linked[me];
        RELEASE(send_lock)
    }
    tell_receivers();
    if
    :: status == INTERRUPTED -> /* out of the group, and in line, while it looks at the signal */
        in_group[me] = false;
        if
        :: goto wait
        :: atomic { /* withdraw() */
                !send_lock ->
                if
                :: linked[me] -> unlink_offer(me)
                :: else
                fi;
                stands = false;
                if
                :: sent[me] -> status = OK
                :: else
                fi
            }
        fi
    :: status == WOULD_BLOCK ->
        enter(me);
        if
        :: LEAVES_NOW(me) -> goto wait
        :: else
        fi;
        sleep_until_woken(me, limited);
        goto step
    :: else
    fi;
done:
    atomic {
        LEAVE_GROUP(me)
        assert(!linked[me] && !in_group[me]);
        alive[me] = false;
        woken = OK;
        leave = OK;
        if
        :: status == OK -> accepted = accepted | BIT(item)
        :: else -> refused = refused | BIT(item)
        fi;
        if
        :: item < last && status == OK -> item++; goto next_item
        :: else
        fi;
        awake--;
        finished++
    }
}

/* mark_receivers(), mark_wave(): one of those whom the wave has yet to reach. */
#define MARK_WAVE(flags, passed, a, b) \
    if :: !begun -> begun = true; passed[a] = flags[a]; passed[b] = flags[b] :: else fi; \
    if \
    :: flags[a] && passed[a] -> passed[a] = false; mark_woken(a) \
    :: else -> \
        if \
        :: flags[b] && passed[b] -> passed[b] = false; mark_woken(b) \
        :: else -> more = false \
        fi \
    fi
inline wake_list(a, b, l)
{
    begun = false;
    more = true;
    do
    :: more -> atomic { !l -> MARK_WAVE(linked, due, a, b) } DELIVER
    :: else -> break
    od
}
inline wake_all()
{
#ifndef DROP_CLOSE_WAKE
    wake_list(0, 1, recv_lock);
    wake_list(2, 3, send_lock);
#endif
    skip
}
#ifdef LOCK_SENDS_FIRST
#define LOCK_FIRST send_lock
#define LOCK_SECOND recv_lock
#else
#define LOCK_FIRST recv_lock
#define LOCK_SECOND send_lock
#endif

/* What happens besides. */
proctype Event()
{
    OWN_STATE;
    bool more = false, begun = false;
    if
    :: true -> skip
    :: true -> cancelled = true; wake_all() /* EndHandle::close() */
    :: true -> atomic { !send_lock -> sends_closed = true } wake_all() /* close_sends() */
    :: true -> /* WaitGroup::end() */
        group_ended = true;
        more = true;
        do
        :: more -> atomic { MARK_WAVE(in_group, group_due, 1, 2) } DELIVER
        :: else -> break
        od
    :: true -> /* clear_sender() and close_now() take both locks */
        atomic { TAKE(LOCK_FIRST) }
        atomic { !LOCK_SECOND -> RELEASE(LOCK_FIRST) }
    fi;
    atomic { awake--; finished++ }
}

/* Looks when nothing moves any more; then closes the channel and looks again. */
active proctype Rest()
{
    OWN_STATE;
    bool more = false, begun = false;
    atomic { awake = PROCESSES; START }
    timeout;
    assert(awake == 0);
    assert(!asleep[0] || (published == gone && !sends_closed && !cancelled));
    assert(!asleep[1] || (published == gone && !sends_closed && !group_ended));
    assert(!asleep[2] || (!HAS_PLACE && !sends_closed && !group_ended));
    assert(!asleep[3] || (!HAS_PLACE && !sends_closed));
    atomic { /* close_now() */
        !recv_lock && !send_lock ->
        closed_now = true;
        sends_closed = true;
        do
        :: gone != published -> dropped = dropped | BIT(queue[gone]); gone++
        :: else -> break
        od
    }
    wake_all();
    timeout;
    assert(awake == 0 && finished == PROCESSES);
    assert(receivers == 0 && offers == 0);
    assert((accepted & refused) == 0);
    assert((accepted & (received | dropped)) == accepted && (received & dropped) == 0);
    assert((refused & (received | dropped)) == 0)
}
