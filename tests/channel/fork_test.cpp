// A fork in the midst of other threads' traffic: in the child, where only the forking thread lives on,
// every channel of the parent is closed and nothing hangs, whatever the others were inside of. The parent
// goes on as if nothing had happened.
//
// The child reports by its exit status: 0, or the line of the check that failed. An alarm ends one that
// hangs, so that it shows as a failure.
#include <sys/wait.h>
#include <unistd.h>

#include "channel/associated_ends.hpp"
#include "channel/counted_ends.hpp"
#include "channel/tables.hpp"
#include "engine_support.hpp"

namespace interpchannels {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the tests' own helpers

#define CHILD_EXPECT(condition)                   \
    do {                                          \
        if (!(condition)) return __LINE__ - base; \
    } while (false)

// Forks, runs `child` there, and expects it to end well.
template <class Child>
void in_child(Child child) {
    const pid_t pid = fork();
    ASSERT_NE(pid, -1);
    if (pid == 0) {
        alarm(120);
        _exit(child());
    }
    int status = 0;
    ASSERT_EQ(waitpid(pid, &status, 0), pid);
    EXPECT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
    if (WIFEXITED(status)) {
        EXPECT_EQ(WEXITSTATUS(status), 0) << "the line of the check, less its function's";
    }
}

// Nothing can be done with a channel of the parent, and trying ends at once.
int expect_closed(Channel& channel) {
    constexpr int base = __LINE__;
    CHILD_EXPECT(channel.state() == State::kClosed);
    Message message(1);
    CHILD_EXPECT(channel.try_send(message.parcel, 1) == Status::kClosed);
    {
        Offer offer(channel, message.parcel, 1, true);
        CHILD_EXPECT(offer.wait({}) == Status::kClosed);
        CHILD_EXPECT(offer.withdraw());
    }
    CHILD_EXPECT(value_of(message.parcel) == 1);
    Parcel out;
    Scratch scratch;
    CHILD_EXPECT(channel.try_recv(out, scratch) == Status::kClosed);
    CHILD_EXPECT(channel.recv(out, scratch, {}) == Status::kClosed);
    CHILD_EXPECT(channel.stats().waiting_receivers == 0);
    CHILD_EXPECT(channel.stats().waiting_senders == 0);
    CHILD_EXPECT(channel.unfinished() == 0);
    CHILD_EXPECT(channel.wait_until_done({}) == Status::kOk);
    channel.settle();
    channel.wake_all();
    channel.clear_sender(1, 1);
    channel.close_sends(true);
    channel.close_now();
    CHILD_EXPECT(channel.state() == State::kClosed);
    return 0;
}

// A channel that the child makes is a channel. (No thread: it is the only one there.)
int expect_new_one_works() {
    constexpr int base = __LINE__;
    const auto channel = CountedChannel::create(2, 0, true);
    CHILD_EXPECT(channel);
    CHILD_EXPECT(package_table().find(channel->id()).get() == channel.get());
    CHILD_EXPECT(send_now(*channel, 5) == Status::kOk);
    CHILD_EXPECT(next_value(*channel) == 5);
    Parcel out;
    Scratch scratch;
    WaitFor wait;
    wait.deadline = now() + 1'000'000;
    CHILD_EXPECT(channel->recv(out, scratch, wait) == Status::kTimeout);
    return 0;
}

TEST(Fork, AtRestTheChildFindsEverythingClosed) {
    ASSERT_TRUE(fork_handlers_registered());
    Attachments attachments;
    auto package = CountedChannel::create(2, 0, true);
    auto drop_in = AssociatedChannel::create(3, 1);
    Message message(7);
    message.parcel.attachments = attachments.chain(1);
    send_now(*package, message.parcel);
    send_now(*drop_in, 8);
    in_child([&] {
        if (const int line = expect_closed(*package)) return line;
        if (const int line = expect_closed(*drop_in)) return line;
        if (attachments.released() != 0) return 200;  // what lies in them is left alone
        if (package_table().size() || drop_in_table().size()) return 201;  // none of them is the child's
        package = {};
        drop_in->destroy();
        drop_in = {};
        return expect_new_one_works();
    });
    EXPECT_EQ(package->state(), State::kOpen);
    EXPECT_EQ(next_value(*package), 7u);
    EXPECT_EQ(next_value(*drop_in), 8u);
    drop_in->destroy();
}

TEST(Fork, WithBlockedCallsTheChildForgetsThem) {
    ASSERT_TRUE(fork_handlers_registered());
    const auto empty = CountedChannel::create(kUnbounded, 0, true);
    const auto full = CountedChannel::create(1, 0, true);
    const auto rendezvous = CountedChannel::create(0, 0, true);
    send_now(*full, 1);
    {
        BlockedRecv receiver(*empty);
        BlockedSend sender(*full, 2, false);
        BlockedSend meeting(*rendezvous, 3, true);
        await_receivers(*empty, 1);
        await_senders(*full, 1);
        await_senders(*rendezvous, 1);
        in_child([&] {
            for (CountedChannel* channel : {empty.get(), full.get(), rendezvous.get()}) {
                if (const int line = expect_closed(*channel)) return line;
            }
            return 0;
        });
        EXPECT_FALSE(receiver.done());
        EXPECT_FALSE(sender.done());
        EXPECT_FALSE(meeting.done());
        EXPECT_EQ(send_now(*empty, 9), Status::kOk);
        EXPECT_EQ(receiver.join(), Status::kOk);
        EXPECT_EQ(next_value(*full), 1u);
        EXPECT_EQ(sender.join(), Status::kOk);
        EXPECT_EQ(next_value(*rendezvous), 3u);
        EXPECT_EQ(meeting.join(), Status::kOk);
    }
}

// The forking thread's own interrupted send (a signal handler that forks) goes on into nothing.
TEST(Fork, AnInterruptedOfferOfTheForkingThreadEnds) {
    ASSERT_TRUE(fork_handlers_registered());
    const auto channel = CountedChannel::create(0, 0, true);
    BlockedSend ahead(*channel, 1, true);
    await_senders(*channel, 1);
    Message message(2);
    Offer offer(*channel, message.parcel, 1, true);
    ASSERT_EQ(offer.wait(stand_in_line()), Status::kInterrupted);
    in_child([&] {
        if (offer.wait({}) != Status::kClosed) return 1;
        if (!offer.withdraw()) return 2;
        if (value_of(message.parcel) != 2) return 3;
        return 0;
    });
    EXPECT_EQ(next_value(*channel), 1u);
    EXPECT_EQ(next_value(*channel), 2u);
    EXPECT_EQ(offer.wait({}), Status::kOk);
}

// Somebody is inside the lists of ends at the fork.
TEST(Fork, TheListsOfEndsAreUsableInTheChild) {
    ASSERT_TRUE(fork_handlers_registered());
    auto channel = AssociatedChannel::create(3, 1);
    Association* association = nullptr;
    ASSERT_EQ(channel->associate(1, Direction::kSend, association), Status::kOk);
    std::atomic<bool> inside{false};
    std::atomic<bool> leave{false};
    std::thread visitor([&] {
        channel->for_each_association([&](std::int64_t, Direction, bool) {
            inside.store(true);
            spin_until([&] { return leave.load(); });
        });
    });
    spin_until([&] { return inside.load(); });
    in_child([&] {
        Association* other = nullptr;
        if (channel->associate(2, Direction::kRecv, other) == Status::kNoMemory) return 1;
        int count = 0;
        channel->for_each_association([&](std::int64_t, Direction, bool) { ++count; });
        if (count != 2) return 2;
        channel->release(1, true, true);
        channel->forget_interpreter(1);
        channel->destroy();
        return 0;
    });
    leave.store(true);
    visitor.join();
    EXPECT_EQ(channel->state(), State::kOpen);
    channel->destroy();
}

TEST(Fork, InTheMidstOfTraffic) {
    ASSERT_TRUE(fork_handlers_registered());
    const auto unbounded = CountedChannel::create(kUnbounded, 0, true);
    const auto bounded = CountedChannel::create(2, 0, true);
    const auto rendezvous = CountedChannel::create(0, 0, true);
    const auto drop_in = AssociatedChannel::create(3, 1);
    const std::vector<Channel*> channels{unbounded.get(), bounded.get(), rendezvous.get(), drop_in.get()};
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> moved{0};
    std::vector<std::thread> threads;
    for (Channel* channel : channels) {
        threads.emplace_back([&, channel] {
            std::uint64_t value = 0;
            while (!stop.load()) {
                Message message(value++, 1, 3);
                if (channel->count() > 1'000) std::this_thread::yield();
                Offer offer(*channel, message.parcel, 1, channel == drop_in.get());
                if (offer.wait({}) == Status::kClosed) return;
            }
        });
        threads.emplace_back([&, channel] {
            for (;;) {
                Parcel out;
                Scratch scratch;
                if (channel->recv(out, scratch, {}) == Status::kClosed) return;
                moved.fetch_add(1);
            }
        });
    }
    // Others come and go, so that the tables are busy too.
    threads.emplace_back([&] {
        while (!stop.load()) {
            auto passing = CountedChannel::create(1, 0, true);
            send_now(*passing, 1);
            auto other = AssociatedChannel::create(3, 1);
            Association* association = nullptr;
            other->associate(1, Direction::kSend, association);
            other->clear_sender(1, 1);
            other->destroy();
        }
    });
    for (int i = 0; i < rounds(60); ++i) {
        const std::uint64_t before = moved.load();
        spin_until([&] { return moved.load() > before; });
        in_child([&] {
            for (Channel* channel : channels) {
                if (const int line = expect_closed(*channel)) return line;
            }
            drop_in->forget_interpreter(1);
            drop_in->destroy();
            std::ptrdiff_t count = 0;
            if (package_table().list(count) || count != 0) return 210;
            return expect_new_one_works();
        });
        if (HasFailure()) break;
    }
    stop.store(true);
    for (Channel* channel : channels) {
        EXPECT_EQ(channel->state(), State::kOpen);
        channel->close_now();
    }
    for (std::thread& t : threads) t.join();
    drop_in->destroy();
}

}  // namespace
}  // namespace interpchannels
