// What is unfinished in a channel, and waiting until nothing is: counted exactly under every mix of sends, receives
// and closes, and every way that the wait ends.
#include <pthread.h>

#include <csignal>

#include "channel/tally.hpp"
#include "engine_support.hpp"

namespace interpchannels {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the tests' own helpers

// A wait for the tasks of a channel, in a thread of its own.
class BlockedJoin {
public:
    explicit BlockedJoin(Channel& channel, WaitFor wait = {})
        : thread_([this, &channel, wait] {
              status_ = channel.wait_until_done(wait);
              done_.store(true);
          }) {}
    ~BlockedJoin() { join(); }
    Status join() {
        if (thread_.joinable()) thread_.join();
        return status_;
    }
    bool done() const { return done_.load(); }
    std::thread::native_handle_type handle() { return thread_.native_handle(); }

private:
    Status status_ = Status::kWouldBlock;
    std::atomic<bool> done_{false};
    std::thread thread_;
};

// Waits of the group that are asleep.
void await_blocked(WaitGroup& group, int n) {
    spin_until([&] { return group.count().blocked == n; });
}

WaitFor in_group(WaitGroup& group) {
    WaitFor wait;
    wait.group = &group;
    return wait;
}

TEST(Tally, CountsWhatWasSentAndIsNotDone) {
    PlainChannel channel(kUnbounded);
    EXPECT_EQ(channel->unfinished(), 0u);
    EXPECT_FALSE(channel->add_done());
    EXPECT_EQ(send_now(*channel, 1), Status::kOk);
    EXPECT_EQ(send_now(*channel, 2), Status::kOk);
    EXPECT_EQ(channel->unfinished(), 2u);
    EXPECT_EQ(next_value(*channel), 1u);
    EXPECT_EQ(channel->unfinished(), 2u);  // receiving does not finish it
    EXPECT_TRUE(channel->add_done());
    EXPECT_TRUE(channel->add_done());  // even before it was received, as in queue.Queue
    EXPECT_FALSE(channel->add_done());
    EXPECT_EQ(channel->unfinished(), 0u);
}

TEST(Tally, ASendThatWaitsOrFailsIsNotUnfinished) {
    PlainChannel channel(1);
    ASSERT_EQ(send_now(*channel, 1), Status::kOk);
    EXPECT_EQ(send_now(*channel, 2), Status::kWouldBlock);
    BlockedSend sender(*channel, 3, false);
    await_senders(*channel, 1);
    EXPECT_EQ(channel->unfinished(), 1u);
    EXPECT_EQ(next_value(*channel), 1u);  // makes the place
    EXPECT_EQ(sender.join(), Status::kOk);
    EXPECT_EQ(channel->unfinished(), 2u);
}

TEST(Tally, NothingUnfinishedDoesNotWait) {
    PlainChannel channel(kUnbounded);
    EXPECT_EQ(channel->wait_until_done({}), Status::kOk);
    ASSERT_EQ(send_now(*channel, 1), Status::kOk);
    EXPECT_EQ(channel->wait_until_done(at_once()), Status::kTimeout);
    EXPECT_TRUE(channel->add_done());
    EXPECT_EQ(channel->wait_until_done(at_once()), Status::kOk);
}

TEST(Tally, TheLastOneDoneWakesAllWhoWait) {
    for (int round = 0; round < 20; ++round) {
        PlainChannel channel(kUnbounded);
        WaitGroup group;
        for (std::uint64_t i = 0; i < 3; ++i) ASSERT_EQ(send_now(*channel, i), Status::kOk);
        std::deque<BlockedJoin> joins;
        for (int i = 0; i < 2 * WakeList::kMax + 3; ++i) joins.emplace_back(*channel, in_group(group));
        await_blocked(group, 2 * WakeList::kMax + 3);
        EXPECT_TRUE(channel->add_done());
        EXPECT_TRUE(channel->add_done());
        for (auto& join : joins) EXPECT_FALSE(join.done());
        EXPECT_TRUE(channel->add_done());
        for (auto& join : joins) EXPECT_EQ(join.join(), Status::kOk);
    }
}

TEST(Tally, WhatACloseDropsIsDone) {
    PlainChannel channel(2);
    WaitGroup group;
    for (std::uint64_t i = 0; i < 2; ++i) ASSERT_EQ(send_now(*channel, i), Status::kOk);
    ASSERT_EQ(next_value(*channel), 0u);  // is being worked on
    ASSERT_EQ(send_now(*channel, 2), Status::kOk);
    BlockedSend sender(*channel, 3, false);
    await_senders(*channel, 1);
    BlockedJoin join(*channel, in_group(group));
    await_blocked(group, 1);
    channel->close_now();
    EXPECT_EQ(sender.join(), Status::kClosed);
    EXPECT_EQ(channel->unfinished(), 1u);
    EXPECT_FALSE(join.done());
    EXPECT_TRUE(channel->add_done());
    EXPECT_EQ(join.join(), Status::kOk);
    EXPECT_FALSE(channel->add_done());
}

TEST(Tally, ACloseThatDropsTheLastWakesWhoWaits) {
    PlainChannel channel(kUnbounded);
    WaitGroup group;
    for (std::uint64_t i = 0; i < 5; ++i) ASSERT_EQ(send_now(*channel, i), Status::kOk);
    BlockedJoin join(*channel, in_group(group));
    await_blocked(group, 1);
    channel->close_sends(false);
    channel->close_now();
    EXPECT_EQ(join.join(), Status::kOk);
    channel->close_now();
    EXPECT_EQ(channel->unfinished(), 0u);
}

TEST(Tally, DroppedAfterItWasCalledDoneCountsOnce) {
    PlainChannel channel(kUnbounded);
    for (std::uint64_t i = 0; i < 3; ++i) ASSERT_EQ(send_now(*channel, i), Status::kOk);
    EXPECT_TRUE(channel->add_done());
    EXPECT_TRUE(channel->add_done());
    channel->close_now();
    EXPECT_EQ(channel->unfinished(), 0u);
    EXPECT_FALSE(channel->add_done());
}

TEST(Tally, EndsWithItsGroup) {
    PlainChannel channel(kUnbounded);
    WaitGroup group;
    ASSERT_EQ(send_now(*channel, 1), Status::kOk);
    BlockedJoin join(*channel, in_group(group));
    await_blocked(group, 1);
    group.end();
    EXPECT_EQ(join.join(), Status::kEnding);
    EXPECT_TRUE(channel->add_done());  // nobody is left in line
    EXPECT_EQ(channel->wait_until_done(in_group(group)), Status::kEnding);
    EXPECT_EQ(channel->wait_until_done({}), Status::kOk);
}

TEST(Tally, APokeInterruptsIt) {
    PlainChannel channel(kUnbounded);
    WaitGroup group;
    ASSERT_EQ(send_now(*channel, 1), Status::kOk);
    BlockedJoin join(*channel, in_group(group));
    await_blocked(group, 1);
    group.poke();
    EXPECT_EQ(join.join(), Status::kInterrupted);
}

TEST(Tally, ASignalInterruptsIt) {
    struct sigaction action{};
    action.sa_handler = [](int) {};
    sigaction(SIGUSR1, &action, nullptr);
    PlainChannel channel(kUnbounded);
    WaitGroup group;
    ASSERT_EQ(send_now(*channel, 1), Status::kOk);
    WaitFor wait = in_group(group);
    wait.interruptible = true;
    wait.slice = 50'000'000;  // where a signal does not wake who sleeps (the portable back end)
    BlockedJoin join(*channel, wait);
    await_blocked(group, 1);
    while (!join.done()) {
        pthread_kill(join.handle(), SIGUSR1);
        std::this_thread::yield();
    }
    EXPECT_EQ(join.join(), Status::kInterrupted);
    EXPECT_TRUE(channel->add_done());
}

// Producers, consumers that call each item done, and those who wait for that, all at once.
TEST(Tally, IsExactUnderTraffic) {
    constexpr int kProducers = 2, kConsumers = 2, kJoiners = 2;
    const auto items = static_cast<std::uint64_t>(rounds(5000));
    for (const std::int64_t capacity : {kUnbounded, std::int64_t{3}}) {
        PlainChannel channel(capacity);
        std::atomic<std::uint64_t> taken{0};
        std::atomic<bool> over{false};
        std::vector<std::thread> threads;
        for (int i = 0; i < kConsumers; ++i) {
            threads.emplace_back([&] {
                Scratch scratch;
                for (;;) {
                    Parcel out;
                    if (channel->recv(out, scratch, {}) != Status::kOk) return;
                    taken.fetch_add(1);
                    EXPECT_TRUE(channel->add_done());
                }
            });
        }
        for (int i = 0; i < kJoiners; ++i) {
            threads.emplace_back([&] {
                while (!over.load()) EXPECT_EQ(channel->wait_until_done({}), Status::kOk);
            });
        }
        std::vector<std::thread> producers;
        for (int i = 0; i < kProducers; ++i) {
            producers.emplace_back([&] {
                for (std::uint64_t n = 0; n < items; ++n) {
                    Message message(n);
                    if (send_now(*channel, message.parcel) == Status::kOk) continue;
                    Offer offer(*channel, message.parcel, 1, false);
                    EXPECT_EQ(offer.wait({}), Status::kOk);
                }
            });
        }
        for (auto& thread : producers) thread.join();
        EXPECT_EQ(channel->wait_until_done({}), Status::kOk);
        EXPECT_EQ(taken.load(), kProducers * items);
        over.store(true);
        channel->close_sends(false);
        for (auto& thread : threads) thread.join();
        EXPECT_EQ(channel->unfinished(), 0u);
        EXPECT_FALSE(channel->add_done());
    }
}

}  // namespace
}  // namespace interpchannels
