// Select: exactly one of several operations, whoever else is at those channels.
#include <numeric>

#include "select_support.hpp"

namespace interpchannels {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the tests' own helpers

class Selects : public ::testing::TestWithParam<std::int64_t> {};
INSTANTIATE_TEST_SUITE_P(All, Selects, ::testing::Values(kUnbounded, 0, 1, 3), [](const auto& about) {
    return about.param == kUnbounded ? std::string("Unbounded") : "Of" + std::to_string(about.param);
});

TEST_P(Selects, NothingReadyIsSaidAndLeavesNobodyInLine) {
    PlainChannel channel(GetParam());
    PlainChannel other(GetParam());
    Selecting select;
    select.recv(*channel).recv(*other);
    EXPECT_EQ(select.try_once(), Status::kWouldBlock);
    EXPECT_EQ(select.now_or_never(), Status::kWouldBlock);
    EXPECT_EQ(select.wait(at_once()), Status::kTimeout);
    EXPECT_EQ(select.index(), Select::kNone);
    expect_nobody_waits(*channel);
    expect_nobody_waits(*other);
}

TEST_P(Selects, AnItemThatComesWhileItWaitsIsReceivedOnce) {
    PlainChannel channel(GetParam());
    PlainChannel other(GetParam());
    for (int round = 0; round < rounds(200); ++round) {
        Selecting select;
        select.recv(*channel).recv(*other);
        Status status = Status::kWouldBlock;
        std::thread thread([&] { status = select.wait(); });
        if (round % 2) await_receivers(*other, 1);
        Message message(static_cast<std::uint64_t>(round));
        Offer offer(*other, message.parcel, 1, false);
        EXPECT_EQ(offer.wait({}), Status::kOk);
        thread.join();
        ASSERT_EQ(status, Status::kOk);
        EXPECT_EQ(select.index(), 1u);
        EXPECT_EQ(select.value(), static_cast<std::uint64_t>(round));
        expect_nobody_waits(*channel);
        expect_nobody_waits(*other);
    }
}

TEST_P(Selects, AClosedChannelIsReadyAndNamed) {
    PlainChannel channel(GetParam());
    PlainChannel other(GetParam());
    other->close_sends(false);
    Selecting receiving;
    receiving.recv(*channel).recv(*other);
    EXPECT_EQ(receiving.wait(), Status::kClosed);
    EXPECT_EQ(receiving.index(), 1u);
    Selecting sending;
    sending.send(*other, 7).recv(*channel);
    EXPECT_EQ(sending.try_once(), Status::kClosed);
    EXPECT_EQ(sending.index(), 0u);
    EXPECT_EQ(sending.kept(0), 7u);
    expect_nobody_waits(*channel);
}

TEST_P(Selects, CloseAndCancelAndTheGroupsEndWakeIt) {
    for (int way = 0; way < 4; ++way) {
        PlainChannel channel(GetParam());
        PlainChannel other(0);
        WaitGroup group;
        std::atomic<bool> flag{false};
        WaitFor wait;
        wait.group = &group;
        Selecting select;
        select.recv(*channel).cancelled_by(flag).send(*other, 1);
        Status status = Status::kWouldBlock;
        std::thread thread([&] { status = select.wait(wait); });
        await_receivers(*channel, 1);
        switch (way) {
        case 0:
            channel->close_sends(false);
            break;
        case 1:
            other->close_now();
            break;
        case 2:
            flag.store(true);
            channel->wake_all();
            break;
        default:
            group.end();
        }
        thread.join();
        const Status expected[] = {Status::kClosed, Status::kClosed, Status::kCancelled, Status::kEnding};
        EXPECT_EQ(status, expected[way]) << way;
        if (way < 3) {
            EXPECT_EQ(select.index(), way == 1 ? 1u : 0u);
        }
        EXPECT_EQ(select.kept(0), 1u);
        expect_nobody_waits(*channel);
        expect_nobody_waits(*other);
    }
}

TEST(Select, ASendThatStandsInLineIsTakenAndTheRestLetGo) {
    for (const std::int64_t capacity : {0, 1}) {
        PlainChannel full(capacity);
        PlainChannel silent(kUnbounded);
        if (capacity) {
            ASSERT_EQ(send_now(*full, 1), Status::kOk);
        }
        Selecting select;
        select.recv(*silent).send(*full, 2);
        Status status = Status::kWouldBlock;
        std::thread thread([&] { status = select.wait(); });
        await_senders(*full, 1);
        if (capacity) {
            EXPECT_EQ(next_value(*full), 1u);
        }
        EXPECT_EQ(next_value(*full), 2u);
        thread.join();
        EXPECT_EQ(status, Status::kOk);
        EXPECT_EQ(select.index(), 1u);
        expect_nobody_waits(*full);
        expect_nobody_waits(*silent);
    }
}

TEST(Select, NeverPairsWithItself) {
    for (const std::int64_t capacity : {0, 1}) {
        PlainChannel channel(capacity);
        Selecting first;
        first.recv(*channel).send(*channel, 1);
        const Status status = first.wait(at_once());
        if (capacity == 0) {
            EXPECT_EQ(status, Status::kTimeout);
        } else {
            EXPECT_EQ(status, Status::kOk);
            EXPECT_EQ(first.index(), 1u);
            // Full: only the receive can be done, and the select's own offer must not move into its place.
            Selecting second;
            second.send(*channel, 2).recv(*channel).send(*channel, 3);
            EXPECT_EQ(second.wait(), Status::kOk);
            EXPECT_EQ(second.index(), 1u);
            EXPECT_EQ(second.value(), 1u);
        }
        EXPECT_EQ(channel->count(), 0u);
        expect_nobody_waits(*channel);
    }
}

TEST(Select, StandsInBothDirectionsOfAChannelAndServesEither) {
    PlainChannel channel(0);
    for (int round = 0; round < rounds(200); ++round) {
        Selecting select;
        select.recv(*channel).send(*channel, 5);
        Status status = Status::kWouldBlock;
        std::thread thread([&] { status = select.wait(); });
        if (round % 3 == 0) await_senders(*channel, 1);
        if (round % 2) {
            BlockedSend sender(*channel, 6, true);
            EXPECT_EQ(sender.join(), Status::kOk);
        } else {
            BlockedRecv receiver(*channel);
            EXPECT_EQ(receiver.join(), Status::kOk);
            EXPECT_EQ(receiver.value(), 5u);
        }
        thread.join();
        EXPECT_EQ(status, Status::kOk);
        EXPECT_EQ(select.index(), round % 2 ? 0u : 1u);
        expect_nobody_waits(*channel);
    }
}

// The wake-up of an item that another operation's select did not take goes on to whoever stands behind it.
TEST(Select, AWakeUpThatItHasNoUseForIsPassedOn) {
    for (int round = 0; round < rounds(2000); ++round) {
        PlainChannel left(kUnbounded);
        PlainChannel right(kUnbounded);
        Selecting select;
        select.recv(*left).recv(*right);
        Status status = Status::kWouldBlock;
        std::thread thread([&] { status = select.wait(); });
        await_receivers(*left, 1);
        BlockedRecv behind_left(*left);
        BlockedRecv behind_right(*right);
        await_receivers(*left, 2);
        await_receivers(*right, 2);
        // The select is first in both lines, and takes one of the two; the other is for who stands behind.
        Meeting meeting(2);
        std::thread other([&] {
            meeting.arrive();
            ASSERT_EQ(send_now(*right, 2), Status::kOk);
        });
        meeting.arrive();
        ASSERT_EQ(send_now(*left, 1), Status::kOk);
        other.join();
        thread.join();
        ASSERT_EQ(status, Status::kOk);
        BlockedRecv& served = select.index() == 0 ? behind_right : behind_left;
        BlockedRecv& unserved = select.index() == 0 ? behind_left : behind_right;
        EXPECT_EQ(served.join(), Status::kOk);  // hangs where the wake-up was lost
        EXPECT_FALSE(unserved.done());
        left->close_now();
        right->close_now();
    }
}

// An offer keeps its place while its thread looks at a signal, and may be taken meanwhile.
TEST(Select, AnInterruptedSendKeepsItsPlaceAndCanBeWithdrawn) {
    PlainChannel channel(0);
    PlainChannel silent(0);
    {
        Selecting select;
        select.recv(*silent).send(*channel, 1);
        EXPECT_EQ(select.wait(stand_in_line()), Status::kInterrupted);
        EXPECT_EQ(channel->stats().waiting_senders, 1u);
        EXPECT_EQ(silent->stats().waiting_receivers, 0u)
            << "a receive keeps no place: nothing is handed to it";
        EXPECT_TRUE(select.withdraw());
        expect_nobody_waits(*channel);
    }
    Selecting select;
    select.recv(*silent).send(*channel, 2);
    EXPECT_EQ(select.wait(stand_in_line()), Status::kInterrupted);
    EXPECT_EQ(next_value(*channel), 2u);
    EXPECT_FALSE(select.withdraw());
    EXPECT_EQ(select.index(), 1u);
    expect_nobody_waits(*channel);
}

// Many selects, sends and receives over a few channels, in whatever order: every item once, nobody left behind.
TEST(SelectStress, EveryItemArrivesOnceAndNobodyIsLeftInLine) {
    constexpr std::int64_t kCapacities[] = {0, 1, 2, kUnbounded, 0};
    constexpr int kThreads = 3;
    const int items = rounds(6000);
    std::deque<PlainChannel> channels;
    for (const std::int64_t capacity : kCapacities) channels.emplace_back(capacity);
    std::vector<std::atomic<int>> seen(static_cast<std::size_t>(items * kThreads));
    std::atomic<int> left{items * kThreads};
    PlainChannel over(kUnbounded);

    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&, t] {  // sends each of its items once, wherever it goes first
            std::mt19937 random(static_cast<unsigned>(t) + 1);
            for (int i = 0; i < items; ++i) {
                Selecting select;
                const std::size_t width = 1 + random() % channels.size();
                for (std::size_t k = 0; k < width; ++k) {
                    // In an order of its own, so that two selects stand at the same channels the other way round.
                    select.send(*channels[random() % channels.size()],
                                static_cast<std::uint64_t>(t * items + i));
                }
                ASSERT_EQ(random() % 2 ? select.try_once() == Status::kOk || select.wait() == Status::kOk
                                       : select.wait() == Status::kOk,
                          true);
            }
        });
        threads.emplace_back([&, t] {
            std::mt19937 random(static_cast<unsigned>(t) + 100);
            for (;;) {
                Selecting select;
                std::vector<std::size_t> order(channels.size());
                std::iota(order.begin(), order.end(), std::size_t{0});
                std::shuffle(order.begin(), order.end(), random);
                for (const std::size_t k : order) select.recv(*channels[k]);
                select.recv(*over);
                WaitFor wait;
                if (random() % 4 == 0) wait.deadline = now() + static_cast<Nanos>(random() % 20'000);
                const Status status = select.wait(wait);
                if (status == Status::kTimeout) continue;
                if (status == Status::kClosed) return;
                ASSERT_EQ(status, Status::kOk);
                seen[select.value()].fetch_add(1);
                if (left.fetch_sub(1) == 1) over->close_sends(false);
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    for (const auto& count : seen) ASSERT_EQ(count.load(), 1);
    for (const PlainChannel& channel : channels) {
        expect_nobody_waits(*channel);
        EXPECT_EQ(channel->count(), 0u);
    }
}

// Two threads select over the same two rendezvous channels, each sending on one and receiving on the other: no
// deadlock, and whatever is sent is received.
TEST(SelectStress, TwoSelectsThatMeetAgreeOnOneOperation) {
    PlainChannel left(0);
    PlainChannel right(0);
    const int meetings = rounds(20000);
    std::uint64_t sent[2] = {0, 0};
    std::uint64_t received[2] = {0, 0};
    const auto side = [&](int me) {
        Channel& out = me ? *right : *left;
        Channel& in = me ? *left : *right;
        for (int i = 0; i < meetings; ++i) {
            Selecting select;
            if ((i + me) % 2) {
                select.send(out, 1).recv(in);
            } else {
                select.recv(in).send(out, 1);
            }
            ASSERT_EQ(select.wait(), Status::kOk);
            const bool was_send = (select.index() == 0) == ((i + me) % 2 == 1);
            ++(was_send ? sent : received)[me];
        }
    };
    std::thread thread(side, 1);
    side(0);
    thread.join();
    EXPECT_EQ(sent[0], received[1]);
    EXPECT_EQ(sent[1], received[0]);
    EXPECT_EQ(sent[0] + sent[1], static_cast<std::uint64_t>(meetings));
}

// At every moment one of the two is ready, and soon the other: "nothing is ready" would be said of no moment.
// After TestNonblockSelectRace of Go's runtime/chan_test.go.
TEST(SelectStress, NothingIsSaidOfOneMomentAlone) {
    PlainChannel pair[2] = {PlainChannel(kUnbounded), PlainChannel(kUnbounded)};
    const int times = rounds(5000);
    Meeting meeting(2);
    std::thread other([&] {
        for (int i = 0; i < times; ++i) {
            ASSERT_EQ(send_now(*pair[0], 1), Status::kOk);
            meeting.arrive();
            for (int k = 0; k < 100; ++k) {
                ASSERT_EQ(send_now(*pair[(k + 1) % 2], 1), Status::kOk);
                if (next_value(*pair[k % 2]) == kNothing) break;  // it was selected
            }
            meeting.arrive();
            while (next_value(*pair[0]) == 1u || next_value(*pair[1]) == 1u) {
            }
        }
    });
    int nothing = 0;
    for (int i = 0; i < times; ++i) {
        Selecting select;
        select.recv(*pair[0]).recv(*pair[1]);
        meeting.arrive();
        if (select.now_or_never() == Status::kWouldBlock) ++nothing;
        meeting.arrive();
    }
    other.join();
    EXPECT_EQ(nothing, 0);
}

TEST(Select, IsFairAmongTheReady) {
    constexpr int kWays = 5;
    const int draws = 100'000;
    std::deque<PlainChannel> channels;
    for (int i = 0; i < kWays; ++i) channels.emplace_back(kUnbounded);
    for (const bool attached : {true, false}) {
        std::vector<int> chosen(kWays);
        for (auto& channel : channels) ASSERT_EQ(send_now(*channel, 1), Status::kOk);
        for (int i = 0; i < draws; ++i) {
            Selecting select;
            for (auto& channel : channels) select.recv(*channel);
            ASSERT_EQ(attached ? select.try_once() : select.wait(), Status::kOk);
            ++chosen[select.index()];
            ASSERT_EQ(send_now(*channels[select.index()], 1), Status::kOk);
        }
        double chi_squared = 0;
        const double expected = static_cast<double>(draws) / kWays;
        for (const int n : chosen) chi_squared += (n - expected) * (n - expected) / expected;
        // Four degrees of freedom: a fair draw exceeds this once in ten million runs.
        EXPECT_LT(chi_squared, 39.0);
        for (auto& channel : channels) next_value(*channel);
    }
}

TEST(Select, IsFairAmongSendsThatStandInOneLine) {
    constexpr std::uint64_t kWays = 3;
    const int draws = rounds(1500);
    PlainChannel channel(0);
    std::vector<int> chosen(kWays);
    for (int i = 0; i < draws; ++i) {
        Selecting select;
        for (std::uint64_t way = 0; way < kWays; ++way) select.send(*channel, way);
        std::thread thread([&] { EXPECT_EQ(select.wait(), Status::kOk); });
        await_senders(*channel, kWays);  // whoever receives comes after all of them
        const std::uint64_t value = next_value(*channel);
        thread.join();
        ASSERT_EQ(value, select.index());
        ++chosen[value];
    }
    double chi_squared = 0;
    const double expected = static_cast<double>(draws) / kWays;
    for (const int n : chosen) chi_squared += (n - expected) * (n - expected) / expected;
    // Two degrees of freedom: a fair draw exceeds this once in ten million runs.
    EXPECT_LT(chi_squared, 32.3);
}

}  // namespace
}  // namespace interpchannels
