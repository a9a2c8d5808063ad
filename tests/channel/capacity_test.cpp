// Capacity to the letter, and who comes first: among many senders and receivers, with select among them.
//
// Order is bounded in rounds (how many went before), never in time.
#include <mutex>

#include "select_support.hpp"

namespace interpchannels {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the tests' own helpers

// --- how much is in it ---

// An account of the test's own: sends that have returned, and receives that have begun. Read in this order it can
// only be too small by what happens meanwhile, so at no moment may it exceed the capacity.
struct Account {
    std::atomic<std::int64_t> sent{0};
    std::atomic<std::int64_t> receiving{0};
    std::int64_t held() const {
        const std::int64_t before = sent.load();
        return before - receiving.load();
    }
};

class Capacity : public ::testing::TestWithParam<std::int64_t> {};
INSTANTIATE_TEST_SUITE_P(All, Capacity, ::testing::Values(0, 1, 2, 5, 64));

TEST_P(Capacity, IsNeverExceededWhoeverSendsAndHowever) {
    const std::int64_t capacity = GetParam();
    PlainChannel channel(capacity);
    PlainChannel silent(kUnbounded);
    Account account;
    constexpr int kSenders = 3;
    constexpr int kReceivers = 2;
    const int items = rounds(4000);
    std::atomic<std::int64_t> most{0};
    const auto check = [&] {
        const std::int64_t held = account.held();
        ASSERT_LE(held, capacity);
        ASSERT_LE(channel->count(), static_cast<std::uint64_t>(capacity));
        if (held > most.load()) most.store(held);
    };
    std::vector<std::thread> threads;
    for (int t = 0; t < kSenders; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < items; ++i) {
                Message message(1);
                if ((i + t) % 3 == 0) {
                    while (send_now(*channel, message.parcel) != Status::kOk) std::this_thread::yield();
                } else if ((i + t) % 3 == 1) {
                    Offer offer(*channel, message.parcel, 1, false);
                    ASSERT_EQ(offer.wait({}), Status::kOk);
                } else {
                    Selecting select;
                    select.recv(*silent).send(*channel, 1);
                    ASSERT_EQ(select.wait(), Status::kOk);
                }
                account.sent.fetch_add(1);
                check();
            }
        });
    }
    for (int t = 0; t < kReceivers; ++t) {
        threads.emplace_back([&, t] {
            Parcel out;
            Scratch scratch;
            for (int i = 0; i < items * kSenders / kReceivers; ++i) {
                // Let it fill up now and then.
                if (i % 50 == 0 && i < items) spin_until([&] { return account.held() == capacity; });
                account.receiving.fetch_add(1);
                if ((i + t) % 2) {
                    ASSERT_EQ(channel->recv(out, scratch, {}), Status::kOk);
                } else {
                    Selecting select;
                    select.recv(*channel).recv(*silent);
                    ASSERT_EQ(select.wait(), Status::kOk);
                }
                out.reset();
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(most.load(), capacity) << "it was used to the full";
    EXPECT_EQ(account.held(), 0);
    expect_nobody_waits(*channel);
}

TEST(CapacityNone, NeverWaits) {
    PlainChannel channel(kUnbounded);
    for (std::uint64_t i = 0; i < 20'000; ++i) {
        Message message(i);
        if (i % 2) {
            ASSERT_EQ(channel->try_send(message.parcel, 1), Status::kOk);
        } else {
            Selecting select;
            select.send(*channel, i);
            ASSERT_EQ(select.try_once(), Status::kOk);
        }
    }
    EXPECT_EQ(channel->count(), 20'000u);
    for (std::uint64_t i = 0; i < 20'000; ++i) ASSERT_EQ(next_value(*channel), i);
}

// --- who comes first ---

// Senders are served in the order in which they stood up, whether they send or select, and nobody who comes later
// is served before: not by trying, not by waiting, not by select.
TEST_P(Capacity, SendersAreServedInTheirOrder) {
    const std::int64_t capacity = GetParam();
    PlainChannel channel(capacity);
    PlainChannel silent(kUnbounded);
    constexpr std::uint64_t kLine = 24;
    const auto full = static_cast<std::uint64_t>(capacity);
    for (std::uint64_t i = 0; i < full; ++i) ASSERT_EQ(send_now(*channel, i), Status::kOk);
    std::deque<BlockedSend> sends;
    std::deque<Selecting> selecting;
    std::deque<BlockedSelect> selects;
    for (std::uint64_t i = 0; i < kLine; ++i) {
        if (i % 3 == 2) {
            selecting.emplace_back().recv(*silent).send(*channel, full + i);
            selects.emplace_back(selecting.back());
        } else {
            sends.emplace_back(*channel, full + i, i % 3 == 1 && capacity == 0);
        }
        await_senders(*channel, static_cast<std::uint32_t>(i + 1));
    }
    std::atomic<bool> stop{false};
    std::thread late([&] {
        while (!stop.load()) {
            EXPECT_EQ(send_now(*channel, kNothing), Status::kWouldBlock);
            Selecting select;
            select.send(*channel, kNothing);
            EXPECT_EQ(select.now_or_never(), Status::kWouldBlock);
        }
    });
    // As long as somebody stands in line, who comes later gets no place.
    const std::uint64_t last = kLine;
    for (std::uint64_t i = 0; i + 1 < last; ++i) ASSERT_EQ(next_value(*channel), i);
    stop.store(true);
    late.join();
    for (std::uint64_t i = last - 1; i < full + kLine; ++i) ASSERT_EQ(next_value(*channel), i);
    for (BlockedSend& send : sends) EXPECT_EQ(send.join(), Status::kOk);
    for (BlockedSelect& select : selects) EXPECT_EQ(select.join(), Status::kOk);
    expect_nobody_waits(*channel);
}

// Receivers at a rendezvous likewise.
TEST(CapacityOfNone, ReceiversAreServedInTheirOrder) {
    PlainChannel channel(0);
    PlainChannel silent(kUnbounded);
    constexpr std::uint64_t kLine = 24;
    std::deque<BlockedRecv> receives;
    std::deque<Selecting> selecting;
    std::deque<BlockedSelect> selects;
    for (std::uint64_t i = 0; i < kLine; ++i) {
        if (i % 2) {
            selecting.emplace_back().recv(*silent).recv(*channel);
            selects.emplace_back(selecting.back());
        } else {
            receives.emplace_back(*channel);
        }
        await_receivers(*channel, static_cast<std::uint32_t>(i + 1));
    }
    for (std::uint64_t i = 0; i < kLine; ++i) {
        ASSERT_EQ(send_now(*channel, i), Status::kOk);
        EXPECT_EQ(next_value(*channel), kNothing);
    }
    for (std::uint64_t i = 0; i < kLine; ++i) {
        if (i % 2) {
            EXPECT_EQ(selects[i / 2].join(), Status::kOk);
            EXPECT_EQ(selecting[i / 2].value(), i);
        } else {
            EXPECT_EQ(receives[i / 2].join(), Status::kOk);
            EXPECT_EQ(receives[i / 2].value(), i);
        }
    }
}

// --- places in line ---

// A call that looks at a signal, or was woken in vain, is not behind those who came meanwhile.
TEST(Places, AReceiveThatComesBackIsWhereItWas) {
    for (const std::int64_t capacity : {kUnbounded, std::int64_t{0}, std::int64_t{2}}) {
        PlainChannel channel(capacity);
        Parcel out;
        Scratch scratch;
        std::uint64_t place = 0;
        ASSERT_EQ(channel->recv(out, scratch, stand_in_line(), &place), Status::kInterrupted);
        BlockedRecv behind(*channel);
        await_receivers(*channel, 1);
        Status status = Status::kWouldBlock;
        std::thread back([&] { status = channel->recv(out, scratch, {}, &place); });
        await_receivers(*channel, 2);
        ASSERT_EQ(send_now(*channel, 1), Status::kOk);
        back.join();
        EXPECT_EQ(status, Status::kOk);
        EXPECT_FALSE(behind.done());
        ASSERT_EQ(send_now(*channel, 2), Status::kOk);
        EXPECT_EQ(behind.join(), Status::kOk);
        EXPECT_EQ(behind.value(), 2u);
    }
}

TEST(Places, ASelectThatComesBackIsWhereItWas) {
    for (const std::int64_t capacity : {kUnbounded, std::int64_t{0}, std::int64_t{2}}) {
        PlainChannel channel(capacity);
        PlainChannel silent(0);
        Selecting select;
        select.recv(*silent).recv(*channel);
        ASSERT_EQ(select.wait(stand_in_line()), Status::kInterrupted);
        BlockedRecv behind(*channel);
        await_receivers(*channel, 1);
        BlockedSelect back(select);
        await_receivers(*channel, 2);
        ASSERT_EQ(send_now(*channel, 1), Status::kOk);
        EXPECT_EQ(back.join(), Status::kOk);
        EXPECT_EQ(select.value(), 1u);
        ASSERT_EQ(send_now(*channel, 2), Status::kOk);
        EXPECT_EQ(behind.join(), Status::kOk);
    }
}

// Both directions of one channel: its offer is out of line while it looks, and goes back to its place.
TEST(Places, ASelectOfBothDirectionsKeepsItsOffersPlace) {
    for (const std::int64_t capacity : {std::int64_t{0}, std::int64_t{1}}) {
        PlainChannel channel(capacity);
        PlainChannel own(kUnbounded);
        if (capacity) {
            ASSERT_EQ(send_now(*channel, 1), Status::kOk);
        }
        Selecting select;
        // Mixed by the second channel where the first has an item to receive.
        select.send(*channel, 2);
        if (capacity) {
            PlainChannel mixed(0);
            select.recv(*mixed).send(*mixed, 9);
            ASSERT_EQ(select.wait(stand_in_line()), Status::kInterrupted);
            BlockedSend behind(*channel, 3, false);
            await_senders(*channel, 2);
            ASSERT_EQ(select.wait(stand_in_line()), Status::kInterrupted);
            for (const std::uint64_t expected : {1u, 2u, 3u}) EXPECT_EQ(next_value(*channel), expected);
            EXPECT_EQ(behind.join(), Status::kOk);
            EXPECT_FALSE(select.withdraw());
            EXPECT_EQ(select.index(), 0u);
        } else {
            select.recv(*channel);
            ASSERT_EQ(select.wait(stand_in_line()), Status::kInterrupted);
            BlockedSend behind(*channel, 3, true);
            await_senders(*channel, 2);
            // It takes the other's offer: that is a receive that can be done.
            EXPECT_EQ(select.wait(), Status::kOk);
            EXPECT_EQ(select.value(), 3u);
            EXPECT_EQ(behind.join(), Status::kOk);
        }
        expect_nobody_waits(*channel);
    }
}

}  // namespace
}  // namespace interpchannels
