// Batches: many plain items at once, in and out, in the order that single ones have.
#include "channel/batch.hpp"

#include <limits>

#include "engine_support.hpp"

namespace interpchannels {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the tests' own helpers

constexpr std::uint64_t kAll = std::numeric_limits<std::uint64_t>::max();

bool add_value(Batch& batch, std::uint64_t value) {
    std::byte* const at = batch.room();
    if (!at) return false;
    std::memcpy(at, &value, sizeof value);
    batch.add(sizeof value);
    return true;
}
std::uint64_t pop_value(Batch& batch) {
    Parcel parcel;
    batch.front(parcel);
    const std::uint64_t value = value_of(parcel);
    batch.pop_front();
    return value;
}

// As their callers use them: again while contended, settled where owing.
Status send_batch(Channel& channel, Batch& batch, std::uint64_t& sent) {
    for (;;) {
        const Status status = channel.try_send_batch(batch, 1, sent);
        if (status == Status::kContended) {
            std::this_thread::yield();
            continue;
        }
        if (status != Status::kOkOwing) return status;
        channel.settle();
        return Status::kOk;
    }
}
Status recv_batch(Channel& channel, Batch& batch, std::uint64_t max = kAll) {
    for (;;) {
        const Status status = channel.try_recv_batch(batch, max);
        if (status == Status::kContended) {
            std::this_thread::yield();
            continue;
        }
        if (status != Status::kOkOwing) return status;
        channel.settle();
        return Status::kOk;
    }
}

TEST(Batch, HoldsItemsOfEverySizeInOrder) {
    Batch batch;
    EXPECT_TRUE(batch.empty());
    std::vector<std::string> texts;
    for (std::size_t n = 0; std::byte* const at = batch.room(); n = (n * 7 + 3) % (Batch::kItemMax + 1)) {
        texts.emplace_back(n, static_cast<char>('a' + n % 26));
        std::memcpy(at, texts.back().data(), n);
        batch.add(n);
    }
    EXPECT_EQ(batch.count(), texts.size());
    EXPECT_GT(texts.size(), Batch::kBytes / (Batch::kItemMax + 16));
    for (const std::string& text : texts) {
        Parcel parcel;
        batch.front(parcel);
        EXPECT_EQ(text_of(parcel), text);
        batch.pop_front();
    }
    EXPECT_TRUE(batch.empty());
    EXPECT_TRUE(add_value(batch, 1)) << "an empty batch is as good as new";
}

TEST(Batch, GoesThroughTheChannelInOrderAndIsCounted) {
    PlainChannel channel(kUnbounded);
    std::uint64_t next = 0;
    std::uint64_t bytes = 0;
    for (int i = 0; i < 50; ++i) {  // more than one segment of every size
        Batch batch;
        while (add_value(batch, next)) ++next, bytes += 8;
        const std::uint64_t count = batch.count();
        std::uint64_t sent = 0;
        ASSERT_EQ(send_batch(*channel, batch, sent), Status::kOk);
        EXPECT_EQ(sent, count);
        EXPECT_TRUE(batch.empty());
        ASSERT_EQ(send_now(*channel, next++), Status::kOk);
        bytes += 8;
    }
    EXPECT_EQ(channel->count(), next);
    EXPECT_EQ(channel->stats().bytes, bytes);
    std::uint64_t expected = 0;
    while (expected != next) {
        if (expected % 3 == 0) {
            ASSERT_EQ(next_value(*channel), expected++);
            continue;
        }
        Batch batch;
        const std::uint64_t max = 1 + expected % 100;
        ASSERT_EQ(recv_batch(*channel, batch, max), Status::kOk);
        ASSERT_LE(batch.count(), max);
        while (!batch.empty()) ASSERT_EQ(pop_value(batch), expected++);
    }
    Batch batch;
    EXPECT_EQ(recv_batch(*channel, batch), Status::kWouldBlock);
    EXPECT_EQ(channel->stats().received, next);
}

TEST(Batch, StopsBeforeAnItemThatIsNotPlain) {
    PlainChannel channel(kUnbounded);
    Attachments attachments;
    ASSERT_EQ(send_now(*channel, 1), Status::kOk);
    Message attached(2);
    attached.parcel.attachments = attachments.chain(1);
    ASSERT_EQ(send_now(*channel, attached.parcel), Status::kOk);
    Message large(std::string(kInlineMax + 1, 'x'));
    ASSERT_EQ(send_now(*channel, large.parcel), Status::kOk);
    Message wide(std::string(Batch::kBytes, 'y'));  // plain, and too large for a batch
    ASSERT_EQ(send_now(*channel, wide.parcel), Status::kOk);
    ASSERT_EQ(send_now(*channel, 3), Status::kOk);

    Batch batch;
    ASSERT_EQ(recv_batch(*channel, batch), Status::kOk);
    EXPECT_EQ(batch.count(), 1u);
    EXPECT_EQ(pop_value(batch), 1u);
    for (int i = 0; i < 3; ++i) {
        ASSERT_EQ(recv_batch(*channel, batch), Status::kWouldBlock);
        Parcel out;
        Scratch scratch;
        ASSERT_EQ(recv_now(*channel, out, scratch), Status::kOk);
    }
    EXPECT_EQ(attachments.released(), 1u);
    ASSERT_EQ(recv_batch(*channel, batch), Status::kOk);
    EXPECT_EQ(pop_value(batch), 3u);
}

TEST(Batch, FillsThePlacesThereAreAndOvertakesNobody) {
    PlainChannel channel(3);
    Batch batch;
    for (std::uint64_t i = 0; i < 5; ++i) add_value(batch, i);
    std::uint64_t sent = 0;
    ASSERT_EQ(send_batch(*channel, batch, sent), Status::kOk);
    EXPECT_EQ(sent, 3u);
    EXPECT_EQ(batch.count(), 2u);
    EXPECT_EQ(send_batch(*channel, batch, sent), Status::kWouldBlock);
    EXPECT_EQ(sent, 0u);

    BlockedSend blocked(*channel, 77, false);
    await_senders(*channel, 1);
    Batch out;
    ASSERT_EQ(recv_batch(*channel, out), Status::kOk);  // makes three places; the offer moves into one
    EXPECT_EQ(out.count(), 3u);
    EXPECT_EQ(blocked.join(), Status::kOk);
    ASSERT_EQ(send_batch(*channel, batch, sent), Status::kOk);
    EXPECT_EQ(sent, 2u);
    EXPECT_EQ(next_value(*channel), 77u);
    EXPECT_EQ(next_value(*channel), 3u);
    EXPECT_EQ(next_value(*channel), 4u);
    expect_nobody_waits(*channel);
}

// More offers than one list of wake-ups holds.
TEST(Batch, MakesRoomForAllWhoWait) {
    constexpr int kWaiting = 20;
    PlainChannel channel(kWaiting);
    for (int i = 0; i < kWaiting; ++i) ASSERT_EQ(send_now(*channel, 0), Status::kOk);
    std::deque<BlockedSend> senders;
    for (std::uint32_t i = 0; i < kWaiting; ++i) {
        senders.emplace_back(*channel, i, false);
        await_senders(*channel, i + 1);
    }
    Batch batch;
    ASSERT_EQ(recv_batch(*channel, batch), Status::kOk);
    EXPECT_EQ(batch.count(), static_cast<std::uint64_t>(kWaiting));
    for (BlockedSend& sender : senders)
        EXPECT_EQ(sender.join(), Status::kOk);  // hangs where one was forgotten
    for (std::uint64_t i = 0; i < kWaiting; ++i) EXPECT_EQ(next_value(*channel), i);
}

TEST(Batch, WakesAReceiverForEveryItem) {
    for (int round = 0; round < rounds(100); ++round) {
        PlainChannel channel(kUnbounded);
        constexpr std::uint32_t kReceivers = 12;
        std::deque<BlockedRecv> receivers;
        for (std::uint32_t i = 0; i < kReceivers; ++i) receivers.emplace_back(*channel);
        await_receivers(*channel, kReceivers);
        Batch batch;
        for (std::uint64_t i = 0; i < kReceivers; ++i) add_value(batch, i);
        std::uint64_t sent = 0;
        ASSERT_EQ(send_batch(*channel, batch, sent), Status::kOk);
        std::uint64_t sum = 0;
        for (BlockedRecv& receiver : receivers) {
            ASSERT_EQ(receiver.join(), Status::kOk);  // hangs where a wake-up is missing
            sum += receiver.value();
        }
        ASSERT_EQ(sum, kReceivers * (kReceivers - 1) / 2);
    }
}

TEST(Batch, SaysWhatTheChannelIs) {
    PlainChannel handed(0);
    Batch batch;
    add_value(batch, 1);
    std::uint64_t sent = 9;
    EXPECT_EQ(send_batch(*handed, batch, sent), Status::kWouldBlock);
    EXPECT_EQ(sent, 0u);
    Batch out;
    EXPECT_EQ(recv_batch(*handed, out), Status::kWouldBlock);

    PlainChannel channel(kUnbounded);
    ASSERT_EQ(send_now(*channel, 5), Status::kOk);
    channel->close_sends(false);
    EXPECT_EQ(send_batch(*channel, batch, sent), Status::kClosed);
    EXPECT_EQ(batch.count(), 1u) << "a send that fails keeps what it had";
    EXPECT_EQ(recv_batch(*channel, out), Status::kOk);
    EXPECT_EQ(pop_value(out), 5u);
    EXPECT_EQ(recv_batch(*channel, out), Status::kWouldBlock);
    EXPECT_EQ(next_value(*channel), kGone);

    PlainChannel gone(kUnbounded);
    ASSERT_EQ(send_now(*gone, 5), Status::kOk);
    gone->close_now();
    EXPECT_EQ(recv_batch(*gone, out), Status::kWouldBlock);
}

TEST(Batch, PassesOverWhatWasRemoved) {
    PlainChannel channel(kUnbounded);
    for (std::uint64_t i = 0; i < 6; ++i) {
        Message message(i, 7, 1);
        if (i % 2) message.parcel.unbound_op = 0;
        ASSERT_EQ(send_now(*channel, message.parcel, 7), Status::kOk);
    }
    channel->clear_sender(7, 1);
    std::uint64_t expected = 1;
    for (int i = 0; i < 3; ++i) {
        Batch batch;
        ASSERT_EQ(recv_batch(*channel, batch, 1), Status::kOk);
        EXPECT_EQ(pop_value(batch), expected);
        expected += 2;
    }
    EXPECT_EQ(channel->count(), 0u);
}

// Batches and single items from several threads: each once, each sender's in order, nobody left waiting.
TEST(BatchStress, EveryItemOnceInItsSendersOrder) {
    constexpr int kSenders = 3;
    constexpr int kReceivers = 2;
    const auto items = static_cast<std::uint64_t>(rounds(60000));
    for (const std::int64_t capacity : {kUnbounded, std::int64_t{5}, std::int64_t{300}}) {
        PlainChannel channel(capacity);
        std::vector<std::thread> threads;
        std::atomic<int> sending{kSenders};
        for (int t = 0; t < kSenders; ++t) {
            threads.emplace_back([&, t] {
                std::mt19937 random(static_cast<unsigned>(t) + 1);
                std::uint64_t next = 0;
                const auto name = static_cast<std::uint64_t>(t) << 32;
                while (next != items) {
                    Batch batch;
                    for (std::uint64_t n = random() % 200; n != 0 && next + batch.count() != items; --n) {
                        if (!add_value(batch, name | (next + batch.count()))) break;
                    }
                    while (!batch.empty()) {
                        std::uint64_t sent = 0;
                        if (send_batch(*channel, batch, sent) == Status::kOk) {
                            next += sent;
                            continue;
                        }
                        Parcel parcel;  // full: the next one waits
                        batch.front(parcel);
                        Offer offer(*channel, parcel, 1, false);
                        ASSERT_EQ(offer.wait({}), Status::kOk);
                        batch.pop_front();
                        ++next;
                    }
                }
                if (sending.fetch_sub(1) == 1) channel->close_sends(false);
            });
        }
        std::atomic<std::uint64_t> received{0};
        for (int t = 0; t < kReceivers; ++t) {
            threads.emplace_back([&, t] {
                std::mt19937 random(static_cast<unsigned>(t) + 50);
                std::uint64_t last[kSenders] = {};
                const auto account = [&](std::uint64_t value) {
                    std::uint64_t& before = last[value >> 32];
                    const std::uint64_t number = (value & 0xFFFFFFFF) + 1;
                    ASSERT_GT(number, before);
                    before = number;
                    received.fetch_add(1);
                };
                for (;;) {
                    Batch batch;
                    if (random() % 4 != 0 &&
                        recv_batch(*channel, batch, 1 + random() % 300) == Status::kOk) {
                        while (!batch.empty()) account(pop_value(batch));
                        continue;
                    }
                    Parcel out;
                    Scratch scratch;
                    const Status status = channel->recv(out, scratch, {});
                    if (status == Status::kClosed) return;
                    ASSERT_EQ(status, Status::kOk);
                    account(value_of(out));
                }
            });
        }
        for (std::thread& thread : threads) thread.join();
        EXPECT_EQ(received.load(), items * kSenders);
        EXPECT_EQ(channel->stats().received, items * kSenders);
        expect_nobody_waits(*channel);
    }
}

}  // namespace
}  // namespace interpchannels
