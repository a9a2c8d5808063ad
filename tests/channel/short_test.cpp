// The short way of an item that is a few bytes and owns nothing: what it does by itself, and what it leaves to the long one.
// That both ways make one queue is in every other test: send_now() and recv_now() take them by turns.
#include "engine_support.hpp"

namespace interpchannels {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the tests' own helpers

Status send_short(Channel& channel, std::uint64_t value) {
    Message message(value);
    return try_send_short(channel, message.parcel, 1);
}
Status recv_short(Channel& channel, std::uint64_t& value) {
    Parcel out;
    Scratch scratch;
    const Status status = try_recv_short(channel, out, scratch);
    if (status == Status::kOk) value = value_of(out);
    return status;
}

class Short : public ::testing::TestWithParam<std::int64_t> {
protected:
    PlainChannel channel_{GetParam()};
    std::uint64_t value_ = kNothing;
};
INSTANTIATE_TEST_SUITE_P(All, Short, ::testing::Values(kUnbounded, 4),
                         [](const auto& shape) { return shape.param > 0 ? "Four" : "Unbounded"; });

TEST_P(Short, SendsAndReceivesInOrderThroughManySegments) {
    for (std::uint64_t i = 0; i < 1'000; ++i) {
        ASSERT_EQ(send_short(*channel_, 2 * i), Status::kOk);
        ASSERT_EQ(send_short(*channel_, 2 * i + 1), Status::kOk);
        ASSERT_EQ(recv_short(*channel_, value_), Status::kOk);
        ASSERT_EQ(value_, 2 * i);
        ASSERT_EQ(recv_short(*channel_, value_), Status::kOk);
        ASSERT_EQ(value_, 2 * i + 1);
    }
    EXPECT_EQ(channel_->stats().sent, 2'000u);
    EXPECT_EQ(channel_->stats().received, 2'000u);
    EXPECT_EQ(channel_->stats().queued_bytes, 0u);
}

TEST_P(Short, EverySizeComesBackAsItWas) {
    for (std::size_t size = 1; size <= sizeof ShortBytes::bytes; ++size) {
        std::string text(size, ' ');
        for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + (i + size) % 26);
        Message message(text);
        message.parcel.unbound_op = static_cast<std::uint8_t>(size % 3);
        ASSERT_EQ(try_send_short(*channel_, message.parcel, 1), Status::kOk);
        Parcel out;
        Scratch scratch;
        const Status status = try_recv_short(*channel_, out, scratch);
        ASSERT_EQ(status, size <= ShortItem::kMax ? Status::kOk : Status::kContended) << size;
        if (status != Status::kOk) {
            ASSERT_EQ(recv_now(*channel_, out, scratch), Status::kOk);
        }
        ASSERT_EQ(text_of(out), text);
    }
}

TEST_P(Short, LeavesWhatIsNotShort) {
    Message large(std::string(ShortItem::kMax + 1, 'x'));
    ASSERT_EQ(channel_->try_send(large.parcel, 1), Status::kOk);
    Attachments attachments;
    Message owner(std::uint64_t{7});
    owner.parcel.attachments = attachments.chain(1);
    ASSERT_EQ(channel_->try_send(owner.parcel, 1), Status::kOk);
    for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(recv_short(*channel_, value_), Status::kContended);
        EXPECT_EQ(channel_->count(), 2u - static_cast<unsigned>(i));
        Parcel out;
        Scratch scratch;
        ASSERT_EQ(channel_->try_recv(out, scratch), Status::kOk);
    }
    EXPECT_EQ(attachments.released(), 1u);
}

TEST_P(Short, LeavesItemsWhoseSenderHasEnded) {
    Message message(1, 5, 3);
    ASSERT_EQ(try_send_short(*channel_, message.parcel, 5), Status::kOk);
    ASSERT_EQ(send_short(*channel_, 2), Status::kOk);
    channel_->clear_sender(5, 1);
    EXPECT_EQ(recv_short(*channel_, value_), Status::kContended);
    Parcel out;
    Scratch scratch;
    ASSERT_EQ(channel_->try_recv(out, scratch), Status::kOk);
    EXPECT_TRUE(out.unbound);
    ASSERT_EQ(recv_short(*channel_, value_), Status::kOk);
    EXPECT_EQ(value_, 2u);
}

TEST_P(Short, FindsNothingInAnEmptyChannelAndNothingToSendToInAClosedOne) {
    EXPECT_EQ(recv_short(*channel_, value_), Status::kContended);
    ASSERT_EQ(send_short(*channel_, 1), Status::kOk);
    channel_->close_sends(false);
    EXPECT_EQ(send_short(*channel_, 2), Status::kContended);
    ASSERT_EQ(recv_short(*channel_, value_), Status::kOk);  // what was sent before is received
    EXPECT_EQ(value_, 1u);
    EXPECT_EQ(recv_short(*channel_, value_), Status::kContended);
    channel_->close_now();
    EXPECT_EQ(recv_short(*channel_, value_), Status::kContended);
}

TEST_P(Short, WakesAReceiver) {
    for (std::uint64_t i = 0; i < 200; ++i) {
        BlockedRecv blocked(*channel_);
        await_receivers(*channel_, 1);
        // It may still hold the locks that it has linked itself with.
        spin_until([&] { return send_short(*channel_, i) == Status::kOk; });
        ASSERT_EQ(blocked.join(), Status::kOk);
        ASSERT_EQ(blocked.value(), i);
    }
}

TEST_P(Short, GivesBackWhatABacklogHasTaken) {
    const std::uint64_t n = GetParam() == kUnbounded ? 10'000 : 4;
    for (std::uint64_t i = 0; i < n; ++i) ASSERT_EQ(send_short(*channel_, i), Status::kOk);
    for (std::uint64_t i = 0; i < n; ++i) {
        ASSERT_EQ(recv_short(*channel_, value_), Status::kOk);
        ASSERT_EQ(value_, i);
    }
    ASSERT_EQ(send_short(*channel_, 1), Status::kOk);
    ASSERT_EQ(recv_short(*channel_, value_), Status::kOk);
}

TEST(ShortBounded, AFullChannelIsTheLongWays) {
    PlainChannel channel(2);
    ASSERT_EQ(send_short(*channel, 1), Status::kOk);
    ASSERT_EQ(send_short(*channel, 2), Status::kOk);
    EXPECT_EQ(send_short(*channel, 3), Status::kContended);
    EXPECT_EQ(channel->count(), 2u);
}

// A place that a receiver makes belongs to the offer that stands: not to a new send, and it moves in.
TEST(ShortBounded, NobodyOvertakesAStandingOffer) {
    for (int round = 0; round < 200; ++round) {
        PlainChannel channel(1);
        ASSERT_EQ(send_short(*channel, 1), Status::kOk);
        BlockedSend blocked(*channel, 2, false);
        await_senders(*channel, 1);
        std::uint64_t value = kNothing;
        EXPECT_EQ(recv_short(*channel, value), Status::kContended);  // the long way moves the offer in
        EXPECT_EQ(next_value(*channel), 1u);
        ASSERT_EQ(blocked.join(), Status::kOk);
        EXPECT_EQ(send_short(*channel, 3), Status::kContended);
        ASSERT_EQ(recv_short(*channel, value), Status::kOk);
        EXPECT_EQ(value, 2u);
    }
}

// A sender that stands up while the last place is made, and nothing else happens: if neither saw the other it would stand
// there for ever.
TEST(ShortBounded, AnOfferThatStandsUpSeesThePlaceThatIsMade) {
    const int n = rounds(100'000);
    PlainChannel channel(1);
    Meeting meeting(2);
    const auto delay = [](std::mt19937& random) {
        for (unsigned i = random() % 64; i > 0; --i) std::atomic_signal_fence(std::memory_order_seq_cst);
    };
    std::thread receiver([&] {
        std::mt19937 random(1);
        std::uint64_t value = kNothing;
        for (int round = 0; round < n; ++round) {
            meeting.arrive();
            delay(random);
            while (recv_short(*channel, value) != Status::kOk) {
                if (next_value(*channel) != kNothing) break;
            }
            meeting.arrive();
        }
    });
    std::mt19937 random(2);
    for (int round = 0; round < n; ++round) {
        ASSERT_EQ(send_now(*channel, 1), Status::kOk);
        Message message(std::uint64_t{2});
        Offer offer(*channel, message.parcel, 1, false);
        meeting.arrive();
        delay(random);
        const Status status = round % 2 ? offer.wait({}) : offer.look(nullptr, nullptr);
        meeting.arrive();
        ASSERT_TRUE(status == Status::kOk || (status == Status::kWouldBlock && !offer.withdraw()))
            << "there is a place, and it stands";
        EXPECT_EQ(next_value(*channel), 2u);
    }
    receiver.join();
}

TEST(ShortRendezvous, IsTheLongWays) {
    PlainChannel channel(0);
    EXPECT_EQ(send_short(*channel, 1), Status::kContended);
    BlockedSend blocked(*channel, 2, true);
    await_senders(*channel, 1);
    std::uint64_t value = kNothing;
    EXPECT_EQ(recv_short(*channel, value), Status::kContended);
    EXPECT_EQ(next_value(*channel), 2u);
    EXPECT_EQ(blocked.join(), Status::kOk);
}

}  // namespace
}  // namespace interpchannels
