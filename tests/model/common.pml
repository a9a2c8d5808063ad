/*
 * What the models share: the spin lock, a waiter's word, sleeping on it, and being woken. spin_lock.hpp, park.hpp,
 * blocked.hpp and Waiter in waiter.hpp, of which it abstracts:
 *
 *  - A lock is taken in one step, and who waits for it waits without a step. A bounded try fails only while the lock
 *    is held.
 *  - What one thread does under a lock is one step together with taking and releasing it, as far as nobody can look
 *    in between: up to, and from, the access to something that others read without the lock. (Lipton's reduction:
 *    taking a lock commutes to the right, releasing it to the left.) The group's lock, a leaf, is never seen held.
 *  - park(): the futex compares and goes to sleep in one step, as the kernel does, and so does the portable one, under
 *    its mutex. unpark() of one who does not sleep is lost. Nobody wakes for no reason: that would only hide a lost
 *    wake-up.
 *  - Memory is sequentially consistent. That the fences are where they have to be is fences.pml's matter.
 *
 * A process keeps `held`, how many locks it holds, and `wakes`, the waiters that it has yet to unpark, a bit each
 * (WakeList). `awake` counts the processes that neither sleep nor have ended: a state of rest is one in which nothing
 * can happen by itself (`timeout`), and then there must be none; else somebody waits for a lock for ever.
 */
mtype = { WAITING, PARKED, WOKEN };                                                    /* Waiter::word */
mtype = { OK, OWING, WOULD_BLOCK, CONTENDED, CLOSED, TIMEOUT, INTERRUPTED, CANCELLED, ENDING }; /* Status */

#define BIT(i) (1 << (i))

mtype word[WAITERS] = WAITING;
bool asleep[WAITERS];
bool alive[WAITERS]; /* its memory is there */
byte awake;

/* What every process has of its own. */
#define OWN_STATE byte held = 0; byte wakes = 0; byte other = 0; mtype status = OK; mtype woken = OK; mtype leave = OK

/* Inside of a step. */
#define TAKE(l) !l -> l = true; held++
#define RELEASE(l) l = false; held--

/* Waiter::mark_woken(), by who holds the lock of the waiter's list: what has to be unparked is noted. */
inline mark_woken(w)
{
    assert(alive[w]); /* nobody touches a waiter that has gone */
    if
    :: word[w] == PARKED -> wakes = wakes | BIT(w)
    :: else
    fi;
    word[w] = WOKEN
}

/* WakeList::deliver(): unpark(), of addresses that may mean nothing by now. */
inline deliver()
{
    do
    :: wakes != 0 ->
        atomic {
            assert(held == 0); /* wake after unlock */
            other = 0;
            do
            :: (wakes & BIT(other)) == 0 -> other++
            :: else -> break
            od;
            wakes = wakes & ~BIT(other);
            if
            :: asleep[other] -> asleep[other] = false; awake++
            :: else
            fi;
            other = 0
        }
    :: else -> break
    od
}

#ifdef PARK_WITHOUT_COMPARING
#define PARK_COMPARES(w) true
#else
#define PARK_COMPARES(w) word[w] == PARKED
#endif

/* sleep_until_woken(). A waiter with a limit may time out or, while there are signals left, be interrupted. */
inline sleep_until_woken(w, limited)
{
    woken = WOULD_BLOCK;
    do
    :: woken == WOULD_BLOCK ->
        atomic {
            if
            :: word[w] == WAITING -> word[w] = PARKED
            :: word[w] == WOKEN -> woken = OK
            :: else
            fi
        }
        if
        :: woken == WOULD_BLOCK ->
            atomic { /* park(): compares, and sleeps */
                if
                :: PARK_COMPARES(w) -> asleep[w] = true; awake--
                :: else
                fi
            }
            if
            :: !asleep[w]
            :: atomic { limited && asleep[w] -> asleep[w] = false; awake++; woken = TIMEOUT }
            :: atomic { limited && asleep[w] && signals > 0 ->
                    signals--; asleep[w] = false; awake++; woken = INTERRUPTED }
            fi
        :: else
        fi
    :: else -> break
    od
}
