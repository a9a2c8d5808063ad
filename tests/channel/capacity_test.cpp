// Capacity to the letter, and who comes first: among many senders and receivers, with select among them.
//
// Order is bounded in rounds (how many went before), never in time.
#include <mutex>

#include "select_support.hpp"

namespace interpchannels {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the tests' own helpers

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
