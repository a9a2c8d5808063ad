// The two rules for ends: the package's counted handles, and the drop-in's interpreters that are
// associated by use.
#include <map>

#include "channel/associated_ends.hpp"
#include "channel/counted_ends.hpp"
#include "channel/tables.hpp"
#include "engine_support.hpp"

namespace interpchannels {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the tests' own helpers

constexpr std::uint8_t kRemove = AssociatedChannel::kUnboundRemove;
constexpr std::uint8_t kReplace = AssociatedChannel::kUnboundReplace;

// --- counted ---

Ref<CountedChannel> counted(std::int64_t capacity = kUnbounded) {
    return CountedChannel::create(capacity, 0, true);
}
void let_go(CountedChannel& channel, Direction d) {
    if (channel.drop(d)) channel.last_gone(d);
}

TEST(Counted, StartsWithOneHandleEachWay) {
    const auto channel = CountedChannel::create(4, kReplace, false);
    ASSERT_TRUE(channel);
    EXPECT_EQ(channel->open(Direction::kSend), 1);
    EXPECT_EQ(channel->open(Direction::kRecv), 1);
    EXPECT_EQ(channel->capacity(), 4);
    EXPECT_EQ(channel->unbound_op(), kReplace);
    EXPECT_FALSE(channel->pickle());
    EXPECT_GE(channel->id(), 0);
}

TEST(Counted, TheLastSenderLeavesReceiversToDrain) {
    const auto channel = counted();
    channel->add(Direction::kSend);
    send_now(*channel, 1);
    EXPECT_FALSE(channel->drop(Direction::kSend));
    EXPECT_EQ(channel->state(), State::kOpen);
    EXPECT_TRUE(channel->drop(Direction::kSend));
    channel->last_gone(Direction::kSend);
    EXPECT_EQ(channel->state(), State::kClosing);
    EXPECT_EQ(next_value(*channel), 1u);
    EXPECT_EQ(next_value(*channel), kGone);
}

TEST(Counted, TheLastReceiverReleasesWhatIsQueued) {
    Attachments attachments;
    const auto channel = counted();
    Message message(1);
    message.parcel.attachments = attachments.chain(2);
    send_now(*channel, message.parcel);
    channel->add(Direction::kRecv);
    let_go(*channel, Direction::kRecv);
    EXPECT_EQ(attachments.released(), 0u);
    let_go(*channel, Direction::kRecv);
    EXPECT_EQ(attachments.released(), 2u);
    EXPECT_EQ(attachments.released_twice(), 0u);
    EXPECT_EQ(channel->state(), State::kClosed);
    EXPECT_EQ(send_now(*channel, 2), Status::kClosed);
}

TEST(Counted, TheLastSenderEndsBlockedReceivers) {
    const auto channel = counted();
    BlockedRecv receiver(*channel);
    await_receivers(*channel, 1);
    let_go(*channel, Direction::kSend);
    EXPECT_EQ(receiver.join(), Status::kClosed);
}

TEST(Counted, TheLastReceiverEndsBlockedSenders) {
    for (const std::int64_t capacity : {0, 1}) {
        const auto channel = counted(capacity);
        if (capacity) send_now(*channel, 0);
        BlockedSend sender(*channel, 1, false);
        await_senders(*channel, 1);
        let_go(*channel, Direction::kRecv);
        EXPECT_EQ(sender.join(), Status::kClosed);
        EXPECT_EQ(sender.kept(), 1u);
    }
}

TEST(Counted, ADirectionThatIsGoneIsNotResurrected) {
    const auto channel = counted();
    EXPECT_TRUE(channel->mint(Direction::kSend));
    EXPECT_EQ(channel->open(Direction::kSend), 2);
    let_go(*channel, Direction::kSend);
    let_go(*channel, Direction::kSend);
    EXPECT_FALSE(channel->mint(Direction::kSend));
    EXPECT_EQ(channel->open(Direction::kSend), 0);
    EXPECT_TRUE(channel->mint(Direction::kRecv)) << "the other direction is its own";
}

TEST(Counted, MintRacesTheLastHandle) {
    const int n = rounds(1'000);
    Meeting meeting(2);
    Ref<CountedChannel> channel;
    std::atomic<int> wrong{0};
    std::thread minter([&] {
        for (int i = 0; i < n; ++i) {
            meeting.arrive();
            if (channel->mint(Direction::kSend)) {
                // Minted: so it had not ended, and with this handle it does not.
                wrong += channel->state() != State::kOpen;
                let_go(*channel, Direction::kSend);
            }
            meeting.arrive();
        }
    });
    for (int i = 0; i < n; ++i) {
        channel = counted();
        meeting.arrive();
        let_go(*channel, Direction::kSend);
        meeting.arrive();
        wrong += channel->state() != State::kClosed;
        wrong += channel->open(Direction::kSend) != 0;
    }
    minter.join();
    EXPECT_EQ(wrong.load(), 0);
}

TEST(Counted, GoesFromItsTableWithTheLastReference) {
    const std::size_t before = package_table().size();
    auto channel = counted();
    const std::int64_t id = channel->id();
    EXPECT_EQ(package_table().find(id).get(), channel.get());
    let_go(*channel, Direction::kSend);
    EXPECT_TRUE(package_table().find(id)) << "closed, but somebody still has it";
    channel = {};
    EXPECT_FALSE(package_table().find(id));
    EXPECT_EQ(package_table().size(), before);
}

// --- associated ---

class Associated : public ::testing::Test {
protected:
    void TearDown() override { channel_->destroy(); }
    Association* use(std::int64_t interp, Direction d) {
        Association* association = nullptr;
        last_ = channel_->associate(interp, d, association);
        return association;
    }
    std::map<std::pair<std::int64_t, Direction>, bool> associations() {
        std::map<std::pair<std::int64_t, Direction>, bool> all;
        channel_->for_each_association(
            [&](std::int64_t interp, Direction d, bool open) { all[{interp, d}] = open; });
        return all;
    }
    Ref<AssociatedChannel> channel_ = AssociatedChannel::create(kReplace, 1);
    Status last_ = Status::kOk;
};

TEST_F(Associated, IsInItsTableUntilItIsDestroyed) {
    EXPECT_EQ(channel_->unbound_op(), kReplace);
    EXPECT_EQ(channel_->fallback(), 1);
    EXPECT_EQ(channel_->capacity(), kUnbounded);
    const std::int64_t id = channel_->id();
    EXPECT_EQ(drop_in_table().find(id).get(), channel_.get());
    EXPECT_FALSE(channel_->destroyed());
    EXPECT_TRUE(channel_->destroy());
    EXPECT_TRUE(channel_->destroyed());
    EXPECT_FALSE(channel_->destroy());
    EXPECT_FALSE(drop_in_table().find(id));
    EXPECT_EQ(channel_->state(), State::kClosed);
}

TEST_F(Associated, DestroyReleasesAndWakes) {
    Attachments attachments;
    Message message(1);
    message.parcel.attachments = attachments.chain(1);
    send_now(*channel_, message.parcel);
    BlockedSend sender(*channel_, 2, true);
    await_senders(*channel_, 1);
    channel_->destroy();
    EXPECT_EQ(sender.join(), Status::kClosed);
    EXPECT_EQ(attachments.released(), 1u);
    EXPECT_EQ(attachments.released_twice(), 0u);

    auto other = AssociatedChannel::create(kReplace, 1);
    BlockedRecv receiver(*other);
    await_receivers(*other, 1);
    other->destroy();
    EXPECT_EQ(receiver.join(), Status::kClosed);
}

TEST_F(Associated, UseAssociatesOnceAndForGood) {
    Association* const first = use(1, Direction::kSend);
    EXPECT_EQ(last_, Status::kOk);
    ASSERT_NE(first, nullptr);
    EXPECT_EQ(first->interp, 1);
    EXPECT_NE(use(2, Direction::kSend), first);
    EXPECT_NE(use(1, Direction::kRecv), first);
    EXPECT_EQ(use(1, Direction::kSend), first);
    EXPECT_EQ(associations().size(), 3u);
    for (const auto& [who, open] : associations()) EXPECT_TRUE(open);
}

TEST_F(Associated, NeverUsedStaysOpen) {
    EXPECT_TRUE(associations().empty());
    EXPECT_EQ(channel_->state(), State::kOpen);
}

TEST_F(Associated, ReleasedIsClosedForThatInterpreterAlone) {
    use(1, Direction::kSend);
    use(2, Direction::kSend);
    EXPECT_EQ(channel_->release(1, true, false), Status::kOk);
    use(1, Direction::kSend);
    EXPECT_EQ(last_, Status::kClosed);
    use(2, Direction::kSend);
    EXPECT_EQ(last_, Status::kOk);
    EXPECT_EQ(channel_->state(), State::kOpen);
    EXPECT_FALSE((associations()[{1, Direction::kSend}]));
    EXPECT_TRUE((associations()[{2, Direction::kSend}]));
}

TEST_F(Associated, ASecondReleaseCountsOnce) {
    use(1, Direction::kSend);
    use(2, Direction::kSend);
    EXPECT_EQ(channel_->release(1, true, false), Status::kOk);
    EXPECT_EQ(channel_->release(1, true, false), Status::kOk);
    EXPECT_EQ(channel_->release(1, true, false), Status::kOk);
    EXPECT_EQ(channel_->state(), State::kOpen) << "interpreter 2 still has it";
    EXPECT_EQ(channel_->release(2, true, false), Status::kOk);
    EXPECT_EQ(channel_->state(), State::kClosed);
    EXPECT_EQ(channel_->release(2, true, false), Status::kClosed);
}

TEST_F(Associated, TheLastReleaseOfBothEndsCloses) {
    use(1, Direction::kSend);
    use(2, Direction::kRecv);
    send_now(*channel_, 1);
    EXPECT_EQ(channel_->release(1, true, false), Status::kOk);
    EXPECT_EQ(channel_->state(), State::kOpen);
    EXPECT_EQ(channel_->release(2, false, true), Status::kOk);
    EXPECT_EQ(channel_->state(), State::kClosed);
    EXPECT_EQ(channel_->count(), 0u);
    EXPECT_TRUE(channel_->listed()) << "closed by release: still listed";
}

TEST_F(Associated, ReleasingWhatWasNeverUsedAssociatesItFirst) {
    use(1, Direction::kRecv);
    EXPECT_EQ(channel_->release(2, true, true), Status::kOk);
    EXPECT_EQ(associations().size(), 3u);
    EXPECT_EQ(channel_->state(), State::kOpen);
    EXPECT_EQ(channel_->release(1, false, true), Status::kOk);
    EXPECT_EQ(channel_->state(), State::kClosed);
}

TEST_F(Associated, AReleaseLeavesItsOwnBlockedSendInLine) {
    use(1, Direction::kSend);
    use(2, Direction::kRecv);
    BlockedSend sender(*channel_, 1, true);
    await_senders(*channel_, 1);
    EXPECT_EQ(channel_->release(1, true, false), Status::kOk);
    EXPECT_EQ(channel_->stats().waiting_senders, 1u);
    EXPECT_EQ(next_value(*channel_), 1u);
    EXPECT_EQ(sender.join(), Status::kOk);
}

TEST_F(Associated, TheLastReleaseEndsABlockedSend) {
    use(1, Direction::kSend);
    BlockedSend sender(*channel_, 1, true);
    await_senders(*channel_, 1);
    EXPECT_EQ(channel_->release(1, true, false), Status::kOk);
    EXPECT_EQ(sender.join(), Status::kClosed);
    EXPECT_EQ(sender.kept(), 1u);
    expect_nobody_waits(*channel_);
}

TEST_F(Associated, WhatACloseLeavesCanBeReleasedLater) {
    Attachments attachments;
    use(1, Direction::kSend);
    Message message(1);
    message.parcel.attachments = attachments.chain(1);
    send_now(*channel_, message.parcel);
    Queue::Contents left;
    EXPECT_EQ(channel_->release(1, true, false, &left), Status::kOk);
    EXPECT_EQ(channel_->state(), State::kClosed);
    EXPECT_EQ(attachments.released(), 0u);
    Queue::Contents nothing;
    EXPECT_EQ(channel_->close(0, true, &nothing), AssociatedChannel::Closed::kAlready);
    channel_->destroy(&nothing);
    Queue::release(nothing);
    EXPECT_EQ(attachments.released(), 0u);
    Queue::release(left);
    EXPECT_EQ(attachments.released(), 1u);
    EXPECT_EQ(attachments.released_twice(), 0u);
}

TEST_F(Associated, CloseOfAnEmptyChannelClosesAndUnlists) {
    for (const int direction : {-1, 0, 1}) {
        auto channel = AssociatedChannel::create(kReplace, 1);
        EXPECT_TRUE(channel->listed());
        EXPECT_EQ(channel->close(direction, false), AssociatedChannel::Closed::kDone);
        EXPECT_EQ(channel->state(), State::kClosed);
        EXPECT_FALSE(channel->listed());
        EXPECT_EQ(channel->close(direction, false), AssociatedChannel::Closed::kAlready);
        EXPECT_EQ(channel->close(direction, true), AssociatedChannel::Closed::kAlready);
        EXPECT_EQ(channel->release(1, true, true), Status::kClosed);
        channel->destroy();
    }
}

TEST_F(Associated, CloseOfANonEmptyOneIsRefusedOrDrains) {
    send_now(*channel_, 1);
    EXPECT_EQ(channel_->close(0, false), AssociatedChannel::Closed::kNotEmpty);
    EXPECT_EQ(channel_->close(-1, false), AssociatedChannel::Closed::kNotEmpty);
    EXPECT_EQ(channel_->state(), State::kOpen);
    EXPECT_TRUE(channel_->listed());
    EXPECT_EQ(channel_->close(1, false), AssociatedChannel::Closed::kDone);
    EXPECT_EQ(channel_->state(), State::kClosing);
    EXPECT_TRUE(channel_->listed());
    EXPECT_EQ(channel_->close(1, false), AssociatedChannel::Closed::kAlready);
    EXPECT_EQ(send_now(*channel_, 2), Status::kClosed);
    EXPECT_EQ(next_value(*channel_), 1u);
    EXPECT_EQ(channel_->state(), State::kClosed);
    EXPECT_FALSE(channel_->listed());
}

TEST_F(Associated, ForceClosesAtOnce) {
    send_now(*channel_, 1);
    BlockedSend sender(*channel_, 2, true);
    await_senders(*channel_, 1);
    EXPECT_EQ(channel_->close(1, false), AssociatedChannel::Closed::kDone);
    EXPECT_FALSE(sender.done()) << "a blocked send may still be received";
    EXPECT_EQ(channel_->close(1, true), AssociatedChannel::Closed::kDone);
    EXPECT_EQ(sender.join(), Status::kClosed);
    EXPECT_EQ(channel_->state(), State::kClosed);
    EXPECT_FALSE(channel_->listed());
}

TEST_F(Associated, ABlockedSendKeepsTheChannelFromBeingEmpty) {
    BlockedSend sender(*channel_, 2, true);
    await_senders(*channel_, 1);
    EXPECT_EQ(channel_->close(0, false), AssociatedChannel::Closed::kNotEmpty);
    EXPECT_EQ(channel_->close(1, false), AssociatedChannel::Closed::kDone);
    EXPECT_EQ(channel_->state(), State::kClosing);
    EXPECT_EQ(next_value(*channel_), 2u);
    EXPECT_EQ(sender.join(), Status::kOk);
    EXPECT_EQ(channel_->state(), State::kClosed);
}

TEST_F(Associated, AnInterpreterThatEndsIsForgotten) {
    Attachments attachments;
    use(1, Direction::kSend);
    use(2, Direction::kRecv);
    std::uint64_t value = 0;
    for (const std::uint8_t op : {kRemove, kReplace, std::uint8_t{2}}) {
        Message message(value++, 1, op);
        message.parcel.attachments = attachments.chain(1);
        send_now(*channel_, message.parcel, 1);
    }
    channel_->forget_interpreter(1);
    EXPECT_EQ(attachments.released(), 3u);
    EXPECT_EQ(attachments.released_twice(), 0u);
    EXPECT_EQ(channel_->count(), 2u);
    EXPECT_EQ(channel_->state(), State::kOpen);
    for (const std::uint8_t op : {kReplace, std::uint8_t{2}}) {
        Parcel out;
        Scratch scratch;
        ASSERT_EQ(recv_now(*channel_, out, scratch), Status::kOk);
        EXPECT_TRUE(out.unbound);
        EXPECT_EQ(out.unbound_op, op);
    }
    channel_->forget_interpreter(3);  // never heard of
    EXPECT_EQ(channel_->state(), State::kOpen);
    channel_->forget_interpreter(2);
    EXPECT_EQ(channel_->state(), State::kClosed);
    channel_->forget_interpreter(2);
}

TEST_F(Associated, ForgettingOnAChannelNobodyUsedLeavesItOpen) {
    channel_->forget_interpreter(1);
    EXPECT_EQ(channel_->state(), State::kOpen);
}

TEST_F(Associated, ChannelIdsAreCounted) {
    channel_->add_id();  // beside its maker's
    EXPECT_FALSE(channel_->drop_id());
    EXPECT_TRUE(channel_->drop_id());
}

TEST_F(Associated, UseAndReleaseFromManyThreads) {
    const int n = rounds(200);
    for (int i = 0; i < n; ++i) {
        auto channel = AssociatedChannel::create(kReplace, 1);
        constexpr int kThreads = 4;
        Meeting meeting(kThreads);
        std::atomic<int> wrong{0};
        std::vector<std::thread> threads;
        for (int t = 0; t < kThreads; ++t) {
            threads.emplace_back([&, t] {
                const std::int64_t interp = t / 2;  // two threads of each interpreter
                Association* mine = nullptr;
                wrong += channel->associate(interp, Direction::kSend, mine) != Status::kOk;
                wrong += mine->interp != interp;
                meeting.arrive();
                for (int k = 0; k < 50; ++k) {
                    Association* again = nullptr;
                    channel->associate(interp, Direction::kSend, again);
                    wrong += again != mine;
                }
                wrong += channel->state() != State::kOpen;
                meeting.arrive();
                channel->release(interp, true, false);
            });
        }
        for (std::thread& t : threads) t.join();
        ASSERT_EQ(wrong.load(), 0);
        ASSERT_EQ(channel->state(), State::kClosed);
        int count = 0;
        channel->for_each_association([&](std::int64_t, Direction, bool open) { count += open ? 100 : 1; });
        ASSERT_EQ(count, 2);
        channel->destroy();
    }
}

TEST_F(Associated, OneOfManyDestroysIt) {
    for (int i = 0; i < rounds(300); ++i) {
        auto channel = AssociatedChannel::create(kReplace, 1);
        Meeting meeting(3);
        std::atomic<int> destroyed{0};
        std::vector<std::thread> threads;
        for (int t = 0; t < 3; ++t) {
            threads.emplace_back([&] {
                const Ref<AssociatedChannel> mine = channel;
                meeting.arrive();
                destroyed += mine->destroy();
            });
        }
        for (std::thread& t : threads) t.join();
        ASSERT_EQ(destroyed.load(), 1);
    }
}

}  // namespace
}  // namespace interpchannels
