// A deterministic scheduler: runs the threads of a scene as fibers of one thread, in every order that its bounds allow.
//
// The engine under it is the engine's own source. It is compiled with instrumented.hpp in front, by which `std::atomic`
// and a few other names of std mean what is declared there, and with the headers of instead/ in place of the engine's
// lock and its spinning. Whatever they do that another thread could see comes here first, as a *point*: there the
// scheduler may let another fiber go on. What a fiber does between two points nobody sees in the middle.
//
// The search is depth first and keeps no states: a play is run from its beginning with the choices of the last one, of
// which the last that has something left is changed. Two kinds:
//
//  - Whole: every order, but for those that differ only in the order of points that have nothing to do with one another
//    (sleep sets; Godefroid, "Partial-Order Methods for the Verification of Concurrent Systems", 1996).
//  - Bounded: at most so many preemptions (a fiber is left though it could go on), as in CHESS (Musuvathi and Qadeer,
//    "Iterative Context Bounding for Systematic Testing of Multithreaded Programs", PLDI 2007).
//
// Memory is that of x86: a store goes into its fiber's buffer, and from there to memory, in order, at any later moment; a
// read-modify-write and a full fence wait until it is drained (Owens, Sarkar, Sewell, "A Better x86 Memory Model:
// x86-TSO", 2009). When it came matters only to who looks, so that is chosen when somebody does. Or, cheaper, a store is
// seen at once. Reordering beyond that (of ARM, say) is not looked at.
//
// Invariants:
//  1. A play is determined by its choices: time stands still, memory comes from an arena that begins anew with each
//     play, and nothing else of the world is asked.
//  2. Nothing of the scheduler's own takes memory while a play runs.
//  3. Nobody is woken for no reason: that would only hide a lost wake-up.
#pragma once

#include <cstddef>
#include <cstdint>

namespace schedule {

// Where in the source; a default argument.
struct Where {
    const char* file;
    int line;
    static constexpr Where current(const char* file = __builtin_FILE(),
                                   int line = __builtin_LINE()) noexcept {
        return {file, line};
    }
};

struct Bounds {
    static constexpr int kNone = -1;  // whole
    int preemptions = kNone;
    bool buffers = true;  // false: memory is sequentially consistent
    // Copies of payloads are points too, and there is one behind each read-modify-write: for faults that let two threads
    // at the same bytes. Not for a whole search, which asks what a point touches.
    bool fine = false;
};

// --- what the instrumented engine calls. Outside of a play, and in its beginning and its end, these do nothing. ---

// Before the access.
void point(const void* at, bool writes, const char* what, Where where) noexcept;
// Behind a read-modify-write, and before a copy.
void fine_point(const char* what, Where where) noexcept;

// The accesses themselves: to memory, by way of the fiber's buffer.
std::uint64_t load(const void* at, std::size_t size) noexcept;
// What a read-modify-write found.
void found(std::uint64_t bits) noexcept;
void store(void* at, std::size_t size, std::uint64_t bits) noexcept;
// Everything of this fiber's buffer to memory: before a read-modify-write, at a full fence, before it sleeps.
void drain() noexcept;

// An atomic begins, or ends: whoever comes by afterwards is found out.
void born(const void* at) noexcept;
void died(const void* at) noexcept;

// A lock's word: nonzero while it is held.
void lock(std::uint64_t* word, Where where) noexcept;
// One try.
bool try_lock(std::uint64_t* word, Where where) noexcept;
// Several: where it is held, either its holder is so slow that they fail, or they are had once it is free.
bool try_lock_briefly(std::uint64_t* word, Where where) noexcept;
void unlock(std::uint64_t* word, Where where) noexcept;

enum class Wake { kWoken, kTimeout, kSignal };
// Sleeps where the word, of 32 bits, is as expected. `limited`: it may time out, at any moment.
Wake park(const void* word, std::uint32_t expected, bool limited) noexcept;
void unpark(const void* word) noexcept;

void* allocate(std::size_t size) noexcept;
void release(void* memory) noexcept;

// --- what a scene calls ---

inline constexpr int kMostFibers = 6;

// A fiber more, of this play. `body` outlives run().
void add(const char* name, void (*call)(void*), void* body) noexcept;
template <class Body>
void go(const char* name, Body& body) noexcept {
    add(name, [](void* b) { (*static_cast<Body*>(b))(); }, &body);
}
// The fiber that was added last may be interrupted so often while it sleeps.
void signals(int count) noexcept;

// Until all have ended. When nothing can happen by itself any more and somebody sleeps, `rest` runs, once, and has to
// see to it that all of them end. It does not return where the rest of the play is known; nothing of the scene is ended
// then.
void run(void (*call)(void*), void* rest) noexcept;
template <class Rest>
void run(Rest& rest) noexcept {
    run([](void* r) { (*static_cast<Rest*>(r))(); }, &rest);
}

// Any of 0 to count - 1: all are tried.
int choose(int count) noexcept;

// The play is wrong: prints its steps, and the program ends with status 1.
[[noreturn]] void wrong(const char* what, Where where = Where::current()) noexcept;
inline void expect(bool holds, const char* what, Where where = Where::current()) noexcept {
    if (!holds) wrong(what, where);
}

// --- the search ---

struct Result {
    std::uint64_t plays = 0;
    std::uint64_t known = 0;  // of these, left in the middle since the rest was known
    std::uint64_t points = 0;
    std::uint64_t seen = 0;  // how many plays differ in what their fibers saw, where that is asked for
};
// Whether a search comes by all that another does: what the fibers of each play saw (every value that was loaded, every
// lock that was tried, why a sleep ended) is noted, or has to be among what was noted by the last search that did so.
enum class Seen { kIgnored, kNoted, kChecked };
Result explore(void (*scene)(), const Bounds& bounds, Seen seen = Seen::kIgnored) noexcept;

}  // namespace schedule
