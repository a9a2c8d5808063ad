// Watches, offers with a notifier, and hints: waits without a thread. Whoever gives one up has neither taken an item
// nor kept a wake-up, and whatever ends the wait is told.
#include "channel/watch.hpp"

#include <sys/wait.h>

#include <optional>

#include "channel/counted_ends.hpp"
#include "channel/hint.hpp"
#include "channel/select.hpp"
#include "channel/tables.hpp"
#include "notifier_support.hpp"

namespace interpchannels {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the tests' own helpers

std::string capacity_name(const ::testing::TestParamInfo<std::int64_t>& about) {
    return about.param == kUnbounded ? std::string("Unbounded") : "Of" + std::to_string(about.param);
}

class Watches : public ::testing::TestWithParam<std::int64_t> {
protected:
    // A send that is there to be received, whatever the capacity.
    class Sent {
    public:
        Sent(Channel& channel, std::uint64_t value)
            : message_(value), offer_(channel, message_.parcel, 1, false, &*notifier_) {
            status_ = offer_.look(nullptr, nullptr);
        }
        Status status() const { return status_; }

    private:
        OwnNotifier notifier_;
        Message message_;
        Offer offer_;
        Status status_;
    };

    PlainChannel channel_{GetParam()};
    OwnNotifier notifier_;
    Watch watch_{*channel_, *notifier_, Watch::Kind::kPromise};

    Status arm() { return watch_.arm(nullptr, nullptr); }
};
INSTANTIATE_TEST_SUITE_P(All, Watches, ::testing::Values(kUnbounded, 0, 1, 3), capacity_name);

TEST_P(Watches, IsToldOfAnItemAndTakesNone) {
    ASSERT_EQ(arm(), Status::kWouldBlock);
    EXPECT_EQ(channel_->stats().waiting_receivers, 1u);
    EXPECT_FALSE(notifier_.readable());
    const Sent sent(*channel_, 7);
    EXPECT_TRUE(notifier_.readable());
    EXPECT_EQ(notifier_.ready(), std::vector<Waiter*>{&watch_.waiter()});
    EXPECT_EQ(channel_->stats().waiting_receivers, 0u);
    EXPECT_EQ(next_value(*channel_), 7u);
    watch_.looked(true);
    ASSERT_EQ(watch_.try_arm(nullptr, nullptr), Status::kWouldBlock);
    watch_.cancel();
    expect_nobody_waits(*channel_);
    EXPECT_FALSE(notifier_.readable());
}

TEST_P(Watches, IsNotArmedWhereThereIsSomething) {
    const Sent sent(*channel_, 7);
    EXPECT_EQ(arm(), Status::kOk);
    EXPECT_EQ(watch_.try_arm(nullptr, nullptr), Status::kOk);
    EXPECT_EQ(channel_->stats().waiting_receivers, 0u);
    EXPECT_EQ(next_value(*channel_), 7u);
    EXPECT_EQ(arm(), Status::kWouldBlock);
}

TEST_P(Watches, AClosedHandleAndAnEndedGroupAreSaid) {
    std::atomic<bool> cancelled{false};
    WaitGroup group;
    EXPECT_EQ(watch_.arm(&cancelled, &group), Status::kWouldBlock);
    watch_.cancel();
    cancelled.store(true);
    EXPECT_EQ(watch_.arm(&cancelled, &group), Status::kCancelled);
    group.end();
    EXPECT_EQ(watch_.arm(nullptr, &group), Status::kEnding);
    expect_nobody_waits(*channel_);
    // So for a send.
    PlainChannel full(0);
    Message message(1);
    Offer offer(*full, message.parcel, 1, false, &*notifier_);
    EXPECT_EQ(offer.look(&cancelled, nullptr), Status::kCancelled);
    EXPECT_EQ(offer.look(nullptr, &group), Status::kEnding);
    EXPECT_TRUE(offer.withdraw());
    EXPECT_EQ(value_of(message.parcel), 1u);
    expect_nobody_waits(*full);
}

TEST_P(Watches, TheCloseIsTold) {
    ASSERT_EQ(arm(), Status::kWouldBlock);
    channel_->close_sends(false);
    EXPECT_EQ(notifier_.ready(), std::vector<Waiter*>{&watch_.waiter()});
    EXPECT_EQ(arm(), Status::kOk);
    EXPECT_EQ(next_value(*channel_), kGone);
}

// wake_all() is told for a reason that may be another's: whoever arms again is told again.
TEST_P(Watches, AfterAWakeForAnotherItIsToldAgain) {
    ASSERT_EQ(arm(), Status::kWouldBlock);
    for (int i = 0; i < 3; ++i) {
        channel_->wake_all();
        channel_->wake_all();
        EXPECT_EQ(notifier_.ready(), std::vector<Waiter*>{&watch_.waiter()});
        EXPECT_EQ(next_value(*channel_), kNothing);
        watch_.looked(false);
        ASSERT_EQ(arm(), Status::kWouldBlock);
    }
    const Sent sent(*channel_, 7);
    EXPECT_EQ(notifier_.ready(), std::vector<Waiter*>{&watch_.waiter()});
    EXPECT_EQ(next_value(*channel_), 7u);
    watch_.looked(true);
}

// More of them than a WakeList holds.
TEST_P(Watches, EverybodyIsToldOfTheClose) {
    std::deque<Watch> many;
    for (int i = 0; i < 100; ++i) {
        many.emplace_back(*channel_, *notifier_, i % 3 ? Watch::Kind::kPromise : Watch::Kind::kHint);
        ASSERT_EQ(many.back().arm(nullptr, nullptr), Status::kWouldBlock);
    }
    channel_->close_sends(false);
    EXPECT_EQ(channel_->stats().waiting_receivers, 0u);
    EXPECT_EQ(notifier_.ready().size(), 66u);
}

TEST_P(Watches, OneItemTellsOnePromiseAndTheHintsBeforeIt) {
    std::deque<Watch> many;
    const Watch::Kind kinds[] = {Watch::Kind::kHint, Watch::Kind::kPromise, Watch::Kind::kPromise,
                                 Watch::Kind::kHint};
    for (const Watch::Kind kind : kinds) {
        many.emplace_back(*channel_, *notifier_, kind);
        ASSERT_EQ(many.back().arm(nullptr, nullptr), Status::kWouldBlock);
    }
    const Sent sent(*channel_, 1);
    EXPECT_EQ(notifier_.ready(), std::vector<Waiter*>{&many[1].waiter()});
    EXPECT_EQ(channel_->stats().waiting_receivers, 2u);
    EXPECT_EQ(next_value(*channel_), 1u);
    many[1].looked(true);
}

// A promise that was told and gives up: the next in line gets the item.
TEST_P(Watches, AWakeUpThatNobodyLooksForIsPassedOn) {
    for (int round = 0; round < rounds(50); ++round) {
        std::optional<Watch> first;
        first.emplace(*channel_, *notifier_, Watch::Kind::kPromise);
        ASSERT_EQ(first->arm(nullptr, nullptr), Status::kWouldBlock);
        ASSERT_EQ(arm(), Status::kWouldBlock);
        BlockedRecv thread(*channel_);
        // At capacity 0 who blocks is handed the item, and nobody is told.
        if (GetParam() != 0) await_receivers(*channel_, 3);
        std::optional<Sent> one;
        if (GetParam() != 0) one.emplace(*channel_, 1);
        if (one) {
            EXPECT_EQ(notifier_.ready(), std::vector<Waiter*>{&first->waiter()});
            first.reset();
            EXPECT_EQ(notifier_.ready(), std::vector<Waiter*>{&watch_.waiter()});
        }
        watch_.cancel();
        std::optional<Sent> other;
        if (!one) other.emplace(*channel_, 1);
        EXPECT_EQ(thread.join(), Status::kOk);
        EXPECT_EQ(thread.value(), 1u);
        first.reset();
        for (Waiter* const w : notifier_.ready()) EXPECT_NE(w, &watch_.waiter());
        expect_nobody_waits(*channel_);
        if (HasFailure()) break;
    }
}

// What was paid is not passed on: nobody is woken for nothing.
TEST_P(Watches, AfterALookNothingIsPassedOn) {
    ASSERT_EQ(arm(), Status::kWouldBlock);
    const Sent one(*channel_, 1);
    ASSERT_EQ(notifier_.ready().size(), 1u);
    EXPECT_EQ(next_value(*channel_), 1u);
    watch_.looked(true);
    Watch other(*channel_, *notifier_, Watch::Kind::kPromise);
    ASSERT_EQ(other.arm(nullptr, nullptr), Status::kWouldBlock);
    watch_.cancel();
    EXPECT_TRUE(notifier_.ready().empty());
}

// Woken in vain it is not behind those who came later; once it has received, it is.
TEST_P(Watches, ItsPlaceInLineIsKeptUntilItReceives) {
    Watch later(*channel_, *notifier_, Watch::Kind::kPromise);
    ASSERT_EQ(arm(), Status::kWouldBlock);
    ASSERT_EQ(later.arm(nullptr, nullptr), Status::kWouldBlock);
    for (int i = 0; i < 2; ++i) {
        const Sent sent(*channel_, 1);
        EXPECT_EQ(notifier_.ready(), std::vector<Waiter*>{&watch_.waiter()});
        EXPECT_EQ(next_value(*channel_), 1u);  // by somebody else
        watch_.looked(false);
        ASSERT_EQ(arm(), Status::kWouldBlock);
    }
    {
        const Sent sent(*channel_, 2);
        EXPECT_EQ(notifier_.ready(), std::vector<Waiter*>{&watch_.waiter()});
        EXPECT_EQ(next_value(*channel_), 2u);
        watch_.looked(true);
        ASSERT_EQ(arm(), Status::kWouldBlock);
    }
    const Sent sent(*channel_, 3);
    EXPECT_EQ(notifier_.ready(), std::vector<Waiter*>{&later.waiter()});
    EXPECT_EQ(next_value(*channel_), 3u);
    later.looked(true);
}

// A waiter that is in the ready list when its wait is given up.
TEST_P(Watches, ATellingThatWasNotReadIsRemoved) {
    {
        Watch passing(*channel_, *notifier_, Watch::Kind::kPromise);
        ASSERT_EQ(passing.arm(nullptr, nullptr), Status::kWouldBlock);
        channel_->wake_all();
        passing.cancel();
        notifier_->remove(passing.waiter());
    }
    EXPECT_TRUE(notifier_.readable());
    EXPECT_TRUE(notifier_.ready().empty());
}

// A select that offers at a rendezvous finds a receiver that waits without a thread.
TEST_P(Watches, ASelectsOfferIsTold) {
    if (GetParam() != 0) return;
    PlainChannel other(0);
    ASSERT_EQ(arm(), Status::kWouldBlock);
    Message message(5);
    Parcel out;
    Scratch scratch;
    SelectOp ops[2];
    ops[0].channel = &*channel_;
    ops[0].parcel = &message.parcel;
    ops[1].channel = &*other;
    Select select(ops, 2, 1, out, scratch, 1);
    Status status = Status::kWouldBlock;
    std::thread thread([&] { status = select.wait({}); });
    await_readable(notifier_->descriptor());
    EXPECT_EQ(notifier_.ready(), std::vector<Waiter*>{&watch_.waiter()});
    spin_until([&] { return next_value(*channel_) == 5; });
    watch_.looked(true);
    thread.join();
    EXPECT_EQ(status, Status::kOk);
    EXPECT_EQ(select.index(), 0u);
    expect_nobody_waits(*channel_);
}

// One that does both there sleeps, beside its own offer.
TEST_P(Watches, ASelectOfBothDirectionsDoesNotWakeItself) {
    if (GetParam() != 0) return;
    Message message(5);
    Parcel out;
    Scratch scratch;
    SelectOp ops[2];
    ops[0].channel = ops[1].channel = &*channel_;
    ops[0].parcel = &message.parcel;
    Select select(ops, 2, 1, out, scratch, 1);
    Status status = Status::kWouldBlock;
    WaitGroup group;
    WaitFor wait;
    wait.group = &group;
    std::thread thread([&] { status = select.wait(wait); });
    spin_until([&] { return group.count().blocked == 1 && channel_->stats().waiting_receivers == 1; });
    channel_->settle();
    EXPECT_EQ(channel_->stats().waiting_receivers, 1u);  // it was left where it is
    EXPECT_EQ(next_value(*channel_), 5u);
    thread.join();
    EXPECT_EQ(status, Status::kOk);
    expect_nobody_waits(*channel_);
}

// --- offers that nobody waits for ---

class NotedOffers : public ::testing::TestWithParam<std::int64_t> {
protected:
    void SetUp() override {
        for (std::int64_t i = 0; i < GetParam(); ++i) {
            ASSERT_EQ(send_now(*channel_, static_cast<std::uint64_t>(i)), Status::kOk);
        }
    }
    void expect_told() { EXPECT_EQ(notifier_.ready(), std::vector<Waiter*>{&offer_.waiter()}); }

    PlainChannel channel_{GetParam()};  // and full
    OwnNotifier notifier_;
    Message message_{100};
    Offer offer_{*channel_, message_.parcel, 1, false, &*notifier_};
};
INSTANTIATE_TEST_SUITE_P(All, NotedOffers, ::testing::Values(0, 1, 3), capacity_name);

TEST_P(NotedOffers, AreToldWhenTheyAreTaken) {
    ASSERT_EQ(offer_.look(nullptr, nullptr), Status::kWouldBlock);
    EXPECT_EQ(channel_->stats().waiting_senders, 1u);
    EXPECT_FALSE(notifier_.readable());
    for (std::int64_t i = 0; i < GetParam(); ++i) {
        EXPECT_EQ(next_value(*channel_), static_cast<std::uint64_t>(i));
    }
    EXPECT_EQ(next_value(*channel_), 100u);
    expect_told();
    EXPECT_EQ(offer_.look(nullptr, nullptr), Status::kOk);
    EXPECT_FALSE(offer_.withdraw());
    expect_nobody_waits(*channel_);
}

TEST_P(NotedOffers, AreWithdrawn) {
    ASSERT_EQ(offer_.look(nullptr, nullptr), Status::kWouldBlock);
    EXPECT_TRUE(offer_.withdraw());
    EXPECT_EQ(value_of(message_.parcel), 100u);
    expect_nobody_waits(*channel_);
    for (std::int64_t i = 0; i < GetParam(); ++i) next_value(*channel_);
    EXPECT_EQ(next_value(*channel_), kNothing);
}

TEST_P(NotedOffers, AreToldOfTheClose) {
    ASSERT_EQ(offer_.look(nullptr, nullptr), Status::kWouldBlock);
    channel_->close_sends(false);
    expect_told();
    EXPECT_EQ(offer_.look(nullptr, nullptr), Status::kClosed);
    EXPECT_TRUE(offer_.withdraw());
    EXPECT_EQ(value_of(message_.parcel), 100u);
}

TEST_P(NotedOffers, KeepTheirPlaceWhenTheyAreWokenForAnother) {
    ASSERT_EQ(offer_.look(nullptr, nullptr), Status::kWouldBlock);
    BlockedSend behind(*channel_, 101, false);
    await_senders(*channel_, 2);
    for (int i = 0; i < 3; ++i) {
        channel_->wake_all();
        expect_told();
        ASSERT_EQ(offer_.look(nullptr, nullptr), Status::kWouldBlock);
    }
    // Woken for another and taken, before anybody looks: told once.
    channel_->wake_all();
    for (std::int64_t i = 0; i < GetParam(); ++i) next_value(*channel_);
    EXPECT_EQ(next_value(*channel_), 100u);
    expect_told();
    EXPECT_EQ(offer_.look(nullptr, nullptr), Status::kOk);
    spin_until([&] { return next_value(*channel_) == 101; });
    EXPECT_EQ(behind.join(), Status::kOk);
}

// --- hints ---

class Hints : public ::testing::TestWithParam<std::int64_t> {
protected:
    PlainChannel channel_{GetParam()};
    std::unique_ptr<Hint> hint_ = Hint::make(*channel_);
    bool readable() const { return testing::readable(hint_->descriptor()); }
};
INSTANTIATE_TEST_SUITE_P(All, Hints, ::testing::Values(kUnbounded, 0, 1, 3), capacity_name);

TEST_P(Hints, AreReadableWhileThereIsSomething) {
    EXPECT_FALSE(readable());
    for (int round = 0; round < 3; ++round) {
        OwnNotifier notifier;
        Message message(1);
        Offer offer(*channel_, message.parcel, 1, false, &*notifier);
        static_cast<void>(offer.look(nullptr, nullptr));
        EXPECT_TRUE(readable());
        hint_->refresh();
        EXPECT_TRUE(readable());  // there is something
        EXPECT_EQ(next_value(*channel_), 1u);
        EXPECT_TRUE(readable());  // nobody has told it
        hint_->refresh();
        EXPECT_FALSE(readable());
        hint_->refresh();
        EXPECT_FALSE(readable());
    }
    channel_->close_sends(false);
    EXPECT_TRUE(readable());
    hint_->refresh();
    EXPECT_TRUE(readable());
}

TEST_P(Hints, OfAChannelThatHasSomethingAreReadableFromTheStart) {
    channel_->close_sends(false);
    const std::unique_ptr<Hint> late = Hint::make(*channel_);
    EXPECT_TRUE(testing::readable(late->descriptor()));
}

TEST_P(Hints, LeaveTheLine) {
    EXPECT_EQ(channel_->stats().waiting_receivers, 1u);
    hint_.reset();
    expect_nobody_waits(*channel_);
}

// One that is watched alone never sleeps on an item.
TEST_P(Hints, MissNothing) {
    const int count = rounds(20'000);
    std::thread sender([&] {
        for (int i = 0; i < count; ++i) {
            Message message(static_cast<std::uint64_t>(i));
            Offer offer(*channel_, message.parcel, 1, false);
            EXPECT_EQ(offer.wait({}), Status::kOk);
        }
        channel_->close_sends(false);
    });
    for (std::uint64_t expected = 0;;) {
        await_readable(hint_->descriptor());
        const std::uint64_t value = next_value(*channel_);
        if (value == kGone) break;
        if (value != kNothing) {
            EXPECT_EQ(value, expected++);
        }
        hint_->refresh();
    }
    sender.join();
}

// --- random cancellation, with an account of every item ---

// Receivers and senders by the dozen on a few event loops, each given up now and then at whatever moment; beside them
// threads that block. In the end what was sent is what was received, each once, and nobody stands in line.
class Loops : public ::testing::TestWithParam<std::int64_t> {};
INSTANTIATE_TEST_SUITE_P(All, Loops, ::testing::Values(kUnbounded, 0, 1, 3), capacity_name);

class EventLoop {
public:
    // Sends `first`, `first` + 1, … up to `sends` values by `kTasks` tasks, and receives by as many.
    EventLoop(Channel& channel, std::uint64_t first, std::uint64_t sends, unsigned seed)
        : channel_(channel), next_(first), end_(first + sends), random_(seed) {}

    // Until `over`, when all that is left is given up.
    void run(const std::atomic<bool>& over) {
        for (Task& task : tasks_) step(task);
        while (!over.load()) {
            pollfd about{notifier_->descriptor(), POLLIN, 0};
            if (poll(&about, 1, 1) == 1) {  // the time-out: for `over`, and for more cancellations
                for (Waiter* const w : notifier_.ready()) {
                    Task& task = *static_cast<Task*>(w->owner);
                    // Sometimes it is given up between its wake-up and its look.
                    if (chance(4)) give_up(task);
                    step(task);
                }
            }
            for (int i = 0; i < 4; ++i) {
                Task& task = tasks_[random_() % kTasks];
                give_up(task);
                step(task);
            }
        }
        for (Task& task : tasks_) give_up(task);
        EXPECT_TRUE(notifier_.ready().empty());
    }
    const std::vector<std::uint64_t>& received() const { return received_; }
    const std::vector<std::uint64_t>& sent() const { return sent_; }
    std::uint64_t given_up() const { return given_up_.load(); }

private:
    static constexpr std::size_t kTasks = 24;
    struct Task {
        std::optional<Watch> watch;
        std::optional<Message> message;
        std::optional<Offer> offer;
    };

    bool chance(unsigned one_in) { return random_() % one_in == 0; }

    // Until it waits.
    void step(Task& task) {
        for (int moves = 0; moves < 3; ++moves) {
            if (!task.watch && !task.offer) {
                if (next_ != end_ && chance(2)) {
                    task.message.emplace(next_++);
                    task.offer.emplace(channel_, task.message->parcel, 1, false, &*notifier_);
                    task.offer->waiter().owner = &task;
                } else {
                    task.watch.emplace(channel_, *notifier_, Watch::Kind::kPromise);
                    task.watch->waiter().owner = &task;
                }
            }
            if (task.offer) {
                const Status status = task.offer->look(nullptr, nullptr);
                if (status == Status::kWouldBlock) return;
                EXPECT_EQ(status, Status::kOk);
                finish_send(task);
            } else if (!step_receive(task)) {
                return;
            }
        }
    }
    bool step_receive(Task& task) {
        Parcel out;
        Scratch scratch;
        for (;;) {
            const Status status = recv_now(channel_, out, scratch);
            task.watch->looked(status == Status::kOk);
            if (status == Status::kOk) {
                received_.push_back(value_of(out));
                task.watch.reset();
                return true;
            }
            EXPECT_EQ(status, Status::kWouldBlock);
            if (task.watch->arm(nullptr, nullptr) == Status::kWouldBlock) return false;
        }
    }
    void finish_send(Task& task) {
        sent_.push_back(next_value_of(task));
        task.offer.reset();
        task.message.reset();
    }
    static std::uint64_t next_value_of(const Task& task) {
        std::uint64_t value = 0;
        std::memcpy(&value, task.message->bytes.data(), sizeof value);
        return value;
    }
    void give_up(Task& task) {
        given_up_.fetch_add(1);
        if (task.watch) {
            task.watch->cancel();
            notifier_->remove(task.watch->waiter());
            task.watch.reset();
        } else if (task.offer) {
            const bool withdrawn = task.offer->withdraw();
            notifier_->remove(task.offer->waiter());
            if (!withdrawn) {
                finish_send(task);
            } else {
                EXPECT_EQ(value_of(task.message->parcel), next_value_of(task));
            }
            task.offer.reset();
            task.message.reset();
        }
    }

    Channel& channel_;
    OwnNotifier notifier_;
    std::uint64_t next_;
    const std::uint64_t end_;
    std::minstd_rand random_;
    Task tasks_[kTasks];
    std::vector<std::uint64_t> received_;
    std::vector<std::uint64_t> sent_;
    std::atomic<std::uint64_t> given_up_{0};
};

TEST_P(Loops, CancelledAtRandomNothingIsLostAndNothingTwice) {
    PlainChannel channel(GetParam());
    const auto each = static_cast<std::uint64_t>(rounds(8'000));
    std::atomic<bool> over{false};
    EventLoop first(*channel, 0, each, 1);
    EventLoop second(*channel, each, each, 2);
    std::vector<std::uint64_t> received;  // by the threads that block
    std::vector<std::uint64_t> sent;
    std::atomic<std::uint64_t> blocked_sends{0};
    std::vector<std::thread> threads;
    threads.emplace_back([&] { first.run(over); });
    threads.emplace_back([&] { second.run(over); });
    threads.emplace_back([&] {
        for (std::uint64_t i = 2 * each; i < 3 * each; ++i) {
            Message message(i);
            Offer offer(*channel, message.parcel, 1, false);
            EXPECT_EQ(offer.wait({}), Status::kOk);
            sent.push_back(i);
            blocked_sends.fetch_add(1);
        }
    });
    threads.emplace_back([&] {
        for (;;) {
            Parcel out;
            Scratch scratch;
            WaitFor wait;
            wait.deadline = now() + 200'000;
            const Status status = channel->recv(out, scratch, wait);
            if (status == Status::kOk) received.push_back(value_of(out));
            if (over.load() && status != Status::kOk) return;
        }
    });
    spin_until([&] {
        return blocked_sends.load() == each && first.given_up() >= each && second.given_up() >= each;
    });
    over.store(true);
    for (std::thread& t : threads) t.join();
    for (std::uint64_t value = 0; (value = next_value(*channel)) != kNothing;) received.push_back(value);
    for (const EventLoop* loop : {&first, &second}) {
        received.insert(received.end(), loop->received().begin(), loop->received().end());
        sent.insert(sent.end(), loop->sent().begin(), loop->sent().end());
    }
    std::sort(received.begin(), received.end());
    std::sort(sent.begin(), sent.end());
    EXPECT_EQ(received, sent);
    expect_nobody_waits(*channel);
}

// One item at a time, and everybody but one gives up as it comes: whoever is left gets it.
TEST_P(Loops, TheLastOneInLineIsNotForgotten) {
    PlainChannel channel(GetParam());
    for (int round = 0; round < rounds(1'000); ++round) {
        OwnNotifier notifier;
        std::deque<Watch> many;
        for (int i = 0; i < 4; ++i) {
            many.emplace_back(*channel, *notifier, Watch::Kind::kPromise);
            ASSERT_EQ(many.back().arm(nullptr, nullptr), Status::kWouldBlock);
        }
        OwnNotifier last_notifier;
        Watch last(*channel, *last_notifier, Watch::Kind::kPromise);
        ASSERT_EQ(last.arm(nullptr, nullptr), Status::kWouldBlock);
        std::thread sender([&] {
            Message message(static_cast<std::uint64_t>(round));
            Offer offer(*channel, message.parcel, 1, false);
            EXPECT_EQ(offer.wait({}), Status::kOk);
        });
        for (Watch& watch : many) watch.cancel();
        await_readable(last_notifier->descriptor());
        EXPECT_EQ(last_notifier.ready(), std::vector<Waiter*>{&last.waiter()});
        EXPECT_EQ(next_value(*channel), static_cast<std::uint64_t>(round));
        last.looked(true);
        sender.join();
        for (Watch& watch : many) notifier->remove(watch.waiter());
    }
    expect_nobody_waits(*channel);
}

// --- fork ---

// What waits without a thread lives on in the child as memory alone: given up there, it touches nothing.
TEST(WatchesAndForks, TheChildGivesThemUpInPeace) {
    ASSERT_TRUE(fork_handlers_registered());
    const auto empty = CountedChannel::create(kUnbounded, 0, true);
    const auto full = CountedChannel::create(0, 0, true);
    OwnNotifier notifier;
    std::optional<Watch> watch;
    watch.emplace(*empty, *notifier, Watch::Kind::kPromise);
    std::unique_ptr<Hint> hint = Hint::make(*empty);
    Message message(1);
    std::optional<Offer> offer;
    offer.emplace(*full, message.parcel, 1, false, &*notifier);
    ASSERT_EQ(watch->arm(nullptr, nullptr), Status::kWouldBlock);
    ASSERT_EQ(offer->look(nullptr, nullptr), Status::kWouldBlock);
    BlockedRecv before(*empty);
    BlockedSend behind(*full, 2, false);
    await_receivers(*empty, 3);
    await_senders(*full, 2);
    const pid_t pid = fork();
    ASSERT_NE(pid, -1);
    if (pid == 0) {
        alarm(120);
        if (offer->look(nullptr, nullptr) != Status::kClosed || !offer->withdraw()) _exit(1);
        offer.reset();
        if (watch->arm(nullptr, nullptr) != Status::kOk) _exit(2);
        watch.reset();
        hint->refresh();
        hint.reset();
        for (CountedChannel* channel : {empty.get(), full.get()}) {
            const ChannelStats stats = channel->stats();
            if (stats.waiting_receivers || stats.waiting_senders) _exit(3);
            channel->wake_all();
        }
        _exit(0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(pid, &status, 0), pid);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
    EXPECT_EQ(empty->stats().waiting_receivers, 3u);
    EXPECT_EQ(next_value(*full), 1u);
    EXPECT_EQ(next_value(*full), 2u);
    EXPECT_EQ(offer->look(nullptr, nullptr), Status::kOk);
    behind.join();
    watch.reset();
    send_now(*empty, 9);
    EXPECT_EQ(before.join(), Status::kOk);
}

}  // namespace
}  // namespace interpchannels
