// A channel's states and what each operation does in each of them, for every kind of capacity. One thread
// throughout: an offer is made to stand in line by a wait that gives up at once and keeps its place.
#include "channel/channel.hpp"

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include "engine_support.hpp"

namespace interpchannels {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the tests' own helpers

// An offer that stands in line until it is taken, has its place, or goes.
struct Standing {
    Standing(Channel& channel, std::uint64_t value, bool until_taken)
        : message(value), offer(channel, message.parcel, 1, until_taken) {}
    Status look() { return offer.wait(stand_in_line()); }
    Message message;
    Offer offer;
};

class Capacities : public ::testing::TestWithParam<std::int64_t> {};
INSTANTIATE_TEST_SUITE_P(All, Capacities, ::testing::Values(kUnbounded, 0, 1, 3), [](const auto& about) {
    return about.param == kUnbounded ? std::string("Unbounded") : "Of" + std::to_string(about.param);
});

TEST_P(Capacities, ANewChannelIsOpenAndEmpty) {
    PlainChannel channel(GetParam());
    EXPECT_EQ(channel->capacity(), GetParam());
    EXPECT_EQ(channel->id(), -1);
    EXPECT_EQ(channel->state(), State::kOpen);
    EXPECT_EQ(channel->count(), 0u);
    EXPECT_EQ(channel->count_with_offers(), 0u);
    EXPECT_FALSE(channel->maybe_ready());
    EXPECT_EQ(next_value(*channel), kNothing);
    const ChannelStats stats = channel->stats();
    EXPECT_EQ(stats.sent + stats.received + stats.queued + stats.bytes, 0u);
}

#if defined(__GLIBC__) && !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
std::size_t allocated() { return mallinfo2().uordblks; }

TEST(Memory, OfABacklogIsGivenBackWhenItIsDrained) {
    constexpr std::size_t kSmall = 8192;  // what malloc keeps for the thread counts as allocated
    PlainChannel channel(kUnbounded);
    const std::size_t before = allocated();
    for (int round = 0; round < 3; ++round) {
        for (std::uint64_t i = 0; i < 20'000; ++i) {
            Message message(i);
            ASSERT_EQ(channel->try_send(message.parcel, 1), Status::kOk);
        }
        EXPECT_GT(allocated(), before + 100'000);
        for (std::uint64_t i = 0; i < 20'000; ++i) ASSERT_EQ(next_value(*channel), i);
        EXPECT_LT(allocated(), before + kSmall);
    }
    // A receiver that waits leaves nothing of it.
    Parcel out;
    Scratch scratch;
    WaitFor wait;
    wait.deadline = now() + 1;
    EXPECT_EQ(channel->recv(out, scratch, wait), Status::kTimeout);
    EXPECT_LT(allocated(), before + kSmall);
    Message message(std::uint64_t{7});
    ASSERT_EQ(channel->try_send(message.parcel, 1), Status::kOk);
    EXPECT_EQ(next_value(*channel), 7u);
}
#endif

TEST_P(Capacities, SendsUntilFullAndReceivesInOrder) {
    PlainChannel channel(GetParam());
    const std::uint64_t room = GetParam() == kUnbounded ? 100 : static_cast<std::uint64_t>(GetParam());
    for (std::uint64_t i = 0; i < room; ++i) EXPECT_EQ(send_now(*channel, i), Status::kOk);
    if (GetParam() != kUnbounded) {
        Message refused(99);
        EXPECT_EQ(send_now(*channel, refused.parcel), Status::kWouldBlock);
        EXPECT_EQ(value_of(refused.parcel), 99u) << "a refused parcel is as it was";
    }
    EXPECT_EQ(channel->count(), room);
    EXPECT_EQ(channel->stats().bytes, room * 8);
    EXPECT_EQ(channel->maybe_ready(), room != 0);
    for (std::uint64_t i = 0; i < room; ++i) EXPECT_EQ(next_value(*channel), i);
    EXPECT_EQ(next_value(*channel), kNothing);
    const ChannelStats stats = channel->stats();
    EXPECT_EQ(stats.sent, room);
    EXPECT_EQ(stats.received, room);
    EXPECT_EQ(stats.queued, 0u);
}

TEST_P(Capacities, ClosingDrainsAndThenIsClosed) {
    PlainChannel channel(GetParam());
    const bool holds_one = GetParam() != 0;
    if (holds_one) {
        ASSERT_EQ(send_now(*channel, 7), Status::kOk);
    }
    channel->close_sends(false);
    EXPECT_EQ(channel->state(), holds_one ? State::kClosing : State::kClosed);
    EXPECT_TRUE(channel->maybe_ready());
    Message refused(8);
    EXPECT_EQ(send_now(*channel, refused.parcel), Status::kClosed);
    EXPECT_EQ(value_of(refused.parcel), 8u);
    Offer offer(*channel, refused.parcel, 1, false);
    EXPECT_EQ(offer.wait({}), Status::kClosed);
    EXPECT_EQ(value_of(refused.parcel), 8u);
    channel->close_sends(false);  // idempotent
    channel->close_sends(true);   // and not to be softened later
    if (holds_one) {
        EXPECT_EQ(next_value(*channel), 7u);
    }
    EXPECT_EQ(channel->state(), State::kClosed);
    EXPECT_EQ(next_value(*channel), kGone);
    Parcel out;
    Scratch scratch;
    EXPECT_EQ(channel->recv(out, scratch, {}), Status::kClosed);
    channel->close_now();
    EXPECT_EQ(channel->state(), State::kClosed);
}

TEST_P(Capacities, ClosedNowDropsWhatIsQueued) {
    Attachments attachments;
    PlainChannel channel(GetParam());
    std::uint64_t queued = 0;
    while (queued < 50) {
        Message message(queued);
        message.parcel.attachments = attachments.chain(1);
        if (send_now(*channel, message.parcel) != Status::kOk) {
            message.parcel.reset();
            break;
        }
        ++queued;
    }
    const std::size_t refused = attachments.size() - queued;
    EXPECT_EQ(attachments.released(), refused);
    channel->close_now();
    EXPECT_EQ(attachments.released(), attachments.size());
    EXPECT_EQ(attachments.released_twice(), 0u);
    EXPECT_EQ(channel->state(), State::kClosed);
    EXPECT_EQ(channel->count(), 0u);
    EXPECT_EQ(channel->stats().sent, queued);
    EXPECT_EQ(channel->stats().received, queued);
    EXPECT_EQ(next_value(*channel), kGone);
    EXPECT_EQ(send_now(*channel, 1), Status::kClosed);
    Parcel out;
    Scratch scratch;
    EXPECT_EQ(channel->recv(out, scratch, {}), Status::kClosed);
    channel->close_now();
    channel->close_sends(false);
    EXPECT_EQ(channel->state(), State::kClosed);
}

TEST_P(Capacities, ClosingTurnsIntoClosedNow) {
    PlainChannel channel(GetParam());
    send_now(*channel, 1);
    channel->close_sends(true);
    channel->close_now();
    EXPECT_EQ(channel->state(), State::kClosed);
    EXPECT_EQ(next_value(*channel), kGone);
}

TEST_P(Capacities, AnOfferThatNeverWaitedIsNothing) {
    PlainChannel channel(GetParam());
    Message message(1);
    {
        Offer offer(*channel, message.parcel, 1, true);
        EXPECT_TRUE(offer.withdraw());
        EXPECT_TRUE(offer.withdraw());
    }
    EXPECT_EQ(value_of(message.parcel), 1u);
    expect_nobody_waits(*channel);
}

TEST_P(Capacities, AStandingOfferIsTakenInItsTurn) {
    for (const bool until_taken : {false, true}) {
        PlainChannel channel(GetParam());
        std::uint64_t before = 0;
        if (GetParam() != 0) {
            const std::uint64_t fill = until_taken ? 1 : static_cast<std::uint64_t>(GetParam());
            if (GetParam() == kUnbounded && !until_taken) continue;  // never stands
            while (before < fill) ASSERT_EQ(send_now(*channel, before++), Status::kOk);
        }
        Standing standing(*channel, before, until_taken);
        EXPECT_EQ(standing.look(), Status::kInterrupted);
        EXPECT_EQ(standing.look(), Status::kInterrupted) << "it may wait again";
        EXPECT_EQ(channel->stats().waiting_senders, 1u);
        EXPECT_EQ(channel->count(), before) << "a standing offer is not queued";
        EXPECT_EQ(channel->count_with_offers(), before + 1);
        EXPECT_TRUE(channel->maybe_ready());
        for (std::uint64_t i = 0; i <= before; ++i) EXPECT_EQ(next_value(*channel), i);
        EXPECT_EQ(standing.look(), Status::kOk);
        EXPECT_EQ(standing.look(), Status::kOk) << "done stays done";
        EXPECT_FALSE(standing.offer.withdraw());
        EXPECT_EQ(channel->stats().sent, before + 1);
        EXPECT_EQ(channel->stats().received, before + 1);
        EXPECT_EQ(channel->stats().bytes, (before + 1) * 8);
        expect_nobody_waits(*channel);
    }
}

TEST_P(Capacities, AWithdrawnOfferLeavesNothing) {
    PlainChannel channel(GetParam());
    if (GetParam() == kUnbounded) return;
    for (std::int64_t i = 0; i < GetParam(); ++i) send_now(*channel, static_cast<std::uint64_t>(i));
    Standing gone(*channel, 100, false);
    Standing stays(*channel, 101, false);
    EXPECT_EQ(gone.look(), Status::kInterrupted);
    EXPECT_EQ(stays.look(), Status::kInterrupted);
    EXPECT_TRUE(gone.offer.withdraw());
    EXPECT_EQ(value_of(gone.message.parcel), 100u);
    for (std::int64_t i = 0; i < GetParam(); ++i) {
        EXPECT_EQ(next_value(*channel), static_cast<std::uint64_t>(i));
    }
    EXPECT_EQ(next_value(*channel), 101u);
    EXPECT_EQ(next_value(*channel), kNothing);
}

TEST_P(Capacities, AnOfferThatGoesOutOfScopeLeavesNothing) {
    PlainChannel channel(GetParam());
    {
        Standing standing(*channel, 1, true);
        EXPECT_EQ(standing.look(), Status::kInterrupted);
    }
    expect_nobody_waits(*channel);
    EXPECT_EQ(next_value(*channel), kNothing);
}

TEST_P(Capacities, OffersThatAreKeptCanStillBeReceived) {
    PlainChannel channel(GetParam());
    Standing standing(*channel, 5, true);
    ASSERT_EQ(standing.look(), Status::kInterrupted);
    channel->close_sends(true);
    EXPECT_EQ(channel->state(), State::kClosing);
    EXPECT_EQ(standing.look(), Status::kInterrupted) << "it goes on standing";
    EXPECT_EQ(send_now(*channel, 6), Status::kClosed);
    Standing late(*channel, 7, true);
    EXPECT_EQ(late.look(), Status::kClosed);
    EXPECT_EQ(next_value(*channel), 5u);
    EXPECT_EQ(standing.look(), Status::kOk);
    EXPECT_EQ(channel->state(), State::kClosed);
    EXPECT_EQ(next_value(*channel), kGone);
}

TEST_P(Capacities, AKeptOfferEndsWithTheImmediateClose) {
    PlainChannel channel(GetParam());
    Standing standing(*channel, 5, true);
    ASSERT_EQ(standing.look(), Status::kInterrupted);
    channel->close_sends(true);
    channel->close_now();
    EXPECT_EQ(channel->state(), State::kClosed);
    EXPECT_EQ(next_value(*channel), kGone);
    EXPECT_EQ(standing.look(), Status::kClosed);
    EXPECT_EQ(value_of(standing.message.parcel), 5u);
    expect_nobody_waits(*channel);
}

TEST_P(Capacities, AKeptOfferThatIsWithdrawnClosesTheChannel) {
    PlainChannel channel(GetParam());
    Standing standing(*channel, 5, true);
    ASSERT_EQ(standing.look(), Status::kInterrupted);
    channel->close_sends(true);
    EXPECT_TRUE(standing.offer.withdraw());
    EXPECT_EQ(channel->state(), State::kClosed);
    EXPECT_EQ(next_value(*channel), kGone);
}

// close_sends(false) refuses every offer from that moment, whether or not its sender has noticed yet.
TEST_P(Capacities, OffersThatAreNotKeptCanNotBeReceived) {
    for (const bool until_taken : {false, true}) {
        if (GetParam() == kUnbounded && !until_taken) continue;  // never stands
        PlainChannel channel(GetParam());
        for (std::int64_t i = 0; i < GetParam(); ++i) send_now(*channel, static_cast<std::uint64_t>(i));
        Standing standing(*channel, 50, until_taken);
        ASSERT_EQ(standing.look(), Status::kInterrupted);
        channel->close_sends(false);
        for (std::int64_t i = 0; i < GetParam(); ++i) {
            EXPECT_EQ(next_value(*channel), static_cast<std::uint64_t>(i));
        }
        EXPECT_EQ(channel->state(), State::kClosed);
        EXPECT_EQ(next_value(*channel), kGone);
        EXPECT_EQ(channel->state(), State::kClosed);
        EXPECT_EQ(standing.look(), Status::kClosed);
        EXPECT_EQ(value_of(standing.message.parcel), 50u);
        expect_nobody_waits(*channel);
    }
}

TEST_P(Capacities, APassedDeadlineTriesOnce) {
    PlainChannel channel(GetParam());
    Parcel out;
    Scratch scratch;
    EXPECT_EQ(channel->recv(out, scratch, at_once()), Status::kTimeout);
    Message message(1);
    {
        Offer offer(*channel, message.parcel, 1, false);
        EXPECT_EQ(offer.wait(at_once()), GetParam() == 0 ? Status::kTimeout : Status::kOk);
    }
    if (GetParam() != 0) {
        EXPECT_EQ(channel->recv(out, scratch, at_once()), Status::kOk);
        EXPECT_EQ(value_of(out), 1u);
    } else {
        EXPECT_EQ(value_of(message.parcel), 1u);
    }
    expect_nobody_waits(*channel);
}

TEST(Channel, APlaceInAnUnboundedChannelIsNeverWaitedFor) {
    // Not even behind a blocked send that waits to be taken.
    PlainChannel channel(kUnbounded);
    Standing blocked(*channel, 0, true);
    ASSERT_EQ(blocked.look(), Status::kInterrupted);
    Message message(1);
    Offer offer(*channel, message.parcel, 1, false);
    EXPECT_EQ(offer.wait(at_once()), Status::kOk);
    EXPECT_EQ(next_value(*channel), 0u);
    EXPECT_EQ(next_value(*channel), 1u);
}

TEST(Channel, NobodyOvertakesAStandingOffer) {
    PlainChannel channel(1);
    send_now(*channel, 0);
    Standing first(*channel, 1, false);
    Standing second(*channel, 2, false);
    ASSERT_EQ(first.look(), Status::kInterrupted);
    ASSERT_EQ(second.look(), Status::kInterrupted);
    EXPECT_EQ(next_value(*channel), 0u);  // the first offer moves in
    EXPECT_EQ(channel->count(), 1u);
    EXPECT_EQ(channel->stats().waiting_senders, 1u);
    EXPECT_EQ(send_now(*channel, 9), Status::kWouldBlock);
    EXPECT_EQ(next_value(*channel), 1u);
    EXPECT_EQ(second.look(), Status::kOk);
    EXPECT_EQ(first.look(), Status::kOk);
    EXPECT_EQ(next_value(*channel), 2u);
}

TEST(Channel, APromotedOfferCannotBeWithdrawn) {
    PlainChannel channel(1);
    send_now(*channel, 0);
    Standing standing(*channel, 1, false);
    ASSERT_EQ(standing.look(), Status::kInterrupted);
    EXPECT_EQ(next_value(*channel), 0u);
    EXPECT_FALSE(standing.offer.withdraw()) << "it has been sent";
    EXPECT_EQ(next_value(*channel), 1u);
}

TEST(Channel, AnOfferThatHadItsPlaceAtOnceIsDone) {
    PlainChannel channel(2);
    Standing done(*channel, 1, false);
    EXPECT_EQ(done.look(), Status::kOk);
    EXPECT_EQ(done.look(), Status::kOk);
    EXPECT_FALSE(done.offer.withdraw());
    EXPECT_EQ(channel->count(), 1u) << "sent once";
}

TEST(Channel, APlaceIsFoundThoughTheFlagSaysLeave) {
    const std::atomic<bool> cancelled{true};
    WaitFor wait;
    wait.cancelled = &cancelled;
    PlainChannel channel(1);
    Message message(1);
    Offer offer(*channel, message.parcel, 1, false);
    EXPECT_EQ(offer.wait(wait), Status::kOk);
    Message full(2);
    Offer other(*channel, full.parcel, 1, false);
    EXPECT_EQ(other.wait(wait), Status::kCancelled);
    Parcel out;
    Scratch scratch;
    EXPECT_EQ(channel->recv(out, scratch, wait), Status::kOk);
    out.reset();
    EXPECT_EQ(channel->recv(out, scratch, wait), Status::kCancelled);
    expect_nobody_waits(*channel);
}

TEST(Channel, LargeAndSmallPayloadsCrossEveryWay) {
    for (const std::int64_t capacity : {kUnbounded, std::int64_t{0}, std::int64_t{1}}) {
        PlainChannel channel(capacity);
        for (const std::size_t size :
             {std::size_t{0}, std::size_t{1}, kInlineMax, kInlineMax + 1, std::size_t{1} << 20}) {
            Attachments attachments;
            const std::string text(size, 'z');
            Message message(text);
            message.parcel.attachments = attachments.chain(2);
            {
                Offer offer(*channel, message.parcel, 1, capacity != 1);
                const Status status = offer.wait(stand_in_line());
                ASSERT_EQ(status, capacity == 1 ? Status::kOk : Status::kInterrupted);
                message.bytes.replace(0, message.bytes.size(), text);
                Parcel out;
                Scratch scratch;
                ASSERT_EQ(recv_now(*channel, out, scratch), Status::kOk);
                EXPECT_TRUE(text_of(out) == text);
                EXPECT_EQ(attachments.released(), 0u);
            }
            EXPECT_EQ(attachments.released(), 2u);
            EXPECT_EQ(attachments.released_twice(), 0u);
        }
    }
}

TEST(Channel, ClearingASenderMakesPlacesForOffers) {
    PlainChannel channel(2);
    for (std::uint64_t i = 0; i < 2; ++i) {
        Message message(i, 9, 1);
        ASSERT_EQ(send_now(*channel, message.parcel, 9), Status::kOk);
    }
    std::deque<Standing> standing;
    for (std::uint64_t i = 0; i < 3; ++i) {
        standing.emplace_back(*channel, 10 + i, false);
        ASSERT_EQ(standing.back().look(), Status::kInterrupted);
    }
    channel->clear_sender(9, 1);
    EXPECT_EQ(channel->count(), 2u);
    EXPECT_EQ(standing[0].look(), Status::kOk);
    EXPECT_EQ(standing[1].look(), Status::kOk);
    EXPECT_EQ(standing[2].look(), Status::kInterrupted);
    for (std::uint64_t i = 0; i < 3; ++i) EXPECT_EQ(next_value(*channel), 10 + i);
    EXPECT_EQ(next_value(*channel), kNothing);
}

// Sends just when the places of a cleared sender are free and nobody has moved into them yet: while what
// that sender's items owned is released.
class SendsMeanwhile final : public Attachment {
public:
    explicit SendsMeanwhile(Channel& channel)
        : late(2), offer(channel, late.parcel, 1, false), channel_(channel) {}
    void release() noexcept override {
        tried = send_now(channel_, 3);
        looked = offer.wait(stand_in_line());
    }
    Message late;
    Offer offer;
    Status tried = Status::kOk;
    Status looked = Status::kOk;

private:
    Channel& channel_;
};

TEST(Channel, NobodyOvertakesAnOfferWhileASenderIsCleared) {
    PlainChannel channel(1);
    SendsMeanwhile meanwhile(*channel);
    Message cleared(0, 9, 1);
    cleared.parcel.attachments = &meanwhile;
    ASSERT_EQ(send_now(*channel, cleared.parcel, 9), Status::kOk);
    Standing standing(*channel, 1, false);
    ASSERT_EQ(standing.look(), Status::kInterrupted);
    channel->clear_sender(9, 1);
    EXPECT_EQ(meanwhile.tried, Status::kWouldBlock);
    EXPECT_EQ(meanwhile.looked, Status::kInterrupted);
    EXPECT_EQ(standing.look(), Status::kOk);
    EXPECT_EQ(next_value(*channel), 1u);
    EXPECT_EQ(next_value(*channel), 2u);
    EXPECT_EQ(next_value(*channel), kNothing);
}

TEST(Channel, AnUnboundItemHoldsItsPlace) {
    PlainChannel channel(1);
    Message message(1, 9, 3);
    ASSERT_EQ(send_now(*channel, message.parcel, 9), Status::kOk);
    channel->clear_sender(9, 1);
    EXPECT_EQ(channel->count(), 1u);
    EXPECT_EQ(send_now(*channel, 2), Status::kWouldBlock);
    Parcel out;
    Scratch scratch;
    ASSERT_EQ(recv_now(*channel, out, scratch), Status::kOk);
    EXPECT_TRUE(out.unbound);
    EXPECT_EQ(out.unbound_op, 3);
}

TEST(Channel, RemovingTheLastItemOfAClosingChannelClosesIt) {
    PlainChannel channel(kUnbounded);
    Message message(1, 9, 1);
    send_now(*channel, message.parcel, 9);
    channel->close_sends(false);
    EXPECT_EQ(channel->state(), State::kClosing);
    channel->clear_sender(9, 1);
    EXPECT_EQ(channel->state(), State::kClosed);
    EXPECT_EQ(next_value(*channel), kGone);
}

TEST(Channel, SettleIsHarmlessAtAnyTime) {
    for (const std::int64_t capacity : {kUnbounded, std::int64_t{0}, std::int64_t{1}}) {
        PlainChannel channel(capacity);
        channel->settle();
        send_now(*channel, 1);
        channel->settle();
        channel->close_sends(false);
        channel->settle();
        channel->close_now();
        channel->settle();
        expect_nobody_waits(*channel);
    }
}

TEST(Channel, SpinningIsRefusedForTheReceiversOwnItems) {
    PlainChannel channel(kUnbounded);
    send_now(*channel, 1, 4);
    EXPECT_FALSE(channel->spin_attached(4, 1'000));
    if (SpinBudget::useful()) {
        EXPECT_TRUE(channel->spin_attached(5, 1'000));
        next_value(*channel);
        EXPECT_FALSE(channel->spin_attached(5, 1'000));
    }
}

TEST(Channel, ReferencesKeepItAndTheLastOneFreesIt) {
    Attachments attachments;
    auto* const raw = new Channel(kUnbounded);
    Ref<Channel> first = Ref<Channel>::adopt(raw);
    Message message(1);
    message.parcel.attachments = attachments.chain(1);
    send_now(*raw, message.parcel);
    {
        const Ref<Channel> second = first;
        EXPECT_TRUE(raw->try_ref());
        raw->unref();
        first = {};
        EXPECT_EQ(second->count(), 1u);
        EXPECT_EQ(attachments.released(), 0u);
    }
    EXPECT_EQ(attachments.released(), 1u);
    EXPECT_EQ(attachments.released_twice(), 0u);
}

// Everything that one thread can do, at random, against the plain meaning of it.
class Model {
public:
    Model(std::int64_t capacity, unsigned seed) : capacity_(capacity), channel_(capacity), random_(seed) {}

    void run(int steps) {
        for (int step = 0; step < steps && !::testing::Test::HasFatalFailure(); ++step) {
            const unsigned what = random_() % 100;
            if (what < 30) {
                send();
            } else if (what < 50) {
                offer();
            } else if (what < 58) {
                withdraw();
            } else if (what < 62) {
                look();
            } else if (what < 98) {
                receive();
            } else if (what == 98 && open_ && random_() % 2 == 0) {
                kept_ = random_() % 2 == 0;
                open_ = false;
                channel_->close_sends(kept_);
                if (!kept_) std::erase_if(line_, [](const Turn& t) { return t.standing; });
            } else if (what == 99 && random_() % 4 == 0) {
                open_ = kept_ = false;
                channel_->close_now();
                line_.clear();
            }
            check();
        }
    }

private:
    struct Turn {
        std::uint64_t value;
        Standing* standing;  // nullptr where it is in the queue
        bool until_taken;
    };

    std::size_t queued() const {
        return static_cast<std::size_t>(
            std::count_if(line_.begin(), line_.end(), [](const Turn& t) { return !t.standing; }));
    }
    bool room() const {
        return capacity_ == kUnbounded || (capacity_ > 0 && queued() == line_.size() &&
                                           queued() < static_cast<std::size_t>(capacity_));
    }
    // Offers for a place move in, in their order. One that waits to be taken lets nobody past it.
    void promote() {
        if (capacity_ <= 0) return;
        for (Turn& t : line_) {
            if (!t.standing) continue;
            if (t.until_taken || queued() >= static_cast<std::size_t>(capacity_)) return;
            t.standing = nullptr;
        }
    }
    void send() {
        const std::uint64_t value = next_++;
        const Status status = send_now(*channel_, value);
        if (!open_) {
            ASSERT_EQ(status, Status::kClosed);
        } else if (room()) {
            ASSERT_EQ(status, Status::kOk);
            line_.push_back({value, nullptr, false});
        } else {
            ASSERT_EQ(status, Status::kWouldBlock);
        }
    }
    void offer() {
        const std::uint64_t value = next_++;
        // The two faces: to be taken (unbounded) or for a place (bounded); at 0 they are the same.
        const bool until_taken = capacity_ <= 0 && random_() % 3 != 0;
        offers_.push_back(std::make_unique<Standing>(*channel_, value, until_taken));
        const Status status = offers_.back()->look();
        if (!open_) {
            ASSERT_EQ(status, Status::kClosed);
        } else if (!until_taken && room()) {
            ASSERT_EQ(status, Status::kOk);
            line_.push_back({value, nullptr, false});
        } else {
            ASSERT_EQ(status, Status::kInterrupted);
            line_.push_back({value, offers_.back().get(), until_taken});
        }
    }
    Standing* any() { return offers_.empty() ? nullptr : offers_[random_() % offers_.size()].get(); }
    auto turn_of(const Standing* standing) {
        return std::find_if(line_.begin(), line_.end(),
                            [&](const Turn& t) { return t.standing == standing; });
    }
    void withdraw() {
        Standing* const standing = any();
        if (!standing) return;
        const auto turn = turn_of(standing);
        const bool stood = turn != line_.end();
        // What a close refused was not sent either.
        const bool withdrawn = standing->offer.withdraw();
        ASSERT_EQ(standing->message.parcel.size != 0 || !withdrawn, true);
        if (stood) {
            ASSERT_TRUE(withdrawn);
            line_.erase(turn);
        }
        std::erase_if(offers_, [&](const auto& o) { return o.get() == standing; });
    }
    void look() {
        Standing* const standing = any();
        if (!standing) return;
        const bool stands = turn_of(standing) != line_.end();
        const Status status = standing->look();
        ASSERT_EQ(status == Status::kInterrupted, stands);
        if (!stands) std::erase_if(offers_, [&](const auto& o) { return o.get() == standing; });
    }
    void receive() {
        const std::uint64_t value = next_value(*channel_);
        if (line_.empty()) {
            ASSERT_EQ(value, open_ ? kNothing : kGone);
            return;
        }
        ASSERT_EQ(value, line_.front().value);
        line_.pop_front();
        promote();
    }
    void check() {
        ASSERT_EQ(channel_->count(), queued());
        if (open_ || kept_) {
            ASSERT_EQ(channel_->count_with_offers(), line_.size());
        }
        ASSERT_EQ(channel_->state(), open_           ? State::kOpen
                                     : line_.empty() ? State::kClosed
                                                     : State::kClosing);
        const ChannelStats stats = channel_->stats();
        ASSERT_EQ(stats.sent - stats.received, queued());
    }

    const std::int64_t capacity_;
    PlainChannel channel_;
    std::mt19937 random_;
    std::deque<Turn> line_;
    std::vector<std::unique_ptr<Standing>> offers_;
    std::uint64_t next_ = 0;
    bool open_ = true;
    bool kept_ = false;
};

TEST_P(Capacities, RandomOperationsMatchAModel) {
    for (int seed = 0; seed < rounds(150); ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Model(GetParam(), static_cast<unsigned>(seed)).run(60);
        if (HasFatalFailure()) return;
    }
}

}  // namespace
}  // namespace interpchannels
