// Every way that a wait ends, for every kind of wait: a receive, a send that waits for a place, one that
// waits to be taken, and a rendezvous. Whatever ended it, nobody is left in line afterwards, and a send
// that failed still has its parcel.
#include <pthread.h>

#include <csignal>

#include "channel/park.hpp"
#include "engine_support.hpp"

namespace interpchannels {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the tests' own helpers

struct Kind {
    const char* name;
    std::int64_t capacity;
    bool receives;
    bool until_taken;
};

// One blocked call of the kind asked for, in its own thread.
class Blocked {
public:
    Blocked(const Kind& kind, Channel& channel, std::uint64_t value, const WaitFor& wait) : value_(value) {
        if (kind.receives) {
            recv_ = std::make_unique<BlockedRecv>(channel, wait);
        } else {
            send_ = std::make_unique<BlockedSend>(channel, value, kind.until_taken, wait);
        }
    }
    Status join() { return recv_ ? recv_->join() : send_->join(); }
    bool done() const { return recv_ ? recv_->done() : send_->done(); }
    std::thread::native_handle_type handle() { return recv_ ? recv_->handle() : send_->handle(); }
    // After join(): a send has its parcel back if and only if it failed.
    void expect_failed(Status status) {
        EXPECT_EQ(join(), status);
        if (send_) {
            EXPECT_TRUE(send_->withdrawn());
            EXPECT_EQ(send_->kept(), value_);
        }
    }

private:
    const std::uint64_t value_;
    std::unique_ptr<BlockedRecv> recv_;
    std::unique_ptr<BlockedSend> send_;
};

class Waits : public ::testing::TestWithParam<Kind> {
protected:
    // A channel on which a call of this kind has to wait.
    PlainChannel blocking() {
        PlainChannel channel(kind().capacity);
        if (!kind().receives && kind().capacity > 0) {
            for (std::int64_t i = 0; i < kind().capacity; ++i) {
                EXPECT_EQ(send_now(*channel, 1'000 + static_cast<std::uint64_t>(i)), Status::kOk);
            }
        }
        return channel;
    }
    std::unique_ptr<Blocked> block(Channel& channel, std::uint64_t value, const WaitFor& wait = {}) {
        return std::make_unique<Blocked>(kind(), channel, value, wait);
    }
    void await(Channel& channel, std::uint32_t n) {
        if (kind().receives) {
            await_receivers(channel, n);
        } else {
            await_senders(channel, n);
        }
    }
    // What a blocked call of this kind waits for.
    void satisfy(Channel& channel, std::uint64_t value) {
        if (kind().receives) {
            // Full: those that were woken are on their way.
            spin_until([&] { return send_now(channel, value) == Status::kOk; });
        } else {
            EXPECT_LT(next_value(channel), kGone);
        }
    }
    const Kind& kind() const { return GetParam(); }
    // From linked and still awake to fast asleep.
    static void dawdle(int round) {
        for (int i = 0; i < round * round; ++i) std::this_thread::yield();
    }
    static constexpr int kRounds = 12;
    static constexpr int kCrowd = 2 * WakeList::kMax + 3;
};

INSTANTIATE_TEST_SUITE_P(All, Waits,
                         ::testing::Values(Kind{"ReceiveUnbounded", kUnbounded, true, false},
                                           Kind{"ReceiveBounded", 2, true, false},
                                           Kind{"ReceiveRendezvous", 0, true, false},
                                           Kind{"SendForAPlace", 2, false, false},
                                           Kind{"SendUntilTaken", kUnbounded, false, true},
                                           Kind{"SendRendezvous", 0, false, true}),
                         [](const auto& about) { return about.param.name; });

TEST_P(Waits, EndsWithAnItemOrAPlace) {
    for (int round = 0; round < kRounds; ++round) {
        PlainChannel channel = blocking();
        const auto blocked = block(*channel, 7);
        await(*channel, 1);
        dawdle(round);
        satisfy(*channel, 7);
        EXPECT_EQ(blocked->join(), Status::kOk);
        expect_nobody_waits(*channel);
    }
}

TEST_P(Waits, EndsAtTheDeadlineAndNotBefore) {
    for (int round = 0; round < kRounds; ++round) {
        PlainChannel channel = blocking();
        WaitFor wait;
        wait.deadline = now() + round * 20'000;
        const auto blocked = block(*channel, 7, wait);
        blocked->expect_failed(Status::kTimeout);
        EXPECT_GE(now(), wait.deadline);
        expect_nobody_waits(*channel);
    }
}

TEST_P(Waits, EndsWithTheCloseOfSends) {
    for (int round = 0; round < kRounds; ++round) {
        PlainChannel channel = blocking();
        const auto blocked = block(*channel, 7);
        await(*channel, 1);
        dawdle(round);
        channel->close_sends(false);
        blocked->expect_failed(Status::kClosed);
        expect_nobody_waits(*channel);
    }
}

TEST_P(Waits, EndsWithTheImmediateClose) {
    for (int round = 0; round < kRounds; ++round) {
        PlainChannel channel = blocking();
        const auto blocked = block(*channel, 7);
        await(*channel, 1);
        dawdle(round);
        if (round % 2) channel->close_sends(true);
        channel->close_now();
        blocked->expect_failed(Status::kClosed);
        expect_nobody_waits(*channel);
    }
}

TEST_P(Waits, ACloseThatKeepsOffersEndsReceivesOnly) {
    PlainChannel channel = blocking();
    const auto blocked = block(*channel, 7);
    await(*channel, 1);
    channel->close_sends(true);
    if (kind().receives) {
        blocked->expect_failed(Status::kClosed);
    } else {
        std::uint64_t last = kNothing;
        for (std::uint64_t value = 0; value != kGone; value = next_value(*channel)) last = value;
        EXPECT_EQ(last, 7u);
        EXPECT_EQ(blocked->join(), Status::kOk);
        EXPECT_EQ(channel->state(), State::kClosed);
    }
    expect_nobody_waits(*channel);
}

TEST_P(Waits, EndsWhenItsHandleIsClosed) {
    for (int round = 0; round < kRounds; ++round) {
        PlainChannel channel = blocking();
        std::atomic<bool> cancelled{false};
        WaitFor wait;
        wait.cancelled = &cancelled;
        const auto blocked = block(*channel, 7, wait);
        const auto other = block(*channel, 8);  // on another handle: goes on
        await(*channel, 2);
        channel->wake_all();  // nothing has changed yet: harmless
        dawdle(round);
        cancelled.store(true);
        channel->wake_all();
        blocked->expect_failed(Status::kCancelled);
        EXPECT_FALSE(other->done());
        await(*channel, 1);
        satisfy(*channel, 8);
        EXPECT_EQ(other->join(), Status::kOk);
        expect_nobody_waits(*channel);
    }
}

TEST_P(Waits, EndsWithItsInterpreter) {
    for (int round = 0; round < kRounds; ++round) {
        PlainChannel channel = blocking();
        WaitGroup ending;
        WaitGroup living;
        WaitFor in_ending;
        in_ending.group = &ending;
        WaitFor in_living;
        in_living.group = &living;
        const auto blocked = block(*channel, 7, in_ending);
        const auto other = block(*channel, 8, in_living);
        await(*channel, 2);
        spin_until([&] { return ending.count().blocked == 1 && living.count().blocked == 1; });
        dawdle(round);
        ending.end();
        blocked->expect_failed(Status::kEnding);
        EXPECT_EQ(ending.count().blocked, 0);
        EXPECT_FALSE(other->done());
        await(*channel, 1);
        satisfy(*channel, 8);
        EXPECT_EQ(other->join(), Status::kOk);
        EXPECT_EQ(living.count().blocked, 0);
        // Whoever comes too late does not block at all.
        PlainChannel fresh = blocking();
        block(*fresh, 9, in_ending)->expect_failed(Status::kEnding);
        expect_nobody_waits(*fresh);
        expect_nobody_waits(*channel);
    }
}

TEST_P(Waits, APokeInterruptsItOnce) {
    for (int round = 0; round < kRounds; ++round) {
        PlainChannel channel = blocking();
        WaitGroup group;
        WaitFor wait;
        wait.group = &group;
        wait.pokes = group.pokes();
        const auto blocked = block(*channel, 7, wait);
        await(*channel, 1);
        dawdle(round);
        group.poke();
        blocked->expect_failed(Status::kInterrupted);
        EXPECT_EQ(group.count().blocked, 0);
        // Who has not looked around since does not block; who has, does.
        block(*channel, 8, wait)->expect_failed(Status::kInterrupted);
        wait.pokes = group.pokes();
        const auto again = block(*channel, 9, wait);
        await(*channel, 1);
        satisfy(*channel, 9);
        EXPECT_EQ(again->join(), Status::kOk);
        expect_nobody_waits(*channel);
    }
}

TEST_P(Waits, ASliceInterruptsIt) {
    PlainChannel channel = blocking();
    WaitFor wait;
    wait.slice = 50'000;
    const auto blocked = block(*channel, 7, wait);
    blocked->expect_failed(Status::kInterrupted);
    expect_nobody_waits(*channel);
}

TEST_P(Waits, ASliceThatNobodyAskedForIsSleptThrough) {
    PlainChannel channel = blocking();
    std::uintptr_t asked = 0;
    WaitFor wait;
    wait.slice = 50'000;
    wait.asked = &asked;
    wait.deadline = now() + 20'000'000;  // of some hundred slices
    block(*channel, 7, wait)->expect_failed(Status::kTimeout);
    wait.deadline = kNever;
    const auto blocked = block(*channel, 8, wait);
    await(*channel, 1);
    __atomic_store_n(&asked, 1, __ATOMIC_RELAXED);
    blocked->expect_failed(Status::kInterrupted);
    expect_nobody_waits(*channel);
}

TEST_P(Waits, TheDeadlineWinsOverALaterSlice) {
    PlainChannel channel = blocking();
    WaitFor wait;
    wait.deadline = now() + 50'000;
    wait.slice = 3'600'000'000'000;
    const auto blocked = block(*channel, 7, wait);
    blocked->expect_failed(Status::kTimeout);
    expect_nobody_waits(*channel);
}

TEST_P(Waits, ACrowdEndsTogether) {
    enum How { kClose, kCloseNow, kCancel, kEnd, kSatisfy };
    for (const How how : {kClose, kCloseNow, kCancel, kEnd, kSatisfy}) {
        PlainChannel channel = blocking();
        std::atomic<bool> cancelled{false};
        WaitGroup group;
        WaitFor wait;
        wait.cancelled = &cancelled;
        wait.group = &group;
        std::vector<std::unique_ptr<Blocked>> crowd;
        for (int i = 0; i < kCrowd; ++i) crowd.push_back(block(*channel, 1, wait));
        await(*channel, kCrowd);
        spin_until([&] { return group.count().blocked == kCrowd; });
        Status expected = Status::kClosed;
        switch (how) {
        case kClose:
            channel->close_sends(false);
            break;
        case kCloseNow:
            channel->close_now();
            break;
        case kCancel:
            cancelled.store(true);
            channel->wake_all();
            expected = Status::kCancelled;
            break;
        case kEnd:
            group.end();
            expected = Status::kEnding;
            break;
        case kSatisfy:
            for (int i = 0; i < kCrowd; ++i) satisfy(*channel, 1);
            break;
        }
        for (auto& blocked : crowd) {
            if (how == kSatisfy) {
                EXPECT_EQ(blocked->join(), Status::kOk);
            } else {
                blocked->expect_failed(expected);
            }
        }
        EXPECT_EQ(group.count().blocked, 0);
        expect_nobody_waits(*channel);
    }
}

// The interpreter ends while its call is being woken for other reasons, and so is just about to look
// again, or to go back to sleep.
TEST_P(Waits, TheEndIsNotMissedBetweenWakeUps) {
    const int n = rounds(3'000);
    Meeting meeting(2);
    PlainChannel channel = blocking();
    std::deque<WaitGroup> groups(static_cast<std::size_t>(n));
    std::atomic<int> wrong{0};
    std::thread waiter([&] {
        for (auto& group : groups) {
            meeting.arrive();
            WaitFor wait;
            wait.group = &group;
            if (kind().receives) {
                Parcel out;
                Scratch scratch;
                wrong += channel->recv(out, scratch, wait) != Status::kEnding;
            } else {
                Message message(7);
                Offer offer(*channel, message.parcel, 1, kind().until_taken);
                wrong += offer.wait(wait) != Status::kEnding;
            }
        }
    });
    std::mt19937 random(1);
    for (auto& group : groups) {
        meeting.arrive();
        if (random() % 4) spin_until([&] { return group.count().blocked == 1; });
        for (unsigned i = random() % 4; i > 0; --i) channel->wake_all();
        for (unsigned i = random() % 600; i > 0; --i) cpu_relax();
        group.end();
    }
    waiter.join();
    EXPECT_EQ(wrong.load(), 0);
    expect_nobody_waits(*channel);
}

// --- signals ---

class Signals : public Waits {
protected:
    void SetUp() override {
        struct sigaction action{};
        action.sa_handler = [](int) {};
        sigaction(SIGUSR1, &action, &before_);
    }
    void TearDown() override { sigaction(SIGUSR1, &before_, nullptr); }

private:
    struct sigaction before_{};
};

INSTANTIATE_TEST_SUITE_P(All, Signals,
                         ::testing::Values(Kind{"Receive", kUnbounded, true, false},
                                           Kind{"ReceiveRendezvous", 0, true, false},
                                           Kind{"SendForAPlace", 1, false, false},
                                           Kind{"SendUntilTaken", kUnbounded, false, true},
                                           Kind{"SendRendezvous", 0, false, true}),
                         [](const auto& about) { return about.param.name; });

TEST_P(Signals, OneEndsAnInterruptibleWait) {
    if (!park_reports_signals()) GTEST_SKIP() << "a condition variable does not: there are slices";
    for (int round = 0; round < kRounds; ++round) {
        PlainChannel channel = blocking();
        WaitFor wait;
        wait.interruptible = true;
        const auto blocked = block(*channel, 7, wait);
        await(*channel, 1);
        while (!blocked->done()) {
            pthread_kill(blocked->handle(), SIGUSR1);  // one that comes before the sleep is for the caller
            std::this_thread::yield();
        }
        blocked->expect_failed(Status::kInterrupted);
        expect_nobody_waits(*channel);
    }
}

TEST_P(Signals, NoneEndsAnyOtherWait) {
    PlainChannel channel = blocking();
    const auto blocked = block(*channel, 7);
    await(*channel, 1);
    for (int i = 0; i < 200; ++i) {
        pthread_kill(blocked->handle(), SIGUSR1);
        std::this_thread::yield();
    }
    EXPECT_FALSE(blocked->done());
    satisfy(*channel, 7);
    EXPECT_EQ(blocked->join(), Status::kOk);
    expect_nobody_waits(*channel);
}

TEST_P(Signals, ADeadlineIsKeptThroughThem) {
    PlainChannel channel = blocking();
    WaitFor wait;
    wait.deadline = now() + 2'000'000;
    const auto blocked = block(*channel, 7, wait);
    while (!blocked->done()) {
        pthread_kill(blocked->handle(), SIGUSR1);
        std::this_thread::yield();
    }
    blocked->expect_failed(Status::kTimeout);
    EXPECT_GE(now(), wait.deadline);
}

// An offer that was interrupted stands where it stood: before those who came later.
TEST(InterruptedOffers, KeepTheirPlaceInLine) {
    for (const std::int64_t capacity : {kUnbounded, std::int64_t{0}, std::int64_t{1}}) {
        PlainChannel channel(capacity);
        if (capacity > 0) send_now(*channel, 0);
        Message message(1);
        Offer offer(*channel, message.parcel, 1, capacity <= 0);
        ASSERT_EQ(offer.wait(stand_in_line()), Status::kInterrupted);
        BlockedSend later(*channel, 2, capacity <= 0);
        await_senders(*channel, 2);
        ASSERT_EQ(offer.wait(stand_in_line()), Status::kInterrupted);
        if (capacity > 0) {
            EXPECT_EQ(next_value(*channel), 0u);
        }
        EXPECT_EQ(next_value(*channel), 1u);
        EXPECT_EQ(offer.wait({}), Status::kOk);
        EXPECT_EQ(next_value(*channel), 2u);
        EXPECT_EQ(later.join(), Status::kOk);
        expect_nobody_waits(*channel);
    }
}

// A send that has to be taken finds a receiver that was there before it.
TEST(UntilTaken, WakesTheReceiverThatWaits) {
    for (const std::int64_t capacity : {kUnbounded, std::int64_t{0}, std::int64_t{1}}) {
        PlainChannel channel(capacity);
        BlockedRecv receiver(*channel);
        await_receivers(*channel, 1);
        Message message(4);
        Offer offer(*channel, message.parcel, 1, true);
        EXPECT_EQ(offer.wait({}), Status::kOk);
        EXPECT_EQ(receiver.join(), Status::kOk);
        EXPECT_EQ(receiver.value(), 4u);
        expect_nobody_waits(*channel);
    }
}

TEST(InterruptedOffers, AreTakenWhileNobodyLooks) {
    PlainChannel channel(0);
    Message message(1);
    Offer offer(*channel, message.parcel, 1, true);
    ASSERT_EQ(offer.wait(stand_in_line()), Status::kInterrupted);
    BlockedRecv receiver(*channel);
    EXPECT_EQ(receiver.join(), Status::kOk);
    EXPECT_EQ(receiver.value(), 1u);
    EXPECT_FALSE(offer.withdraw());
}

#ifndef __SANITIZE_THREAD__  // which holds signals back until it suits it
std::atomic<bool> in_handler{false};
std::atomic<bool> leave_handler{false};

// An offer moves into a place while its sender is away (in a signal handler, say). The receiver that is
// next in line gets the item without the sender's help.
TEST(InterruptedOffers, APromotedItemWakesItsReceiver) {
    struct sigaction action{};
    struct sigaction before{};
    action.sa_handler = [](int) {
        in_handler.store(true);
        while (!leave_handler.load()) cpu_relax();
    };
    sigaction(SIGUSR2, &action, &before);
    in_handler.store(false);
    leave_handler.store(false);

    PlainChannel channel(1);
    BlockedRecv first(*channel);
    await_receivers(*channel, 1);
    EXPECT_EQ(next_value(*channel), kNothing);  // it holds no lock any more
    pthread_kill(first.handle(), SIGUSR2);
    spin_until([] { return in_handler.load(); });
    BlockedRecv second(*channel);
    await_receivers(*channel, 2);
    EXPECT_EQ(send_now(*channel, 1), Status::kOk);  // for the first, who is late
    Message message(2);
    Offer offer(*channel, message.parcel, 1, false);
    EXPECT_EQ(offer.wait(stand_in_line()), Status::kInterrupted);
    leave_handler.store(true);
    EXPECT_EQ(first.join(), Status::kOk);
    EXPECT_EQ(first.value(), 1u);
    EXPECT_EQ(second.join(), Status::kOk);
    EXPECT_EQ(second.value(), 2u);
    EXPECT_FALSE(offer.withdraw());
    expect_nobody_waits(*channel);
    sigaction(SIGUSR2, &before, nullptr);
}
#endif

// A group that has ended still lets a call finish that has no need to block.
TEST(EndedGroup, DoesNotStopWhatNeedNotBlock) {
    WaitGroup group;
    group.end();
    WaitFor wait;
    wait.group = &group;
    PlainChannel channel(1);
    Message message(3);
    Offer offer(*channel, message.parcel, 1, false);
    EXPECT_EQ(offer.wait(wait), Status::kOk);
    Parcel out;
    Scratch scratch;
    EXPECT_EQ(channel->recv(out, scratch, wait), Status::kOk);
    EXPECT_EQ(value_of(out), 3u);
    EXPECT_EQ(group.count().blocked, 0);
}

TEST(Deadlines, SaturateAndStayInOrder) {
    EXPECT_EQ(deadline_after(1e300), kNever);
    EXPECT_EQ(deadline_after(9.1e9), kNever);
    const Nanos soon = deadline_after(1.0);
    EXPECT_GT(soon, now());
    EXPECT_GT(deadline_after(2.0), soon);
    const Nanos at_once = deadline_after(0.0);
    EXPECT_LE(at_once, now());
}

}  // namespace
}  // namespace interpchannels
