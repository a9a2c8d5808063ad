/*
 * A loan's return: what an interpreter lent comes back to it from any thread, and what is still lent when it ends is
 * copied out first.
 *
 * Stands for: Owned::release, unref; Interpreter::adopt, forget, push_returned, ask_for_drain, drain_pending, drain,
 * give_back_all, end (interpreter/interpreter.cpp); Loan::copy_to, give_back, outlive, object_here
 * (crossing/attachments.cpp).
 *
 * One owner, whose only thread has its GIL throughout, and three loans: 0 and 1 are with other interpreters, each of
 * which reads it or not and releases it; 2 comes back to the owner itself, or is dropped by it, or is still queued when
 * the owner has ended, and is then released by the thread that had loan 1. At any moment the owner runs the pending
 * call that it was asked for, or ends. Asking for one may fail.
 *
 * Abstracts: the stack of what was returned is the set of it, which changes in one step, as its compare-and-exchange
 * does; the list of what is out is a set, too. The lock of the lists is the owner's own. Memory for the copy may fail.
 *
 * Properties, and the faults that show that they are checked:
 *  - An object is given back once, by its owner, while it lives: GIVE_BACK_ANYWHERE, DRAIN_AND_LEAVE.
 *  - A loan is freed once, and not touched afterwards: ONE_REFERENCE, FORGET_TO_UNREF (never freed).
 *  - Nobody reads an object that was given back: COPY_UNLOCKED, DROP_OUTLIVE.
 *  - Nothing is left when all have ended: LEAVE_STACK_OPEN, OUTLIVE_FIRST.
 *  - Nobody asks an interpreter that is gone for a pending call: DROP_ASKING_WAIT.
 */
#define LOANS 3
#define BIT(i) (1 << (i))

bool object[LOANS] = true; /* the owner's: the loan holds a reference */
byte given_back[LOANS];
bool copied[LOANS], lost[LOANS]; /* where data_ points: the object, unless one of these */
bool reading[LOANS];
#ifdef ONE_REFERENCE
byte refs[LOANS] = 1;
#else
byte refs[LOANS] = 2; /* the parcel's, and the owner's list's */
#endif
bool freed[LOANS];

byte out = 7, returned; /* sets */
bool marked;            /* returned_ is ended_mark() */
bool drain_asked, pending, ended, gone;
byte asking;
bool loan_2_is_left, loan_2_is_done;
byte finished;

inline touch(l) { assert(!freed[l]) }
inline free(l) { touch(l); freed[l] = true }
inline unref(l)
{
    atomic {
        touch(l);
        refs[l]--;
        if
        :: refs[l] == 0 -> free(l)
        :: else
        fi
    }
}
inline forget(l) { touch(l); assert(out & BIT(l)); out = out & ~BIT(l) }
/* Loan::give_back(), by the owner: `mine` says who runs it. */
inline give_back(l)
{
    assert(mine && !gone);
    touch(l);
    assert(object[l]);
    object[l] = false;
    given_back[l]++
}
inline copy_to(l)
{
#ifndef COPY_UNLOCKED
    atomic { touch(l); !reading[l] -> reading[l] = true }
#endif
    if
    :: lost[l] -> skip
    :: !lost[l] && copied[l] -> touch(l)
    :: else ->
        touch(l); /* the address was read; the copy itself takes its time */
        assert(object[l])
    fi;
    reading[l] = false
}

/* Owned::release(), by a thread that is not attached to the owner. */
inline release(l)
{
#ifdef GIVE_BACK_ANYWHERE
    atomic { give_back(l); forget(l); free(l) }
#else
    atomic {
        touch(l);
        if
        :: !marked -> returned = returned | BIT(l); pushed = true
        :: else -> pushed = false
        fi
    }
    if
    :: pushed -> /* ask_for_drain() */
        asking++;
        if
        :: !ended ->
            atomic {
                asked = drain_asked;
                drain_asked = true
            }
            if
            :: !asked ->
                if
                :: assert(!gone); pending = true
                :: assert(!gone); drain_asked = false
                fi
            :: else
            fi
        :: else
        fi;
        asking--
    :: else -> unref(l)
    fi
#endif
}

proctype Other(byte l)
{
    bool pushed = false, asked = false;
#ifdef GIVE_BACK_ANYWHERE
    bool mine = false;
#endif
    if
    :: copy_to(l)
    :: skip
    fi;
    release(l);
    if
    :: l == 1 -> (loan_2_is_left || loan_2_is_done);
        if
        :: loan_2_is_left -> copy_to(2); release(2)
        :: else
        fi
    :: else
    fi;
    finished++
}

/* give_back_all() of a set that is the owner's alone by now. */
inline give_back_all(set)
{
    i = 0;
    do
    :: i < LOANS ->
        if
        :: set & BIT(i) -> atomic { forget(i); give_back(i); free(i) }
        :: else
        fi;
        i++
    :: else -> break
    od;
    i = 0;
    set = 0
}
inline drain()
{
    atomic {
        taken = returned;
#ifndef DRAIN_AND_LEAVE
        returned = 0
#endif
    }
    give_back_all(taken)
}
inline close_stack()
{
    atomic {
        taken = returned;
        returned = 0;
#ifndef LEAVE_STACK_OPEN
        marked = true
#endif
    }
    give_back_all(taken)
}
/* What is still out is made independent. */
inline outlive_all()
{
    do
    :: i < LOANS ->
        if
        :: out & BIT(i) ->
            forget(i);
#ifndef DROP_OUTLIVE
#ifndef COPY_UNLOCKED
            atomic { !reading[i] -> reading[i] = true }
#endif
            if
            :: copied[i] = true
            :: lost[i] = true /* no memory for the copy */
            fi;
            reading[i] = false;
#endif
            give_back(i);
#ifndef FORGET_TO_UNREF
            unref(i)
#endif
        :: else
        fi;
        i++
    :: else -> break
    od;
    i = 0
}

proctype Owner()
{
    byte i = 0, taken = 0;
    bool mine = true;
    do
    :: pending -> pending = false; drain_asked = false; drain()
    :: !freed[2] && (out & BIT(2)) -> /* received here, or dropped here: Owned::release(), attached */
        atomic { forget(2); give_back(2); free(2) }
    :: !freed[2] -> loan_2_is_left = true; break
    :: freed[2] -> loan_2_is_done = true; break
    od;
    /* end() */
#ifdef OUTLIVE_FIRST
    outlive_all();
    close_stack();
#else
    close_stack();
    outlive_all();
#endif
    ended = true;
#ifndef DROP_ASKING_WAIT
    asking == 0;
#endif
    gone = true;
    finished++
}

active proctype Rest()
{
    atomic { run Other(0); run Other(1); run Owner() }
    timeout;
    assert(finished == 3);
    assert(freed[0] && freed[1] && freed[2]);
    assert(given_back[0] == 1 && given_back[1] == 1 && given_back[2] == 1);
    assert(out == 0 && returned == 0 && asking == 0)
}
