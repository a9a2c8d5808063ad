// The scheduler itself: what two fibers can see of one another, with store buffers and without, and that a whole search
// comes by everything that a bounded one does.
#include <cstdio>

#include "schedule/scenes.hpp"

namespace interpchannels::scenes {
namespace {

int outcomes[4];  // of the last search: how often (r1, r2) was (0, 0), (0, 1), (1, 0), (1, 1)
int total;        // and the sums that were seen, as bits

template <bool kFence>
void store_then_load() {
    std::atomic<int> x{0}, y{0};
    int r1 = 0, r2 = 0;
    auto one = [&] {
        x.store(1, std::memory_order_relaxed);
        if (kFence) std::atomic_thread_fence(std::memory_order_seq_cst);
        r1 = y.load(std::memory_order_relaxed);
    };
    auto other = [&] {
        y.store(1, std::memory_order_relaxed);
        if (kFence) std::atomic_thread_fence(std::memory_order_seq_cst);
        r2 = x.load(std::memory_order_relaxed);
    };
    auto rest = [] {};
    go("one", one);
    go("other", other);
    run(rest);
    ++outcomes[r1 * 2 + r2];
}

void two_stores() {
    std::atomic<int> x{0}, y{0};
    int r1 = 0, r2 = 0;
    auto one = [&] {
        x.store(1, std::memory_order_release);
        y.store(1, std::memory_order_release);
    };
    auto other = [&] {
        r1 = y.load(std::memory_order_acquire);
        r2 = x.load(std::memory_order_acquire);
    };
    auto rest = [] {};
    go("one", one);
    go("other", other);
    run(rest);
    ++outcomes[r1 * 2 + r2];
}

template <bool kAtomic>
void two_increments() {
    std::atomic<int> x{0};
    auto increment = [&] {
        if (kAtomic) {
            x.fetch_add(1, std::memory_order_relaxed);
        } else {
            x.store(x.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        }
    };
    auto rest = [] {};
    go("one", increment);
    go("other", increment);
    run(rest);
    total |= 1 << x.load();
}

void each_its_own() {
    std::atomic<int> x{0}, y{0};
    auto one = [&] { x.fetch_add(1); };
    auto other = [&] { y.fetch_add(1); };
    auto rest = [] {};
    go("one", one);
    go("other", other);
    run(rest);
}

::schedule::Result search(void (*scene)(), const Search& how) {
    for (int& outcome : outcomes) outcome = 0;
    total = 0;
    return ::schedule::explore(scene, how.bounds);
}

}  // namespace

void check_scheduler() {
    for (const Search& how : {kOrders, kBuffers, kTwo}) {
        search(store_then_load<false>, how);
        expect((outcomes[0] != 0) == how.bounds.buffers,
               "both see nothing if, and only if, there are buffers");
        expect(outcomes[1] && outcomes[2] && outcomes[3], "one sees the other");
        search(store_then_load<true>, how);
        expect(outcomes[0] == 0, "the fences are full ones");
        expect(outcomes[1] && outcomes[2] && outcomes[3], "one sees the other");
        search(two_stores, how);
        expect(outcomes[2] == 0, "stores come to memory in order");
        expect(outcomes[0] && outcomes[1] && outcomes[3], "and each at any moment");
        search(two_increments<true>, how);
        expect(total == 1 << 2, "none is lost");
        search(two_increments<false>, how);
        expect(total == (1 << 1 | 1 << 2), "one may be lost");
    }
    expect(search(each_its_own, kOrders).plays - search(each_its_own, kOrders).known == 1,
           "what has nothing to do with one another has one order");
    std::printf("the scheduler shows what x86 can, and no more\n");
}

void check_search(const Scene& scene) {
    using ::schedule::Seen;
    for (const auto& [whole, bounded] :
         {std::pair{kOrders, Search{"", {3, false, false}}}, std::pair{kBuffers, kThree}}) {
        const ::schedule::Result all = ::schedule::explore(scene.play, whole.bounds, Seen::kNoted);
        const ::schedule::Result some = ::schedule::explore(scene.play, bounded.bounds, Seen::kChecked);
        std::printf("%-37s %-23s %10llu things seen; %llu plays with 3 preemptions saw no other\n",
                    scene.name, whole.name, static_cast<unsigned long long>(all.seen),
                    static_cast<unsigned long long>(some.plays));
        std::fflush(stdout);
    }
}

}  // namespace interpchannels::scenes
