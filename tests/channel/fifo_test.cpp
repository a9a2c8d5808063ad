// Order and completeness under many threads. Every item arrives exactly once or was refused; one sender's
// items arrive in its order; and over the whole channel an item whose send had returned before another
// one began arrives before it. Schedules are random by seed.
#include "engine_support.hpp"

namespace interpchannels {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the tests' own helpers

constexpr std::uint64_t value_for(int sender, int sequence) {
    return (static_cast<std::uint64_t>(sender) << 32) | static_cast<std::uint32_t>(sequence);
}
std::uint64_t leading_value(const Parcel& parcel) {
    std::uint64_t value = kGone;
    if (parcel.size >= sizeof value) std::memcpy(&value, parcel.data, sizeof value);
    return value;
}

class Traffic {
public:
    Traffic(std::int64_t capacity, int senders, int receivers, int per_sender, unsigned seed)
        : channel_(capacity),
          senders_(senders),
          receivers_(receivers),
          per_sender_(per_sender),
          seed_(seed),
          began_(static_cast<std::size_t>(senders * per_sender)),
          returned_(static_cast<std::size_t>(senders * per_sender)),
          received_(static_cast<std::size_t>(receivers)) {}

    void run() {
        std::vector<std::thread> sending;
        std::vector<std::thread> receiving;
        for (int r = 0; r < receivers_; ++r) receiving.emplace_back([this, r] { receive(r); });
        for (int s = 0; s < senders_; ++s) sending.emplace_back([this, s] { send_all(s); });
        // Somebody who closes handles and settles all the time does no harm. Not in every run: it would
        // also mend a wake-up that was lost.
        std::thread nuisance([this] {
            while (seed_ % 2 && !sent_.load()) {
                channel_->wake_all();
                channel_->settle();
                for (int i = 0; i < 20; ++i) std::this_thread::yield();
            }
        });
        for (std::thread& t : sending) t.join();
        sent_.store(true);
        nuisance.join();
        channel_->close_sends(seed_ % 4 < 2);
        for (std::thread& t : receiving) t.join();
        check();
    }

private:
    std::size_t index(int sender, int sequence) const {
        return static_cast<std::size_t>(sender * per_sender_ + sequence);
    }

    void send_all(int sender) {
        std::mt19937 random(seed_ * 31 + static_cast<unsigned>(sender));
        for (int i = 0; i < per_sender_; ++i) {
            const std::uint64_t value = value_for(sender, i);
            std::string bytes(reinterpret_cast<const char*>(&value), sizeof value);
            const unsigned dice = random() % 64;
            bytes.resize(sizeof value + (dice == 0 ? kInlineMax : dice == 1 ? 700 : dice));
            Message message(std::move(bytes));
            do {
                began_[index(sender, i)] = clock_.fetch_add(1);
            } while (!send_once(message.parcel, sender, random));
            returned_[index(sender, i)] = clock_.fetch_add(1);
            if (random() % 8 == 0) std::this_thread::yield();
        }
    }

    // One attempt, in one of the ways there are. False: refused.
    bool send_once(Parcel& parcel, int sender, std::mt19937& random) {
        const unsigned way = random() % 8;
        if (way < 4 && send_now(*channel_, parcel, sender) == Status::kOk) return true;
        Offer offer(*channel_, parcel, sender, channel_->capacity() <= 0 && way % 2 == 0);
        if (way == 5) {
            for (unsigned looks = random() % 4; looks > 0; --looks) {
                if (offer.wait(stand_in_line()) == Status::kOk) return true;
            }
            return !offer.withdraw();
        }
        WaitFor wait;
        if (way >= 6) wait.deadline = now() + random() % 100'000;
        return offer.wait(wait) == Status::kOk;
    }

    void receive(int receiver) {
        std::mt19937 random(seed_ * 17 + 5 + static_cast<unsigned>(receiver));
        auto& mine = received_[static_cast<std::size_t>(receiver)];
        for (;;) {
            Parcel out;
            Scratch scratch;
            WaitFor wait;
            const unsigned way = random() % 4;
            if (way == 1) wait.deadline = now() + random() % 50'000;
            if (way == 2) wait.slice = 1 + random() % 50'000;
            const Status status =
                way == 3 ? recv_now(*channel_, out, scratch) : channel_->recv(out, scratch, wait);
            if (status == Status::kOk) mine.push_back(leading_value(out));
            if (status == Status::kClosed) return;
            if (random() % 16 == 0) std::this_thread::yield();
        }
    }

    void check() {
        std::vector<int> seen(began_.size());
        for (const auto& list : received_) {
            std::vector<int> last(static_cast<std::size_t>(senders_), -1);
            for (const std::uint64_t value : list) {
                const int sender = static_cast<int>(value >> 32);
                const int sequence = static_cast<int>(value & 0xffffffff);
                ASSERT_LT(sender, senders_);
                ASSERT_LT(sequence, per_sender_);
                ++seen[index(sender, sequence)];
                ASSERT_LT(last[static_cast<std::size_t>(sender)], sequence) << "sender " << sender;
                last[static_cast<std::size_t>(sender)] = sequence;
            }
        }
        ASSERT_EQ(std::count(seen.begin(), seen.end(), 1), static_cast<long>(seen.size()));
        if (receivers_ == 1) check_whole_order(received_[0]);
        const ChannelStats stats = channel_->stats();
        EXPECT_EQ(stats.sent, seen.size());
        EXPECT_EQ(stats.received, seen.size());
        EXPECT_EQ(stats.queued, 0u);
        EXPECT_EQ(channel_->state(), State::kClosed);
        expect_nobody_waits(*channel_);
    }

    // Nobody behind in the line had returned before somebody ahead of it began.
    void check_whole_order(const std::vector<std::uint64_t>& list) {
        std::uint64_t earliest_return = ~std::uint64_t{0};
        for (auto value = list.rbegin(); value != list.rend(); ++value) {
            const std::size_t i =
                index(static_cast<int>(*value >> 32), static_cast<int>(*value & 0xffffffff));
            ASSERT_GT(earliest_return, began_[i]) << "overtaken";
            earliest_return = std::min(earliest_return, returned_[i]);
        }
    }

    PlainChannel channel_;
    const int senders_;
    const int receivers_;
    const int per_sender_;
    const unsigned seed_;
    std::atomic<std::uint64_t> clock_{1};
    std::atomic<bool> sent_{false};
    std::vector<std::uint64_t> began_;
    std::vector<std::uint64_t> returned_;
    std::vector<std::vector<std::uint64_t>> received_;
};

class Fifo : public ::testing::TestWithParam<std::int64_t> {
protected:
    static void run(int senders, int receivers, int total) {
        const int seeds = rounds(3);
        for (int seed = 0; seed < seeds && !HasFatalFailure(); ++seed) {
            SCOPED_TRACE("seed " + std::to_string(seed));
            Traffic(GetParam(), senders, receivers, total / senders, static_cast<unsigned>(seed)).run();
        }
    }
};
std::string name_of(const ::testing::TestParamInfo<std::int64_t>& about) {
    return about.param == kUnbounded ? "Unbounded" : "Of" + std::to_string(about.param);
}
INSTANTIATE_TEST_SUITE_P(All, Fifo, ::testing::Values(kUnbounded, 0, 1, 3, 1024), name_of);

TEST_P(Fifo, OneSenderOneReceiver) { run(1, 1, 2'000); }
TEST_P(Fifo, ManySendersOneReceiver) { run(5, 1, 2'000); }
TEST_P(Fifo, OneSenderManyReceivers) { run(1, 5, 2'000); }
TEST_P(Fifo, ManySendersManyReceivers) { run(4, 4, 2'000); }

// --- short races: one or two calls on each side, thousands of times ---

class Races : public ::testing::TestWithParam<std::int64_t> {
protected:
    // One sends, by whatever way there is at this capacity, for at most that long.
    static Status send_within(Channel& channel, Parcel& parcel, Nanos nanos) {
        Offer offer(channel, parcel, 1, false);
        WaitFor wait;
        if (nanos != kNever) wait.deadline = now() + nanos;
        return offer.wait(wait);
    }
    static void dawdle(unsigned turns) {
        for (unsigned i = 0; i < turns; ++i) cpu_relax();
    }
};
INSTANTIATE_TEST_SUITE_P(All, Races, ::testing::Values(kUnbounded, 0, 1, 3), name_of);

// A receive times out just as its item comes. Either it has it, or the next one gets it.
TEST_P(Races, TimeoutAgainstHandOver) {
    PlainChannel channel(GetParam());
    const int n = rounds(1'200);
    Meeting meeting(2);
    std::vector<int> got(static_cast<std::size_t>(n));
    std::atomic<bool> sent{false};
    std::thread receiver([&] {
        std::mt19937 random(2);
        for (int i = 0; i < n; ++i) {
            meeting.arrive();
            Parcel out;
            Scratch scratch;
            WaitFor wait;
            wait.deadline = now() + random() % 8'000;
            if (channel->recv(out, scratch, wait) == Status::kOk) ++got[value_of(out)];
            meeting.arrive();
        }
    });
    std::mt19937 random(3);
    int refused = 0;
    for (int i = 0; i < n; ++i) {
        meeting.arrive();
        Message message(static_cast<std::uint64_t>(i));
        dawdle(random() % 200);
        const Status status = send_within(*channel, message.parcel, random() % 8'000);
        meeting.arrive();
        if (status != Status::kOk) {
            ASSERT_EQ(status, Status::kTimeout);
            ASSERT_EQ(value_of(message.parcel), static_cast<std::uint64_t>(i));
            ++got[static_cast<std::size_t>(i)];
            ++refused;
        }
        for (std::uint64_t value; (value = next_value(*channel)) < kGone;) ++got[value];
        ASSERT_EQ(got[static_cast<std::size_t>(i)], 1);
    }
    receiver.join();
    EXPECT_EQ(channel->stats().sent, static_cast<std::uint64_t>(n - refused));
    expect_nobody_waits(*channel);
}

// An offer is withdrawn just as it is taken, or moves into a place.
TEST_P(Races, WithdrawalAgainstTaking) {
    const bool until_taken = GetParam() <= 0;
    PlainChannel channel(GetParam());
    const int n = rounds(4'000);
    Meeting meeting(2);
    std::vector<int> got(static_cast<std::size_t>(n));
    std::thread receiver([&] {
        std::mt19937 random(4);
        for (int i = 0; i < n; ++i) {
            meeting.arrive();
            dawdle(random() % 200);
            for (int k = 0; k < 2; ++k) {
                const std::uint64_t value = next_value(*channel);
                if (value < static_cast<std::uint64_t>(n)) ++got[value];
            }
            meeting.arrive();
        }
    });
    std::mt19937 random(5);
    const std::uint64_t filler = 1'000'000;
    for (int i = 0; i < n; ++i) {
        for (std::int64_t k = 0; k < GetParam(); ++k) send_now(*channel, filler);
        Message message(static_cast<std::uint64_t>(i));
        {
            Offer offer(*channel, message.parcel, 1, until_taken);
            ASSERT_EQ(offer.wait(stand_in_line()), Status::kInterrupted);
            meeting.arrive();
            dawdle(random() % 200);
            const bool withdrawn = offer.withdraw();
            meeting.arrive();
            if (withdrawn) {
                ASSERT_EQ(value_of(message.parcel), static_cast<std::uint64_t>(i));
                ++got[static_cast<std::size_t>(i)];
            }
        }
        for (std::uint64_t value; (value = next_value(*channel)) < kGone;) {
            if (value != filler) ++got[value];
        }
        ASSERT_EQ(got[static_cast<std::size_t>(i)], 1);
    }
    receiver.join();
    expect_nobody_waits(*channel);
}

// One item at a time, sent just as its receiver goes to wait; nothing else happens on the channel, so that
// a wake-up that is lost is not made up for.
TEST_P(Races, EachItemAloneFindsItsReceiver) {
    for (const bool until_taken : {false, true}) {
        PlainChannel channel(GetParam());
        const int n = rounds(15'000);
        std::atomic<int> asked{0};
        std::atomic<int> received{0};
        std::thread receiver([&] {
            std::mt19937 random(11);
            for (int i = 1; i <= n; ++i) {
                asked.store(i);
                dawdle(random() % 50);
                Parcel out;
                Scratch scratch;
                if (channel->recv(out, scratch, {}) == Status::kOk) received.store(i);
            }
        });
        std::mt19937 random(12);
        for (int i = 1; i <= n; ++i) {
            spin_until([&] { return asked.load() == i; });
            dawdle(random() % 300);
            Message message(1);
            if (until_taken || send_now(*channel, message.parcel) != Status::kOk) {
                Offer offer(*channel, message.parcel, 1, until_taken);
                ASSERT_EQ(offer.wait({}), Status::kOk);
            }
            spin_until([&] { return received.load() == i; });
        }
        receiver.join();
        expect_nobody_waits(*channel);
    }
}

// The same for places: each one is made just as a sender goes to wait for it.
TEST_P(Races, EachPlaceAloneFindsItsSender) {
    if (GetParam() <= 0) return;
    PlainChannel channel(GetParam());
    for (std::int64_t k = 0; k < GetParam(); ++k) ASSERT_EQ(send_now(*channel, 0), Status::kOk);
    const int n = rounds(15'000);
    std::atomic<int> asked{0};
    std::atomic<int> sent{0};
    std::thread sender([&] {
        std::mt19937 random(13);
        for (int i = 1; i <= n; ++i) {
            asked.store(i);
            dawdle(random() % 50);
            Message message(1);
            Offer offer(*channel, message.parcel, 1, false);
            if (offer.wait({}) == Status::kOk) sent.store(i);
        }
    });
    std::mt19937 random(14);
    for (int i = 1; i <= n; ++i) {
        spin_until([&] { return asked.load() == i; });
        dawdle(random() % 300);
        ASSERT_LT(next_value(*channel), kGone);
        spin_until([&] { return sent.load() == i; });
    }
    sender.join();
    expect_nobody_waits(*channel);
}

// An offer stands in line and a place is made just as somebody else sends: who stood there goes first.
TEST_P(Races, NobodyOvertakesWhoStandsInLine) {
    if (GetParam() <= 0) return;
    PlainChannel channel(GetParam());
    const int n = rounds(4'000);
    Meeting meeting(2);
    std::atomic<int> wrong{0};
    std::thread receiver([&] {
        std::mt19937 random(15);
        for (int i = 0; i < n; ++i) {
            meeting.arrive();
            dawdle(random() % 60);
            wrong += next_value(*channel) != 0;
            meeting.arrive();
        }
    });
    std::mt19937 random(16);
    for (int i = 0; i < n; ++i) {
        for (std::int64_t k = 0; k < GetParam(); ++k) ASSERT_EQ(send_now(*channel, 0), Status::kOk);
        Message first(1);
        Message second(2);
        Offer standing(*channel, first.parcel, 1, false);
        ASSERT_EQ(standing.wait(stand_in_line()), Status::kInterrupted);
        Offer later(*channel, second.parcel, 1, false);
        meeting.arrive();
        dawdle(random() % 60);
        const bool sent = random() % 2 ? send_now(*channel, second.parcel) == Status::kOk
                                       : later.wait(stand_in_line()) == Status::kOk;
        meeting.arrive();
        std::uint64_t last = 0;
        for (std::uint64_t value; (value = next_value(*channel)) < kGone; last = value) {
            ASSERT_LE(last, value);
        }
        ASSERT_TRUE(sent ? last == 2 : last != 0);
    }
    receiver.join();
    EXPECT_EQ(wrong.load(), 0);
    expect_nobody_waits(*channel);
}

// Two receivers wait and one gives up, at its deadline or because its handle is closed, just as the only
// item comes: it is not lost between them.
TEST_P(Races, AnItemForOneWhoLeavesReachesTheOther) {
    for (const bool cancels : {false, true}) {
        PlainChannel channel(GetParam());
        const int n = rounds(2'000);
        Meeting meeting(3);
        std::atomic<bool> cancelled{false};
        std::atomic<int> left{0};  // 1 with the item, 2 without
        int wrong = 0;
        std::thread leaver([&] {
            std::mt19937 random(6);
            for (int i = 0; i < n; ++i) {
                meeting.arrive();
                Parcel out;
                Scratch scratch;
                WaitFor wait;
                wait.cancelled = &cancelled;
                if (!cancels) wait.deadline = now() + random() % 20'000;
                const Status status = channel->recv(out, scratch, wait);
                left.store(status == Status::kOk ? 1 : 2);
                meeting.arrive();
            }
        });
        std::thread stayer([&] {
            for (int i = 0; i < n; ++i) {
                meeting.arrive();
                Parcel out;
                Scratch scratch;
                wrong += channel->recv(out, scratch, {}) != Status::kOk;
                meeting.arrive();
            }
        });
        std::mt19937 random(7);
        for (int i = 0; i < n; ++i) {
            cancelled.store(false);
            left.store(0);
            meeting.arrive();
            dawdle(random() % 400);
            if (random() % 2) await_receivers(*channel, cancels ? 2 : 1);
            Message first(1);
            if (cancels && random() % 2) cancelled.store(true), channel->wake_all();
            ASSERT_EQ(send_within(*channel, first.parcel, kNever), Status::kOk);
            if (cancels) cancelled.store(true), channel->wake_all();
            spin_until([&] { return left.load() != 0; });
            Message second(2);
            if (left.load() == 1) {
                ASSERT_EQ(send_within(*channel, second.parcel, kNever), Status::kOk);
            }
            meeting.arrive();
            ASSERT_EQ(channel->count_with_offers(), 0u);
        }
        leaver.join();
        stayer.join();
        EXPECT_EQ(wrong, 0);
        expect_nobody_waits(*channel);
    }
}

// The same on the other side: of two senders in line one gives up just as the only place comes.
TEST_P(Races, APlaceForOneWhoLeavesReachesTheOther) {
    if (GetParam() == kUnbounded) return;
    PlainChannel channel(GetParam());
    const int n = rounds(4'000);
    Meeting meeting(3);
    std::atomic<int> left{0};
    int wrong = 0;
    std::thread leaver([&] {
        std::mt19937 random(8);
        for (int i = 0; i < n; ++i) {
            meeting.arrive();
            Message message(10);
            const Status status = send_within(*channel, message.parcel, random() % 20'000);
            left.store(status == Status::kOk ? 1 : 2);
            meeting.arrive();
        }
    });
    std::thread stayer([&] {
        for (int i = 0; i < n; ++i) {
            meeting.arrive();
            Message message(11);
            wrong += send_within(*channel, message.parcel, kNever) != Status::kOk;
            meeting.arrive();
        }
    });
    std::mt19937 random(9);
    for (int i = 0; i < n; ++i) {
        for (std::int64_t k = 0; k < GetParam(); ++k) ASSERT_EQ(send_now(*channel, 0), Status::kOk);
        left.store(0);
        meeting.arrive();
        dawdle(random() % 400);
        std::uint64_t expected = 1 + static_cast<std::uint64_t>(GetParam());
        Parcel out;
        Scratch scratch;
        ASSERT_EQ(channel->recv(out, scratch, {}), Status::kOk);
        std::uint64_t received = 1;
        spin_until([&] { return left.load() != 0; });
        if (left.load() == 1) {
            ++expected;
            out.reset();
            ASSERT_EQ(channel->recv(out, scratch, {}), Status::kOk);
            ++received;
        }
        meeting.arrive();
        while (next_value(*channel) < kGone) ++received;
        ASSERT_EQ(received, expected);
    }
    leaver.join();
    stayer.join();
    EXPECT_EQ(wrong, 0);
    expect_nobody_waits(*channel);
}

// Offers move into places while several receivers wait, and their senders then look away or withdraw:
// every receiver still gets its item.
TEST_P(Races, PromotedItemsFindTheirReceivers) {
    if (GetParam() <= 0) return;
    PlainChannel channel(GetParam());
    const int n = rounds(4'000);
    constexpr int kReceivers = 3;
    Meeting meeting(kReceivers + 1);
    std::vector<std::thread> receivers;
    std::atomic<int> wrong{0};
    for (int r = 0; r < kReceivers; ++r) {
        receivers.emplace_back([&] {
            for (int i = 0; i < n; ++i) {
                meeting.arrive();
                Parcel out;
                Scratch scratch;
                wrong += channel->recv(out, scratch, {}) != Status::kOk;
                meeting.arrive();
            }
        });
    }
    std::mt19937 random(10);
    for (int i = 0; i < n; ++i) {
        meeting.arrive();
        if (random() % 2) await_receivers(*channel, kReceivers);
        int sent = 0;
        while (sent < kReceivers) {
            Message plain(1);
            sent += send_now(*channel, plain.parcel) == Status::kOk;
            if (sent == kReceivers) break;
            Message message(2);
            Offer offer(*channel, message.parcel, 1, false);
            if (offer.wait(stand_in_line()) == Status::kInterrupted) dawdle(random() % 300);
            sent += !offer.withdraw();
        }
        meeting.arrive();  // hangs where a receiver was forgotten
        ASSERT_EQ(channel->count_with_offers(), 0u);
    }
    for (std::thread& t : receivers) t.join();
    EXPECT_EQ(wrong.load(), 0);
    expect_nobody_waits(*channel);
}

// The channel is closed at once while items are sent and received: each attachment is released once.
TEST_P(Races, ImmediateCloseAgainstTraffic) {
    for (int i = 0; i < rounds(150); ++i) {
        PlainChannel channel(GetParam());
        constexpr int kSenders = 2;
        constexpr int kItems = 50;
        Attachments attachments[kSenders];
        std::vector<std::thread> threads;
        Meeting meeting(kSenders + 2);
        for (Attachments& mine : attachments) {
            threads.emplace_back([&] {
                meeting.arrive();
                for (std::uint64_t k = 0; k < kItems; ++k) {
                    Message message(k);
                    message.parcel.attachments = mine.chain(1);
                    if (send_within(*channel, message.parcel, kNever) == Status::kClosed) break;
                }
            });
        }
        threads.emplace_back([&] {
            meeting.arrive();
            for (;;) {
                Parcel out;
                Scratch scratch;
                if (channel->recv(out, scratch, {}) == Status::kClosed) break;
            }
        });
        meeting.arrive();
        const auto enough = static_cast<std::uint64_t>(i % 40);
        spin_until([&] { return channel->stats().sent >= enough; });
        channel->close_now();
        for (std::thread& t : threads) t.join();
        for (const Attachments& a : attachments) {
            ASSERT_EQ(a.released(), a.size());
            ASSERT_EQ(a.released_twice(), 0u);
        }
        ASSERT_EQ(channel->count(), 0u);
        expect_nobody_waits(*channel);
    }
}

// Sends close while receivers wait: every item that a send delivered is received, and then they end.
TEST_P(Races, CloseOfSendsAgainstTraffic) {
    for (int i = 0; i < rounds(300); ++i) {
        PlainChannel channel(GetParam());
        std::atomic<int> sent{0};
        std::atomic<int> received{0};
        Meeting meeting(4);
        std::vector<std::thread> threads;
        threads.emplace_back([&] {
            meeting.arrive();
            for (;;) {
                Message message(1);
                if (send_within(*channel, message.parcel, kNever) == Status::kClosed) return;
                sent.fetch_add(1);
            }
        });
        for (int r = 0; r < 2; ++r) {
            threads.emplace_back([&] {
                meeting.arrive();
                for (;;) {
                    Parcel out;
                    Scratch scratch;
                    if (channel->recv(out, scratch, {}) == Status::kClosed) return;
                    received.fetch_add(1);
                }
            });
        }
        meeting.arrive();
        spin_until([&] { return sent.load() >= i % 50; });
        channel->close_sends(false);
        for (std::thread& t : threads) t.join();
        ASSERT_EQ(sent.load(), received.load());
        ASSERT_EQ(channel->state(), State::kClosed);
    }
}

// An interpreter ends (its items are removed or unbound) amid its own traffic and another's.
TEST_P(Races, ClearingASenderAgainstTraffic) {
    PlainChannel channel(GetParam());
    const int n = rounds(10'000);
    std::atomic<bool> stop{false};
    std::thread clearer([&] {
        while (!stop.load()) {
            channel->clear_sender(9, 1);
            std::this_thread::yield();
        }
    });
    std::thread ending([&] {
        for (int i = 0; i < n; ++i) {
            Message message(~std::uint64_t{0}, 9, i % 2 ? 1 : 3);
            if (send_within(*channel, message.parcel, kNever) == Status::kClosed) return;
        }
    });
    std::thread other([&] {
        for (int i = 0; i < n; ++i) {
            Message message(static_cast<std::uint64_t>(i));
            if (send_within(*channel, message.parcel, kNever) == Status::kClosed) return;
        }
    });
    std::uint64_t expected = 0;
    while (expected < static_cast<std::uint64_t>(n)) {
        Parcel out;
        Scratch scratch;
        ASSERT_EQ(channel->recv(out, scratch, {}), Status::kOk);
        if (out.unbound || value_of(out) == ~std::uint64_t{0}) continue;
        ASSERT_EQ(value_of(out), expected);
        ++expected;
    }
    channel->close_now();
    stop.store(true);
    clearer.join();
    ending.join();
    other.join();
    expect_nobody_waits(*channel);
}

}  // namespace
}  // namespace interpchannels
