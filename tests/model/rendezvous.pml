/*
 * Rendezvous, capacity 0: a send is an offer that stands in line, or is handed to a receiver who waits; it is done when
 * a receiver has the item, and can be withdrawn until then. A watch is told of offers and handed nothing.
 *
 * Stands for: Channel::try_send, hand_over_locked, take_offer_locked, recv, try_recv, tell_receivers, wake_one_locked,
 * settle, close_now, wake_all (channel.cpp); Offer::step, look_locked, wait, withdraw, and its destructor (offer.cpp);
 * Watch::arm_locked, cancel (watch.cpp).
 *
 * Abstracts, besides common.pml: an item is a number; the parcel that is moved is the bit that says who has it. At
 * capacity 0 every look is under both locks, hence one step, and so is arming a watch; withdrawing an offer takes one.
 * A watch's descriptor is its waiter's word: told, it is marked and "unparked". Scenes: two receivers and two
 * senders, of whom one each has a limit; two watches, of whom one may be cancelled at any moment, and two senders; the
 * same and one sender.
 *
 * Properties, and the faults that show that they are checked:
 *  - At rest no offer stands while a receiver or a watch waits: DROP_TELL, DROP_PASS_ON, DROP_ARM_RECHECK.
 *  - An item is received once, or its send has failed, and never both: DROP_DELIVERED_LOOK (what was handed over is
 *    lost at the limit), WITHDRAW_BLINDLY, HAND_OVER_WITHOUT_RECV_LOCK.
 *  - When a call ends nothing of it is in line: LEAVE_OFFER, KEEP_TAKEN_OFFER, LEAVE_WATCH. It may end without a lock, as
 *    soon as it sees that its item went or came; nobody touches anything of it then: SENT_BEFORE_MARK.
 */
#define WAITERS 6
#ifndef SCENE
#define SCENE 1
#endif
#if SCENE == 1
#define PROCESSES 4
#define START run Receiver(0, false); run Receiver(1, true); run Sender(2, false, 0); run Sender(3, true, 1)
#elif SCENE == 2
#define PROCESSES 4
#define START run Watcher(4, true); run Watcher(5, false); run Sender(2, false, 0); run Sender(3, false, 1)
#else
#define PROCESSES 3
#define START run Watcher(4, true); run Watcher(5, false); run Sender(2, false, 0)
#endif
#include "common.pml"

bool recv_lock, send_lock, closed;
byte receivers, offers; /* receivers_count_, offers_count_ */
byte signals = 1;

/* Lists of two, as in waiting.pml. 0, 1: receivers who can be handed something; 2, 3: offers; 4, 5: watches. */
bool linked[WAITERS];
byte ahead[3] = { 0, 2, 4 };
#define LISTED(w) ((w) / 2)
#define OTHER_OF(w) ((w) ^ 1)
#define ANY(list) (linked[2 * (list)] || linked[2 * (list) + 1])
#define FRONT(list) (linked[ahead[list]] -> ahead[list] : OTHER_OF(ahead[list]))

bool delivered[2];       /* receive lock */
bool sent[WAITERS];      /* send lock */
byte offered[WAITERS];
byte has[WAITERS];       /* item + 1: what a receiver has */
byte received, accepted, refused;
byte finished;

inline insert(w)
{
    ahead[LISTED(w)] = OTHER_OF(w);
    linked[w] = true
}
inline unlink_receiver(w) { linked[w] = false; receivers-- }
inline unlink_offer(w) { linked[w] = false; offers-- }
inline note_received(w, item)
{
    assert((received & BIT(item)) == 0);
    received = received | BIT(item);
    has[w] = item + 1
}

/* hand_over_locked(): to a receiver who waits. */
inline hand_over_locked(item)
{
    other = FRONT(0);
    unlink_receiver(other);
    assert(alive[other]); /* its memory gets the parcel */
    note_received(other, item);
    delivered[other] = true;
    mark_woken(other);
    other = 0
}
/* recv_locked() and take_offer_locked(): the front offer's item is w's. */
inline recv_locked(w)
{
    if
    :: closed -> status = CLOSED
    :: else ->
        if
        :: offers != 0 ->
            other = FRONT(1);
            note_received(w, offered[other]);
#ifndef KEEP_TAKEN_OFFER
            unlink_offer(other);
#endif
            sent[other] = true;
#ifdef SENT_BEFORE_MARK
            late = other + 1;
#else
            mark_woken(other);
#endif
            other = 0;
            status = OK
        :: else -> status = WOULD_BLOCK
        fi
    fi
}

/* wake_receivers(1), holding nothing: a watch, who promises to look. */
inline wake_watch()
{
    atomic {
        !recv_lock ->
        if
        :: ANY(2) -> other = FRONT(2); unlink_receiver(other); mark_woken(other); other = 0
        :: else
        fi
    }
    deliver()
}

#ifdef SENT_BEFORE_MARK
#define MARK_LATE atomic { if :: late != 0 -> other = late - 1; late = 0; mark_woken(other); other = 0 :: else fi }
#else
#define MARK_LATE
#endif

proctype Receiver(byte me; bool limited)
{
    OWN_STATE;
    byte late = 0;
    alive[me] = true;
look:
    leave = woken;
#ifdef DROP_DELIVERED_LOOK
    if
    :: leave == TIMEOUT ->
        atomic {
            !recv_lock ->
            if
            :: linked[me] -> unlink_receiver(me)
            :: else
            fi;
            status = leave
        }
        goto returned
    :: else
    fi;
#endif
    atomic {
        !recv_lock && !send_lock ->
        if
        :: delivered[me] -> status = OK
        :: else -> recv_locked(me)
        fi;
        if
        :: status == WOULD_BLOCK && leave == OK && !linked[me] -> insert(me); receivers++
        :: else
        fi;
        if
        :: status == WOULD_BLOCK && leave != OK -> status = leave
        :: status == WOULD_BLOCK && leave == OK -> word[me] = WAITING
        :: else
        fi;
        if
        :: status != WOULD_BLOCK && linked[me] -> unlink_receiver(me)
        :: else
        fi
    }
    MARK_LATE
    deliver();
    if
    :: status == WOULD_BLOCK ->
        sleep_until_woken(me, limited);
        if
        :: delivered[me] -> status = OK /* without a lock */
        :: else -> goto look
        fi
    :: status == INTERRUPTED -> woken = OK; goto look /* looks at the signal, and calls again */
    :: else
    fi;
returned:
    atomic {
        assert(!linked[me]);
        assert((status == OK) == (has[me] != 0));
        alive[me] = false;
        awake--;
        finished++
    }
}

/* A watch and who owns it: until it has received one item, or the channel is closed, or it is cancelled. */
proctype Watcher(byte me; bool may_cancel)
{
    OWN_STATE;
    byte late = 0;
    bool armed = false;
    alive[me] = true;
try:
    atomic { !recv_lock && !send_lock -> recv_locked(me); armed = false } /* try_recv(), looked() */
    MARK_LATE
    deliver();
    if
    :: status != WOULD_BLOCK -> goto returned
    :: else
    fi;
    /* arm_locked(): linked, then look. A marked watch has to be told, whatever it does: as one who is parked. */
    atomic {
        !recv_lock && !send_lock ->
        word[me] = PARKED;
        insert(me);
        receivers++;
        status = WOULD_BLOCK;
#ifndef DROP_ARM_RECHECK
        if
        :: offers != 0 || closed -> unlink_receiver(me); status = OK
        :: else
        fi;
#endif
        armed = status == WOULD_BLOCK
    }
    if
    :: !armed -> goto try
    :: else
    fi;
wait:
    atomic { /* the descriptor is waited for; who is not in the ready list then waits on */
        if
        :: word[me] != WOKEN -> asleep[me] = true; awake--
        :: else
        fi
    }
    if
    :: !asleep[me] ->
        if
        :: word[me] != WOKEN -> goto wait
        :: word[me] == WOKEN -> goto try
        :: may_cancel && word[me] == WOKEN /* told, and cancelled before it has looked */
        fi
    :: atomic { may_cancel && asleep[me] -> asleep[me] = false; awake++ }
    fi;
    /* cancel() */
    atomic {
        !recv_lock ->
        if
#ifndef LEAVE_WATCH
        :: linked[me] -> unlink_receiver(me); armed = false
#endif
        :: else
        fi
    }
#ifndef DROP_PASS_ON
    if
    :: armed -> wake_watch() /* settle() */
    :: else
    fi;
#endif
    status = CANCELLED;
returned:
    atomic { assert(!linked[me]); alive[me] = false; awake--; finished++ }
}

proctype Sender(byte me; bool limited; byte item)
{
    OWN_STATE;
    bool stood_up = false;
    /* try_send(), attached: two bounded tries */
    atomic {
        status = WOULD_BLOCK;
        if
        :: recv_lock || send_lock -> status = CONTENDED
        :: else ->
            if
            :: closed -> status = CLOSED
            :: !closed && ANY(0) -> hand_over_locked(item); status = OK
            :: else
            fi
        fi
    }
    deliver();
    if
    :: status == OK || status == CLOSED -> goto done
    :: else
    fi;
    atomic { alive[me] = true; offered[me] = item }
step:
    leave = woken;
#ifdef HAND_OVER_WITHOUT_RECV_LOCK
    if
    :: !linked[me] && !sent[me] && ANY(0) ->
        stood_up = false;
        other = FRONT(0);
        atomic {
            assert(linked[other]); /* else it has left meanwhile */
            hand_over_locked(item);
            status = OK
        }
        deliver();
        goto done
    :: else
    fi;
#endif
    atomic {
        !recv_lock && !send_lock ->
        stood_up = false;
        if
        :: sent[me] -> status = OK
        :: !sent[me] && closed ->
            if
            :: linked[me] -> unlink_offer(me)
            :: else
            fi;
            status = CLOSED
        :: !sent[me] && !closed && !linked[me] && ANY(0) -> hand_over_locked(item); sent[me] = true; status = OK
        :: else -> status = WOULD_BLOCK
        fi;
        if
        :: status == WOULD_BLOCK && leave == OK && !linked[me] -> insert(me); offers++; stood_up = true
        :: else
        fi;
        if
        :: status == WOULD_BLOCK && leave == OK -> word[me] = WAITING
        :: status == WOULD_BLOCK && leave != OK ->
            if
            :: linked[me] && leave != INTERRUPTED -> unlink_offer(me)
            :: else
            fi;
            status = leave
        :: else
        fi
    }
    deliver();
#ifndef DROP_TELL
    if
    :: stood_up && receivers != 0 -> wake_watch() /* tell_receivers(1) */
    :: else
    fi;
#endif
    if
    :: status == WOULD_BLOCK ->
        sleep_until_woken(me, limited);
        if
        :: sent[me] -> status = OK /* without a lock */
        :: else -> goto step
        fi
    :: status == INTERRUPTED ->
        woken = OK;
        if
        :: goto step
        :: skip /* the signal's handler raised: withdraw() */
        fi;
#ifndef LEAVE_OFFER
        atomic {
            !send_lock ->
            if
            :: linked[me] -> unlink_offer(me)
            :: else
            fi;
#ifndef WITHDRAW_BLINDLY
            if
            :: sent[me] -> status = OK
            :: else
            fi
#endif
        }
#endif
    :: else
    fi;
done:
    atomic {
        assert(!linked[me]);
        alive[me] = false;
        if
        :: status == OK -> accepted = accepted | BIT(item)
        :: else -> refused = refused | BIT(item)
        fi;
        awake--;
        finished++
    }
}

/* wake_all(): here those who are linked when the close is seen; waves are waiting.pml's matter. */
inline wake_linked(w)
{
    atomic {
        if
        :: linked[w] ->
            if
            :: w >= 4 -> unlink_receiver(w)
            :: else
            fi;
            mark_woken(w)
        :: else
        fi
    }
    deliver()
}

active proctype Rest()
{
    OWN_STATE;
    atomic { awake = PROCESSES; START }
    timeout;
    assert(awake == 0);
    assert(!((asleep[2] || asleep[3]) && (asleep[0] || asleep[1] || asleep[4] || asleep[5])));
    atomic { !recv_lock && !send_lock -> closed = true }
    wake_linked(0);
    wake_linked(1);
    wake_linked(4);
    wake_linked(5);
    wake_linked(2);
    wake_linked(3);
    timeout;
    assert(awake == 0 && finished == PROCESSES);
    assert(receivers == 0 && offers == 0);
    assert(accepted == received);
    assert((refused & received) == 0)
}
