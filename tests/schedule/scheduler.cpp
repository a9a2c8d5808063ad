#include "schedule/scheduler.hpp"

#include <signal.h>
#include <ucontext.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "schedule/arena.hpp"
#include "schedule/choices.hpp"

namespace schedule {
namespace {

constexpr std::size_t kStack = 256 * 1024;
constexpr int kMostSteps = 20'000;  // in one play; what needs more goes round in circles
constexpr int kMostBuffered = 32;

enum class Doing : std::uint8_t { kGoing, kLocking, kSleeping, kEnded };

struct Buffered {
    void* at;
    std::size_t size;
    std::uint64_t bits;
};

struct Fiber {
    const char* name = "";
    void (*call)(void*) = nullptr;
    void* body = nullptr;
    ucontext_t context;
    Doing doing = Doing::kGoing;
    const void* at = nullptr;  // what it touches when it goes on: a word, a lock
    bool writes = false;
    bool limited = false;
    int signals = 0;
    int held = 0;  // locks
    Wake wake = Wake::kWoken;
    Buffered buffer[kMostBuffered];
    int buffered = 0;
    std::uint64_t saw = 0;  // a hash
};

// What may happen next.
enum class Kind : std::uint8_t { kGoOn, kTimeout, kSignal };
struct Option {
    int fiber;
    Kind kind;
    bool preempts;
};

struct Step {
    int fiber;
    const char* what;
    const void* at;
    const char* file;
    int line;
};

// All of a play.
Bounds bounds;
Fiber fibers[kMostFibers + 1];  // the last is the one at rest
int count = 0;
int current = -1;  // none: the scene's own beginning and end
bool playing = false;
bool rested = false;
bool known = false;  // the rest of this play was seen in another
void (*scene)() = nullptr;
int preemptions = 0;
std::uint32_t asleep = 0;  // a sleep set: bit fiber * 4 + kind
ucontext_t scene_context;
ucontext_t search_context;
void (*rest_call)(void*) = nullptr;
void* rest_body = nullptr;

Step steps[kMostSteps];
int steps_made = 0;
std::uint64_t points = 0;

std::byte* stacks = nullptr;
alignas(64) std::byte signal_stack[64 * 1024];

// What lay in freed memory is no address.
void on_fault(int) { wrong("touches memory that is not its own"); }

const char* base(const char* file) noexcept {
    const char* const slash = std::strrchr(file, '/');
    return slash ? slash + 1 : file;
}

void note(const char* what, const void* at, Where where) noexcept {
    if (steps_made == kMostSteps) wrong("it goes round in circles", where);
    steps[steps_made++] = {current, what, at, where.file, where.line};
}

// An address is not the same in every play: that there is one is enough.
void saw(std::uint64_t bits) noexcept {
    if (current < 0) return;
    std::uint64_t& hash = fibers[current].saw;
    hash = choices::mix(hash, bits >> 40 == 0 || ~bits == 0 ? bits : 1);
}

int pick(int options) noexcept {
    const int chosen = choices::pick(options);
    if (chosen < 0) wrong("it goes round in circles");
    return chosen;
}

// --- memory ---

std::uint64_t peek(const void* at, std::size_t size) noexcept {
    std::uint64_t bits = 0;
    std::memcpy(&bits, at, size);
    return bits;
}

std::uint32_t bit(int fiber, Kind kind) noexcept {
    return std::uint32_t{1} << (fiber * 4 + static_cast<int>(kind));
}

// How many stores of the fiber's have to come to memory for the next one to `at` to be there; 0: there is none.
int buffered_until(const Fiber& fiber, const void* at) noexcept {
    for (int i = 0; i < fiber.buffered; ++i) {
        if (fiber.buffer[i].at == at) return i + 1;
    }
    return 0;
}

// `at` was accessed: what had nothing to do with the last steps may have with this one. A step has to do with what it
// touches, with what lies in its fiber's own buffer, which it may drain, and with what is in one buffer with what it
// touches, and may come to memory along with it. Memory that is freed is touched as a whole.
void accessed(const void* at, bool writes) noexcept {
    if (asleep == 0) return;
    const void* const block = arena::block_of(at);
    for (int i = 0; i <= count; ++i) {
        const Fiber& fiber = fibers[i];
        bool related = (writes || fiber.writes) && arena::block_of(fiber.at) == block;
        related = related || buffered_until(fiber, at) != 0;
        for (int k = 0; k <= count && !related; ++k) {
            related = buffered_until(fibers[k], at) != 0 && buffered_until(fibers[k], fiber.at) != 0;
        }
        if (related) asleep &= ~(bit(i, Kind::kGoOn) | bit(i, Kind::kTimeout) | bit(i, Kind::kSignal));
    }
}

// Its first n stores come to memory.
void drain_first(Fiber& fiber, int n) noexcept {
    for (int i = 0; i < n; ++i) {
        std::memcpy(fiber.buffer[i].at, &fiber.buffer[i].bits, fiber.buffer[i].size);
        accessed(fiber.buffer[i].at, true);
    }
    fiber.buffered -= n;
    std::memmove(&fiber.buffer[0], &fiber.buffer[n],
                 sizeof(Buffered) * static_cast<std::size_t>(fiber.buffered));
}

// This fiber is about to access it. What others have in their buffers for it has come to memory, or not yet: when it
// came before makes no difference, since nobody looked.
void let_come(const void* at) noexcept {
    for (int i = 0; i <= count; ++i) {
        if (i == current) continue;
        for (int n = 0; (n = buffered_until(fibers[i], at)) != 0;) {
            if (pick(2) == 1) break;
            note("comes to memory", at, Where::current());
            drain_first(fibers[i], n);
        }
    }
}

// --- fibers ---

void go_elsewhere() noexcept;

void start() noexcept {
    Fiber& fiber = fibers[current];
    fiber.call(fiber.body);
    note("ends", nullptr, Where::current());
    if (fiber.held != 0) wrong("ends with a lock held");
    fiber.doing = Doing::kEnded;
    fiber.at = nullptr;
    for (;;) go_elsewhere();
}

// The scene itself, which makes the fibers and looks at what they did.
void play() noexcept {
    scene();
    if (!arena::is_empty()) wrong("memory was leaked");
    setcontext(&search_context);
}

void make_context(ucontext_t& context, int stack, void (*call)() noexcept) noexcept {
    getcontext(&context);
    context.uc_stack.ss_sp = stacks + kStack * static_cast<std::size_t>(stack);
    context.uc_stack.ss_size = kStack;
    context.uc_link = nullptr;
    makecontext(&context, call, 0);
}

// Or will be, as soon as its release has come to memory.
bool lock_is_free(const Fiber& fiber) noexcept {
    if (peek(fiber.at, sizeof(std::uint64_t)) == 0) return true;
    for (int i = 0; i <= count; ++i) {
        if (buffered_until(fibers[i], fiber.at) != 0) return true;
    }
    return false;
}

void switch_to(int next) noexcept {
    if (next == current) return;
    ucontext_t* const from = current < 0 ? &scene_context : &fibers[current].context;
    current = next;
    swapcontext(from, next < 0 ? &scene_context : &fibers[next].context);
}

int gather(Option* options, bool& any) noexcept {
    int n = 0;
    any = false;
    const bool can_go_on =
        current >= 0 && (fibers[current].doing == Doing::kGoing ||
                         (fibers[current].doing == Doing::kLocking && lock_is_free(fibers[current])));
    const auto add_option = [&](int fiber, Kind kind) {
        any = true;
        if (bounds.preemptions == Bounds::kNone) {
            if (asleep & bit(fiber, kind)) return;
        } else if (can_go_on && fiber != current && preemptions == bounds.preemptions) {
            return;
        }
        options[n++] = {fiber, kind, can_go_on && fiber != current};
    };
    if (can_go_on) add_option(current, Kind::kGoOn);
    for (int i = 0; i <= count; ++i) {
        Fiber& fiber = fibers[i];
        if (!fiber.call || (i == current && can_go_on)) continue;
        switch (fiber.doing) {
        case Doing::kGoing:
            add_option(i, Kind::kGoOn);
            break;
        case Doing::kLocking:
            if (lock_is_free(fiber)) add_option(i, Kind::kGoOn);
            break;
        case Doing::kSleeping:
            if (fiber.limited) add_option(i, Kind::kTimeout);
            if (fiber.signals > 0) add_option(i, Kind::kSignal);
            break;
        case Doing::kEnded:
            break;
        }
    }
    return n;
}

// One who sleeps without a limit, or waits for a lock for ever.
const Fiber* stuck() noexcept {
    for (int i = 0; i <= count; ++i) {
        if (fibers[i].call && fibers[i].doing != Doing::kEnded) return &fibers[i];
    }
    return nullptr;
}

// Lets somebody go on: the one who calls, or another; then it comes back later.
void go_elsewhere() noexcept {
    for (;;) {
        Option options[kMostFibers * 4 + 4];
        bool any = false;
        const int n = gather(options, any);
        if (n == 0) {
            if (any) {
                known = true;
                setcontext(&search_context);
            }
            const Fiber* const one = stuck();
            if (!one) return switch_to(-1);
            if (one->doing == Doing::kLocking) wrong("waits for a lock for ever");
            if (rested) wrong("sleeps for ever");
            rested = true;
            for (int i = 0; i < count; ++i) drain_first(fibers[i], fibers[i].buffered);  // it is long ago
            Fiber& rest = fibers[count];
            rest = {};
            rest.name = "rest";
            rest.call = rest_call;
            rest.body = rest_body;
            make_context(fibers[count].context, count, &start);
            continue;
        }
        const int chosen = pick(n);
        const Option option = options[chosen];
        if (bounds.preemptions == Bounds::kNone) {
            for (int i = 0; i < chosen; ++i) asleep |= bit(options[i].fiber, options[i].kind);
            accessed(fibers[option.fiber].at, fibers[option.fiber].writes);
        }
        preemptions += option.preempts;
        Fiber& fiber = fibers[option.fiber];
        switch (option.kind) {
        case Kind::kTimeout:
            fiber.wake = Wake::kTimeout;
            break;
        case Kind::kSignal:
            fiber.wake = Wake::kSignal;
            --fiber.signals;
            break;
        case Kind::kGoOn:
            break;
        }
        fiber.doing = Doing::kGoing;
        return switch_to(option.fiber);
    }
}

}  // namespace

// --- for the engine ---

void point(const void* at, bool writes, const char* what, Where where) noexcept {
    if (current < 0) return;
    Fiber& fiber = fibers[current];
    fiber.at = at;
    fiber.writes = writes;
    ++points;
    go_elsewhere();
    if (const char* const trouble = arena::trouble(at)) wrong(trouble, where);
    note(what, at, where);
    let_come(at);
}

void fine_point(const char* what, Where where) noexcept {
    if (bounds.fine) point(nullptr, true, what, where);
}

std::uint64_t load(const void* at, std::size_t size) noexcept {
    std::uint64_t bits = peek(at, size);
    if (current >= 0) {
        const Fiber& fiber = fibers[current];
        for (int i = 0; i < fiber.buffered; ++i) {
            if (fiber.buffer[i].at == at) bits = fiber.buffer[i].bits;
        }
    }
    saw(bits);
    return bits;
}

void found(std::uint64_t bits) noexcept { saw(bits); }

void store(void* at, std::size_t size, std::uint64_t bits) noexcept {
    if (current >= 0) {
        Fiber& fiber = fibers[current];
        if (bounds.buffers) {
            if (fiber.buffered == kMostBuffered) wrong("has too many stores before a fence");
            fiber.buffer[fiber.buffered++] = {at, size, bits};
            return;
        }
    }
    std::memcpy(at, &bits, size);
}

// The end of a life is nothing that others see, but whoever comes by later is wrong: so a whole search has to know of it.
static void ends(const void* at) noexcept {
    if (current >= 0 && bounds.preemptions == Bounds::kNone)
        point(at, true, "ends the life of", Where::current());
}

void drain() noexcept {
    if (current < 0) return;
    drain_first(fibers[current], fibers[current].buffered);
}

void born(const void* at) noexcept { arena::born(at); }

void died(const void* at) noexcept {
    if (current < 0 || !playing) return;  // what is static goes at the exit of the process
    ends(at);
    // What follows may lie in the same place.
    Fiber& fiber = fibers[current];
    for (int n = 0; (n = buffered_until(fiber, at)) != 0;) drain_first(fiber, n);
    arena::died(at);
}

void lock(std::uint64_t* word, Where where) noexcept {
    if (current >= 0) {
        Fiber& fiber = fibers[current];
        fiber.at = word;
        fiber.writes = true;
        fiber.doing = Doing::kLocking;
        ++points;
        go_elsewhere();  // and back once it is free
        if (const char* const trouble = arena::trouble(word)) wrong(trouble, where);
        note("locks", word, where);
        drain();
        for (int i = 0; i <= count && *word != 0; ++i)
            drain_first(fibers[i], buffered_until(fibers[i], word));
        ++fiber.held;
    }
    *word = 1;
}

bool try_lock(std::uint64_t* word, Where where) noexcept {
    point(word, true, "tries a lock", where);
    drain();
    saw(*word);
    if (*word != 0) return false;
    *word = 1;
    if (current >= 0) ++fibers[current].held;
    return true;
}

bool try_lock_briefly(std::uint64_t* word, Where where) noexcept {
    point(word, true, "tries a lock", where);
    drain();
    if (*word != 0) {
        const bool fails = current < 0 || pick(2) == 1;
        saw(fails);
        if (fails) return false;
        lock(word, where);
        return true;
    }
    *word = 1;
    if (current >= 0) ++fibers[current].held;
    return true;
}

void unlock(std::uint64_t* word, Where where) noexcept {
    if (current < 0) {
        *word = 0;
        return;
    }
    point(word, true, "unlocks", where);  // who only tries sees the difference
    if (fibers[current].held-- == 0) wrong("unlocks what is not held", where);
    store(word, sizeof *word, 0);
}

Wake park(const void* word, std::uint32_t expected, bool limited) noexcept {
    if (current < 0) wrong("sleeps outside of a fiber");
    point(word, true, "parks", Where::current());
    drain();
    Fiber& fiber = fibers[current];
    if (fiber.held != 0) wrong("sleeps with a lock held");
    if (load(word, sizeof expected) != expected) return Wake::kWoken;
    fiber.doing = Doing::kSleeping;
    fiber.limited = limited;
    fiber.wake = Wake::kWoken;
    go_elsewhere();
    saw(static_cast<std::uint64_t>(fiber.wake));
    note(fiber.wake == Wake::kWoken     ? "is awake"
         : fiber.wake == Wake::kTimeout ? "times out"
                                        : "is interrupted",
         word, Where::current());
    return fiber.wake;
}

void unpark(const void* word) noexcept {
    if (current < 0) return;
    // Its memory may have gone: the word is a name only.
    Fiber& fiber = fibers[current];
    fiber.at = word;
    fiber.writes = true;
    ++points;
    go_elsewhere();
    note("unparks", word, Where::current());
    drain();
    if (fiber.held != 0) wrong("wakes with a lock held");
    for (int i = 0; i <= count; ++i) {
        if (fibers[i].doing == Doing::kSleeping && fibers[i].at == word) fibers[i].doing = Doing::kGoing;
    }
}

void* allocate(std::size_t size) noexcept {
    if (!playing) return std::malloc(size);
    void* const memory = arena::take(size);
    if (!memory) wrong("takes too much memory");
    return memory;
}

void release(void* memory) noexcept {
    if (!arena::owns(memory)) {
        std::free(memory);
        return;
    }
    ends(memory);
    if (current >= 0) {  // what it still has for it
        Fiber& fiber = fibers[current];
        const auto* const begin = static_cast<const std::byte*>(memory);
        const std::byte* const end = begin + arena::size_of(memory);
        for (int n = fiber.buffered; n > 0; --n) {
            const auto* const at = static_cast<const std::byte*>(fiber.buffer[n - 1].at);
            if (at < begin || at >= end) continue;
            drain_first(fiber, n);
            break;
        }
    }
    if (const char* const trouble = arena::give_back(memory)) wrong(trouble);
}

// --- for the scenes ---

void add(const char* name, void (*call)(void*), void* body) noexcept {
    if (count == kMostFibers) wrong("too many fibers");
    Fiber& fiber = fibers[count];
    fiber = {};
    fiber.name = name;
    fiber.call = call;
    fiber.body = body;
    make_context(fibers[count].context, count, &start);
    fibers[++count] = {};
}

void signals(int n) noexcept { fibers[count - 1].signals = n; }

void run(void (*call)(void*), void* rest) noexcept {
    rest_call = call;
    rest_body = rest;
    go_elsewhere();
    for (int i = 0; i <= count; ++i) drain_first(fibers[i], fibers[i].buffered);
}

int choose(int n) noexcept {
    const int chosen = pick(n);
    saw(static_cast<std::uint64_t>(chosen));
    return chosen;
}

void wrong(const char* what, Where where) noexcept {
    const char* const name = current >= 0 ? fibers[current].name : "the scene";
    std::printf("WRONG: %s: %s (%s:%d)\n", name, what, base(where.file), where.line);
    int last = -2;
    for (int i = 0; i < steps_made; ++i) {
        const Step& step = steps[i];
        if (step.fiber != last)
            std::printf("  %s\n", step.fiber >= 0 ? fibers[step.fiber].name : "the scene");
        last = step.fiber;
        std::printf("    %-24s %p  %s:%d\n", step.what, step.at, base(step.file), step.line);
    }
    std::fflush(stdout);
    std::_Exit(1);
}

// --- the search ---

Result explore(void (*of)(), const Bounds& with, Seen seen) noexcept {
    if (!stacks) {
        stacks = static_cast<std::byte*>(std::malloc(kStack * (kMostFibers + 2)));
        if (!stacks) std::abort();
        stack_t stack{};
        stack.ss_sp = signal_stack;
        stack.ss_size = sizeof signal_stack;
        sigaltstack(&stack, nullptr);
        struct sigaction action{};
        action.sa_handler = on_fault;
        action.sa_flags = SA_ONSTACK;
        sigaction(SIGSEGV, &action, nullptr);
        sigaction(SIGBUS, &action, nullptr);
    }
    scene = of;
    bounds = with;
    points = 0;
    choices::forget();
    if (seen == Seen::kNoted) choices::forget_seen();
    Result result;
    do {
        choices::begin();
        arena::begin();
        steps_made = count = preemptions = 0;
        asleep = 0;
        rested = known = false;
        fibers[0] = {};
        current = -1;
        playing = true;
        make_context(scene_context, kMostFibers + 1, &play);
        swapcontext(&search_context, &scene_context);
        playing = false;
        ++result.plays;
        result.known += known;
        if (known || seen == Seen::kIgnored) continue;
        std::uint64_t all = 1;
        for (int i = 0; i <= count; ++i) all = choices::mix(all, fibers[i].saw);
        const bool is_new = choices::is_new(all, seen == Seen::kNoted);
        if (is_new && seen == Seen::kChecked) wrong("a whole search has not seen this");
        result.seen += is_new;
    } while (choices::next());
    result.points = points;
    return result;
}

}  // namespace schedule
