// Waking a crowd: each of it once, however quick the first are to come back.
#include "channel/notifier.hpp"
#include "channel/watch.hpp"
#include "engine_support.hpp"

namespace interpchannels {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the tests' own helpers

constexpr int kCrowd = 40;
constexpr int kEndless = 100'000;

// A thread that re-arms whoever is woken, at once, until it has been told `kEndless` times or is stopped.
template <class ReArm>
class ReArming {
public:
    explicit ReArming(ReArm rearm) : rearm_(rearm), thread_([this] { run(); }) {
        spin_until([&] { return runs_.load(); });
    }
    ~ReArming() { stop(); }
    int stop() {
        stopped_.store(true);
        if (thread_.joinable()) thread_.join();
        return woken_;
    }

private:
    void run() {
        runs_.store(true);
        while (!stopped_.load() && woken_ < kEndless) {
            for (int i = 0; i < kCrowd; ++i) woken_ += rearm_(i) ? 1 : 0;
        }
    }
    ReArm rearm_;
    int woken_ = 0;
    std::atomic<bool> runs_{false};
    std::atomic<bool> stopped_{false};
    std::thread thread_;
};

struct WithNotifier {
    WithNotifier() : notifier(Notifier::make()) {}
    ~WithNotifier() { notifier->unref(); }
    Notifier* const notifier;
};

// A handle is closed; those who wait by another handle look, find nothing, and wait on.
TEST(WakeAll, MarksEachWatchOnceThoughTheyReArmMeanwhile) {
    WithNotifier with;
    PlainChannel channel(kUnbounded);
    std::deque<Watch> watches;
    for (int i = 0; i < kCrowd; ++i) {
        watches.emplace_back(*channel, *with.notifier, Watch::Kind::kHint);
        ASSERT_EQ(watches.back().arm(nullptr, nullptr), Status::kWouldBlock);
    }
    std::atomic<bool> closed{false};
    WaitFor wait;
    wait.cancelled = &closed;
    BlockedRecv last(*channel, wait);
    await_receivers(*channel, kCrowd + 1);
    ReArming rearming([&](int i) {
        if (watches[i].waiter().word.load() != Waiter::kWoken) return false;
        watches[i].looked(false);
        EXPECT_EQ(watches[i].arm(nullptr, nullptr), Status::kWouldBlock);
        return true;
    });
    closed.store(true);
    channel->wake_all();
    EXPECT_EQ(last.join(), Status::kCancelled);
    EXPECT_LE(rearming.stop(), kCrowd);
}

TEST(WakeAll, MarksEachWaiterOfAGroupOnceThoughTheyReArmMeanwhile) {
    WaitGroup group;
    std::deque<Waiter> waiters(kCrowd);
    for (Waiter& waiter : waiters) {
        ASSERT_TRUE(group.enter(waiter));
        waiter.word.store(Waiter::kParked);
    }
    ReArming rearming([&](int i) {
        if (waiters[i].word.load() != Waiter::kWoken) return false;
        group.leave(waiters[i]);  // as a call that was poked comes back with a wait of its own
        waiters[i].word.store(Waiter::kParked);
        EXPECT_TRUE(group.enter(waiters[i]));
        return true;
    });
    group.poke();
    EXPECT_LE(rearming.stop(), kCrowd);
    for (Waiter& waiter : waiters) group.leave(waiter);
}

// Woken for a reason that was not its own, consumed and armed again, it is told of the next item.
TEST(WakeAll, LeavesAWatchArmedThatIsArmedAgain) {
    for (const auto kind : {Watch::Kind::kPromise, Watch::Kind::kHint}) {
        WithNotifier with;
        PlainChannel channel(kUnbounded);
        Watch watch(*channel, *with.notifier, kind);
        ASSERT_EQ(watch.arm(nullptr, nullptr), Status::kWouldBlock);
        channel->wake_all();
        EXPECT_EQ(watch.waiter().word.load(), Waiter::kWoken);
        EXPECT_EQ(with.notifier->pop() == &watch.waiter(), kind == Watch::Kind::kPromise);
        watch.looked(false);
        ASSERT_EQ(watch.arm(nullptr, nullptr), Status::kWouldBlock);
        EXPECT_EQ(watch.waiter().word.load(), Waiter::kWaiting);
        ASSERT_EQ(send_now(*channel, 1), Status::kOk);
        EXPECT_EQ(watch.waiter().word.load(), Waiter::kWoken);
        EXPECT_EQ(with.notifier->pop() == &watch.waiter(), kind == Watch::Kind::kPromise);
        watch.looked(true);
        EXPECT_EQ(next_value(*channel), 1u);
    }
}

}  // namespace
}  // namespace interpchannels
