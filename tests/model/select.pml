/*
 * Select: of several operations one, and no other.
 *
 * Stands for: Select::wait, look, link_all, unlink, pass_on, withdraw, lock_all (select.cpp); Link::claim (waiter.hpp);
 * Channel::hand_over_locked, take_offer_locked, promote_locked, wake_one_locked, settle, try_send, recv (channel.cpp).
 *
 * Two channels: A of capacity 0, B of capacity 1. X receives from A or B, Y sends 0 to A or 1 to B, S sends 2 to B if
 * there is a place, and R receives one item from B. X may time out, Y may be interrupted by a signal and withdraw.
 *
 * Abstracts, besides common.pml: an item is a number. R's look, standing in line and looking again are one step; that
 * they may be taken so is waiting.pml's matter. A select takes all of its locks in one step, but in scene 2, where X and
 * Y are alone and take them one by one. No select stands in one line twice, so in which order it stands up there is not
 * seen.
 *
 * Properties, and the faults that show that they are checked:
 *  - A select does one operation, the one that it says: SKIP_CLAIM, SKIP_CHOSEN_LOOK, WITHDRAW_BLINDLY.
 *  - When it ends it is in no line: SKIP_LOSERS_REMOVAL.
 *  - No item is received twice, none is lost, and there is never more than one in B.
 *  - At rest nobody sleeps for whom there is something: SKIP_PASS_ON.
 *  - Two selects do not wait for each other's locks: LOCK_IN_ORDER_OF_OPERATIONS.
 */
#define WAITERS 3
#define X 0
#define Y 1
#define R 2
#ifndef SCENE
#define SCENE 1
#endif
#if SCENE == 1
#define PROCESSES 4
#define START run SelectX(); run SelectY(); run TrySender(); run Receiver()
#else
#define PROCESSES 2
#define START run SelectX(); run SelectY()
#endif
#include "common.pml"

bool recv_a, send_a, recv_b, send_b; /* the locks */
bool b_full, queued_is; /* B: whether an item is in it, and which: 1, or 2 where queued_is */
byte receivers_b;
bool closed;
byte signals = 1;

/* Links. Each stands in a line of its own but for the receivers of B. */
#define X_A 0
#define X_B 1
#define Y_A 2
#define Y_B 3
#define R_B 4
bool linked[5];
bool r_first; /* R stands before X */
byte chosen[2]; /* Select::chosen_ of X, Y: a link + 1 */

byte x_has, r_has; /* item + 1 */
byte received, accepted;
byte finished;

/* Link::claim() of a link of select s. */
#ifdef SKIP_CLAIM
#define CLAIM(s, link) true
#else
#define CLAIM(s, link) chosen[s] == 0
#endif
#define CHOOSE(s, link) chosen[s] = link + 1

inline note_received(item)
{
    assert((received & BIT(item)) == 0);
    received = received | BIT(item)
}
/* Y's item has gone: the only one. */
inline note_sent(item)
{
    assert((accepted & 3) == 0);
    accepted = accepted | BIT(item)
}
inline append(item)
{
    assert(!b_full);
    b_full = true;
    queued_is = item == 2
}
inline take_queued(has)
{
    has = (queued_is -> 2 : 1) + 1;
    note_received(has - 1);
    b_full = false;
    queued_is = false
}
inline unlink_b(link) { linked[link] = false; receivers_b-- }

/* promote_locked() of B. */
inline promote_b()
{
    if
    :: linked[Y_B] && !b_full && !closed ->
        linked[Y_B] = false;
        if
        :: CLAIM(Y, Y_B) -> CHOOSE(Y, Y_B); note_sent(1); append(1); mark_woken(Y); moved_in = 1
        :: else
        fi
    :: else
    fi
}
/* recv_locked() of B. */
inline recv_from_b(has)
{
    if
    :: b_full -> take_queued(has); promote_b(); status = OK
    :: else -> /* at capacity 1 an offer stands only where the queue is full, or was when it linked */
        if
        :: linked[Y_B] && !closed ->
            linked[Y_B] = false;
            if
            :: CLAIM(Y, Y_B) -> CHOOSE(Y, Y_B); note_sent(1); has = 2; note_received(1); mark_woken(Y); status = OK
            :: else
            fi
        :: else
        fi
    fi;
    if
    :: status == WOULD_BLOCK && closed -> status = CLOSED
    :: else
    fi
}
/* wake_receivers(1) of B: it says "look again", no more. */
inline wake_b()
{
    if
    :: receivers_b != 0 ->
        atomic {
            !recv_b ->
            if
            :: linked[R_B] && (r_first || !linked[X_B]) -> unlink_b(R_B); mark_woken(R)
            :: else ->
                if
                :: linked[X_B] -> unlink_b(X_B); mark_woken(X)
                :: else
                fi
            fi
        }
        deliver()
    :: else
    fi
}
/* settle() of B. */
inline settle_b()
{
    if
    :: b_full || linked[Y_B] -> wake_b()
    :: else
    fi;
    moved_in = 0;
    atomic { !recv_b && !send_b -> promote_b() }
    deliver();
    if
    :: moved_in != 0 -> wake_b()
    :: else
    fi;
    moved_in = 0
}

#if SCENE == 2
#ifdef LOCK_IN_ORDER_OF_OPERATIONS
#define LOCK_Y atomic { TAKE(recv_b) } atomic { TAKE(send_b) } atomic { TAKE(recv_a) } atomic { TAKE(send_a) }
#else
#define LOCK_Y LOCK_X
#endif
#define LOCK_X atomic { TAKE(recv_a) } atomic { TAKE(send_a) } atomic { TAKE(recv_b) } atomic { TAKE(send_b) }
#define UNLOCK_ALL RELEASE(send_b); RELEASE(recv_b); RELEASE(send_a); RELEASE(recv_a)
#else
#define LOCK_X skip
#define LOCK_Y skip
#define UNLOCK_ALL skip
#endif
#define ALL_FREE (held != 0 || (!recv_a && !send_a && !recv_b && !send_b))

#ifdef SKIP_CHOSEN_LOOK
#define CHOSEN(s) 0
#else
#define CHOSEN(s) chosen[s]
#endif

inline try_x_a()
{
    if
    :: status == WOULD_BLOCK && linked[Y_A] ->
        linked[Y_A] = false; /* take_offer_locked() */
        if
        :: CLAIM(Y, Y_A) ->
            CHOOSE(Y, Y_A);
            note_sent(0);
            assert(x_has == 0);
            x_has = 1;
            note_received(0);
            mark_woken(Y);
            index = X_A;
            status = OK
        :: else
        fi
    :: else
    fi
}
inline try_x_b()
{
    if
    :: status == WOULD_BLOCK ->
        assert(x_has == 0);
        recv_from_b(x_has);
        if
        :: status == OK -> index = X_B
        :: else
        fi
    :: else
    fi
}
inline unlink_x()
{
    linked[X_A] = false;
    if
    :: linked[X_B] -> unlink_b(X_B); stood = false
    :: else
    fi
}

proctype SelectX()
{
    OWN_STATE;
    byte moved_in = 0, index = 9;
    bool stood = false;
    alive[X] = true;
look:
    leave = woken;
    LOCK_X;
    atomic {
        ALL_FREE ->
        status = WOULD_BLOCK;
        if
        :: CHOSEN(X) != 0 -> index = chosen[X] - 1; status = OK
        :: else ->
            if /* in an order drawn at random */
            :: true -> try_x_a(); try_x_b()
            :: true -> try_x_b(); try_x_a()
            fi
        fi;
        if
        :: status != WOULD_BLOCK ->
#ifdef SKIP_LOSERS_REMOVAL
            skip
#else
            unlink_x()
#endif
        :: status == WOULD_BLOCK && leave == OK -> /* link_all() */
            linked[X_A] = true;
            if
            :: !linked[X_B] -> linked[X_B] = true; receivers_b++; r_first = linked[R_B]
            :: else
            fi;
            stood = true;
            word[X] = WAITING
        :: status == WOULD_BLOCK && leave != OK -> unlink_x(); stood = false; status = leave
        :: else
        fi;
        UNLOCK_ALL
    }
    deliver();
    if
    :: status == WOULD_BLOCK -> sleep_until_woken(X, true); goto look
    :: else
    fi;
    if
    :: moved_in != 0 -> wake_b(); moved_in = 0
    :: else
    fi;
#ifndef SKIP_PASS_ON
    if
    :: stood && !(index == X_B && status == OK) -> settle_b()
    :: else
    fi;
#endif
    if
    :: status == INTERRUPTED -> woken = OK; goto look
    :: else
    fi;
    atomic {
        assert(!linked[X_A] && !linked[X_B]);
        assert((status == OK) == (x_has != 0));
        assert(status != OK || (index == X_A) == (x_has == 1));
        alive[X] = false;
        awake--;
        finished++
    }
}

inline try_y_a()
{
    if
    :: status == WOULD_BLOCK && !linked[Y_A] && linked[X_A] -> /* hand_over_locked() */
        linked[X_A] = false;
        if
        :: CLAIM(X, X_A) ->
            CHOOSE(X, X_A);
            assert(x_has == 0 && alive[X]);
            x_has = 1;
            note_sent(0);
            note_received(0);
            mark_woken(X);
            index = Y_A;
            status = OK
        :: else
        fi
    :: else
    fi
}
inline try_y_b()
{
    if
    :: status == WOULD_BLOCK && !b_full -> note_sent(1); append(1); moved_in = 1; index = Y_B; status = OK
    :: else
    fi
}

proctype SelectY()
{
    OWN_STATE;
    byte moved_in = 0, index = 9;
    alive[Y] = true;
look:
    leave = woken;
    LOCK_Y;
    atomic {
        ALL_FREE ->
        status = WOULD_BLOCK;
        if
        :: CHOSEN(Y) != 0 -> index = chosen[Y] - 1; status = OK
        :: CHOSEN(Y) == 0 && closed -> status = CLOSED
        :: else ->
            if
            :: true -> try_y_a(); try_y_b()
            :: true -> try_y_b(); try_y_a()
            fi
        fi;
        if
        :: status != WOULD_BLOCK -> linked[Y_A] = false; linked[Y_B] = false
        :: status == WOULD_BLOCK && leave == OK -> linked[Y_A] = true; linked[Y_B] = true; word[Y] = WAITING
        :: status == WOULD_BLOCK && leave == INTERRUPTED -> status = leave /* the offers stand on */
        :: else -> linked[Y_A] = false; linked[Y_B] = false; status = leave
        fi;
        UNLOCK_ALL
    }
    deliver();
    if
    :: status == WOULD_BLOCK -> sleep_until_woken(Y, true); goto look
    :: else
    fi;
    if
    :: moved_in != 0 -> wake_b(); moved_in = 0
    :: else
    fi;
    if
    :: status == INTERRUPTED ->
        woken = OK;
        if
        :: goto look
        :: skip
        fi;
        LOCK_Y;
        atomic { /* withdraw() */
            ALL_FREE ->
#ifndef WITHDRAW_BLINDLY
            if
            :: chosen[Y] != 0 -> index = chosen[Y] - 1; status = OK
            :: else
            fi;
#endif
            linked[Y_A] = false;
            linked[Y_B] = false;
            UNLOCK_ALL
        }
    :: else
    fi;
    atomic {
        assert(!linked[Y_A] && !linked[Y_B]);
        assert((status == OK) == ((accepted & 3) != 0));
        assert(status != OK || (index == Y_A) == ((accepted & 1) != 0));
        alive[Y] = false;
        awake--;
        finished++
    }
}

proctype TrySender()
{
    OWN_STATE;
    bool sent = false;
    atomic {
        !send_b ->
        if
        :: !b_full && !linked[Y_B] && !closed -> append(2); accepted = accepted | 4; sent = true
        :: else
        fi
    }
    if
    :: sent -> wake_b()
    :: else
    fi;
    atomic { awake--; finished++ }
}

proctype Receiver()
{
    OWN_STATE;
    byte moved_in = 0;
    alive[R] = true;
look:
    atomic {
        !recv_b && !send_b ->
        status = WOULD_BLOCK;
        recv_from_b(r_has);
        if
        :: status == WOULD_BLOCK && !linked[R_B] -> linked[R_B] = true; receivers_b++; r_first = !linked[X_B]
        :: else
        fi;
        if
        :: status == WOULD_BLOCK -> word[R] = WAITING
        :: status != WOULD_BLOCK && linked[R_B] -> unlink_b(R_B)
        :: else
        fi
    }
    deliver();
    if
    :: moved_in != 0 -> wake_b(); moved_in = 0
    :: else
    fi;
    if
    :: status == WOULD_BLOCK -> sleep_until_woken(R, false); goto look
    :: else
    fi;
    atomic { assert(!linked[R_B]); alive[R] = false; awake--; finished++ }
}

/* A close of both, which refuses offers and wakes; waves are waiting.pml's matter. */
#define WAKE_IF(is, w) atomic { if :: is -> mark_woken(w) :: else fi } deliver()

active proctype Rest()
{
    OWN_STATE;
    atomic { awake = PROCESSES; START }
    timeout;
    assert(awake == 0);
    assert(!asleep[R] || (!b_full && !linked[Y_B]));
    assert(!asleep[X] || (!b_full && !linked[Y_A] && !linked[Y_B]));
    assert(!asleep[Y] || (b_full && !linked[X_A]));
    closed = true;
    WAKE_IF(linked[X_A] || linked[X_B], X);
    WAKE_IF(linked[R_B], R);
    WAKE_IF(linked[Y_A] || linked[Y_B], Y);
    timeout;
    assert(awake == 0 && finished == PROCESSES);
    assert(receivers_b == 0 && !linked[X_A] && !linked[X_B] && !linked[Y_A] && !linked[Y_B] && !linked[R_B]);
    assert((accepted & ~(b_full -> (queued_is -> 4 : 2) : 0)) == received)
}
