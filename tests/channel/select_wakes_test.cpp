// What a select owes to those who wait beside it: wake-ups that it has no use for, and word of its offers.
#include "channel/notifier.hpp"
#include "channel/watch.hpp"
#include "select_support.hpp"

namespace interpchannels {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the tests' own helpers

struct Watching {
    explicit Watching(Channel& channel)
        : notifier(Notifier::make()),
          watch(std::make_unique<Watch>(channel, *notifier, Watch::Kind::kPromise)) {}
    ~Watching() {
        watch.reset();
        notifier->unref();
    }
    Status arm() { return watch->arm(nullptr, nullptr); }
    bool told() { return notifier->pop() == &watch->waiter(); }

    Notifier* const notifier;
    std::unique_ptr<Watch> watch;
};

// An event loop waits for a rendezvous: it can be handed nothing, so it has to be told of the offer.
TEST(SelectWakes, AWatchIsToldOfASendThatStands) {
    PlainChannel channel(0);
    PlainChannel silent(kUnbounded);
    Watching watching(*channel);
    ASSERT_EQ(watching.arm(), Status::kWouldBlock);
    Selecting select;
    select.recv(*silent).send(*channel, 1);
    EXPECT_EQ(select.wait(stand_in_line()), Status::kInterrupted);
    EXPECT_TRUE(watching.told());
    watching.watch->looked(true);
    EXPECT_EQ(next_value(*channel), 1u);
    EXPECT_FALSE(select.withdraw());
}

// What was taken, or moved in, by another was told to its receiver then; who waits now has no use for it.
TEST(SelectWakes, NobodyIsWokenForASendThatWasTakenAlready) {
    for (const std::int64_t capacity : {0, 1}) {
        PlainChannel channel(capacity);
        if (capacity) {
            ASSERT_EQ(send_now(*channel, 1), Status::kOk);
        }
        Selecting select;
        select.send(*channel, 2);
        EXPECT_EQ(select.wait(stand_in_line()), Status::kInterrupted);
        if (capacity) {
            EXPECT_EQ(next_value(*channel), 1u);
        }
        EXPECT_EQ(next_value(*channel), 2u);
        Watching watching(*channel);
        ASSERT_EQ(watching.arm(), Status::kWouldBlock);
        EXPECT_EQ(select.wait(), Status::kOk);
        EXPECT_FALSE(watching.told()) << capacity;
    }
}

// Its handle is closed while an item wakes it: the item is for who stands behind it.
TEST(SelectWakes, AClosedHandlePassesItsItemOn) {
    for (const std::int64_t capacity : {kUnbounded, std::int64_t{1}}) {
        for (int round = 0; round < rounds(100); ++round) {
            PlainChannel channel(capacity);
            PlainChannel silent(kUnbounded);
            std::atomic<bool> closed{false};
            Selecting select;
            select.recv(*channel).cancelled_by(closed).recv(*silent);
            BlockedSelect selecting(select);
            await_receivers(*channel, 1);
            BlockedRecv behind(*channel);
            await_receivers(*channel, 2);
            closed.store(true);
            ASSERT_EQ(send_now(*channel, 7), Status::kOk);
            EXPECT_EQ(selecting.join(), Status::kCancelled);
            EXPECT_EQ(select.index(), 0u);
            EXPECT_EQ(behind.join(), Status::kOk);  // hangs where the wake-up was lost
            EXPECT_EQ(behind.value(), 7u);
        }
    }
}

// One that leaves for another reason, as it is woken, takes the item or passes it on; neither loses it.
TEST(SelectWakes, NoItemIsStrandedByTheOneThatLeaves) {
    for (int round = 0; round < rounds(1500); ++round) {
        PlainChannel channel(kUnbounded);
        PlainChannel silent(0);
        std::atomic<bool> closed{false};
        WaitGroup group;
        WaitFor wait;
        wait.group = &group;
        if (round % 4 == 3) wait.deadline = now() + 20'000 + round % 50 * 1000;
        Selecting select;
        select.recv(*channel).recv(*silent).cancelled_by(closed);
        BlockedSelect selecting(select, wait);
        if (round % 4 != 3) await_receivers(*channel, 1);
        BlockedRecv behind(*channel);
        if (round % 4 != 3) await_receivers(*channel, 2);
        Meeting meeting(2);
        std::thread ending([&] {
            meeting.arrive();
            switch (round % 4) {
            case 0:
                closed.store(true);
                silent->wake_all();
                break;
            case 1:
                silent->close_now();
                break;
            case 2:
                group.end();
                break;
            default:
                break;  // its deadline
            }
        });
        meeting.arrive();
        ASSERT_EQ(send_now(*channel, 7), Status::kOk);
        ending.join();
        if (selecting.join() == Status::kOk) {
            EXPECT_EQ(select.value(), 7u);
            channel->close_now();
            EXPECT_EQ(behind.join(), Status::kClosed);
        } else {
            EXPECT_EQ(behind.join(), Status::kOk);  // hangs where the item was stranded
            EXPECT_EQ(behind.value(), 7u);
        }
        expect_nobody_waits(*channel);
        expect_nobody_waits(*silent);
    }
}

}  // namespace
}  // namespace interpchannels
