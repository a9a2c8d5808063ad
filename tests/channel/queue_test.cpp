// The queue by itself, single-threaded: every form of record comes out as it went in, segments grow, are
// reused and are given back, removed and unbound items keep the order of the rest, and what items own is
// released exactly once.
#include "channel/queue.hpp"

#include "engine_support.hpp"

namespace interpchannels {
namespace {

using testing::Attachments;
using testing::Message;
using testing::put_short;
using testing::rounds;
using testing::ShortBytes;
using testing::text_of;

constexpr std::uint8_t kRemove = 1;
constexpr std::uint8_t kReplace = 3;

std::string take_text(Queue& queue) {
    Parcel out;
    Scratch scratch;
    return queue.take(out, scratch) ? text_of(out) : "(nothing)";
}

void append_text(Queue& queue, const std::string& text) {
    Message message(text);
    ASSERT_TRUE(queue.append(message.parcel));
}

std::string filler(std::size_t n, char c) { return std::string(n, c); }

TEST(Queue, EmptyHasNothing) {
    Queue queue;
    EXPECT_EQ(take_text(queue), "(nothing)");
    EXPECT_FALSE(queue.has_next());
    EXPECT_EQ(queue.live(), 0u);
    EXPECT_EQ(queue.published(), 0u);
}

TEST(Queue, MemoryIsGivenBackWhereNothingIsQueued) {
    Queue queue;
    EXPECT_EQ(queue.detach_memory().head, nullptr);
    for (int round = 0; round < 5; ++round) {
        const std::size_t count = round % 2 ? 3 : 2000;  // few stay in small segments
        for (std::size_t i = 0; i < count; ++i) append_text(queue, std::to_string(i));
        for (std::size_t i = 0; i < count; ++i) {
            EXPECT_EQ(queue.detach_memory().head, nullptr) << "something is queued";
            EXPECT_FALSE(queue.oversized());
            ASSERT_EQ(take_text(queue), std::to_string(i));
        }
        EXPECT_EQ(queue.oversized(), count == 2000) << "2,000 have gone before the first round of few";
        const Queue::Contents memory = queue.detach_memory();
        EXPECT_NE(memory.head, nullptr);
        EXPECT_EQ(memory.records, 0u);
        EXPECT_EQ(queue.detach_memory().head, nullptr) << "all of it was detached";
        Queue::release(memory);
        EXPECT_EQ(queue.live(), 0u);
        EXPECT_EQ(queue.bytes_queued(), 0u);
        EXPECT_FALSE(queue.oversized());
        EXPECT_EQ(take_text(queue), "(nothing)");
    }
}

// A channel that had few items keeps nothing once they are gone; one that had many keeps a small segment.
TEST(Queue, TheFirstItemsLeaveNothingBehind) {
    Queue queue;
    for (int i = 0; i < 200; ++i) {
        append_text(queue, "x");
        EXPECT_FALSE(queue.oversized()) << "something is queued";
        ASSERT_EQ(take_text(queue), "x");
        EXPECT_EQ(queue.oversized(), i < 63) << i;
        if (queue.oversized()) Queue::release(queue.detach_memory());
        EXPECT_FALSE(queue.oversized());
    }
}

TEST(Queue, InlineSizesComeBackAsTheyWere) {
    Queue queue;
    // Around every power of two: record lengths, alignment, and the ends of segments.
    std::vector<std::size_t> sizes{0, 1, 7, 8, 9};
    for (std::size_t n = 16; n <= kInlineMax; n *= 2) {
        for (const std::size_t near : {n - 9, n - 8, n - 1, n, n + 1}) {
            if (near <= kInlineMax) sizes.push_back(near);
        }
    }
    for (const bool backlog : {false, true}) {
        for (std::size_t i = 0; i < sizes.size(); ++i) {
            append_text(queue, filler(sizes[i], static_cast<char>('a' + i % 26)));
            if (!backlog) {
                EXPECT_EQ(take_text(queue), filler(sizes[i], static_cast<char>('a' + i % 26)));
            }
        }
        if (backlog) {
            for (std::size_t i = 0; i < sizes.size(); ++i) {
                EXPECT_EQ(take_text(queue), filler(sizes[i], static_cast<char>('a' + i % 26)));
            }
        }
        EXPECT_EQ(queue.live(), 0u);
    }
}

TEST(Queue, AppendLeavesTheParcelWithoutWhatItOwned) {
    Attachments attachments;  // outlives what holds them
    Queue queue;
    Message message(filler(kInlineMax + 1, 'x'));
    message.parcel.attachments = attachments.chain(2);
    ASSERT_TRUE(queue.append(message.parcel));
    EXPECT_EQ(message.parcel.heap, nullptr);
    EXPECT_EQ(message.parcel.attachments, nullptr);
    message.parcel.reset();
    EXPECT_EQ(attachments.released(), 0u);
}

TEST(Queue, HeapPayloadIsMovedAndNotCopied) {
    Queue queue;
    Message message(filler(100'000, 'h'));
    const std::byte* const address = message.parcel.heap;
    ASSERT_TRUE(queue.append(message.parcel));
    Parcel out;
    Scratch scratch;
    ASSERT_TRUE(queue.take(out, scratch));
    EXPECT_EQ(out.heap, address);
    EXPECT_EQ(out.data, address);
    EXPECT_EQ(out.size, 100'000u);
    EXPECT_EQ(text_of(out), filler(100'000, 'h'));
}

TEST(Queue, SmallHeapPayloadsAreAllowed) {
    Queue queue;
    Message message(std::uint64_t{5});
    message.fill(true);
    ASSERT_TRUE(queue.append(message.parcel));
    Parcel out;
    Scratch scratch;
    ASSERT_TRUE(queue.take(out, scratch));
    EXPECT_NE(out.heap, nullptr);
    EXPECT_EQ(testing::value_of(out), 5u);
}

TEST(Queue, EveryCombinationOfPartsComesBack) {
    Attachments attachments;
    {
        Queue queue;
        for (int round = 0; round < 40; ++round) {
            for (int parts = 0; parts < 8; ++parts) {
                Message message("payload " + std::to_string(parts));
                if (parts & 1) message.fill(true);
                if (parts & 2) message.parcel.attachments = attachments.chain(3);
                if (parts & 4) message.parcel.unbound_op = kReplace, message.parcel.sender = 77 + parts;
                ASSERT_TRUE(queue.append(message.parcel));
            }
            for (int parts = 0; parts < 8; ++parts) {
                Parcel out;
                Scratch scratch;
                ASSERT_TRUE(queue.take(out, scratch));
                EXPECT_EQ(text_of(out), "payload " + std::to_string(parts));
                EXPECT_EQ(out.heap != nullptr, (parts & 1) != 0);
                EXPECT_EQ(out.unbound_op, (parts & 4) ? kReplace : 0);
                EXPECT_EQ(out.sender, (parts & 4) ? 77 + parts : -1);
                EXPECT_FALSE(out.unbound);
                int n = 0;
                for (Attachment* a = out.attachments; a; a = a->next) ++n;
                EXPECT_EQ(n, (parts & 2) ? 3 : 0);
            }
        }
    }
    EXPECT_EQ(attachments.released(), attachments.size());
    EXPECT_EQ(attachments.released_twice(), 0u);
}

TEST(Queue, AttachmentsKeepTheirOrder) {
    Attachments attachments;  // outlives what holds them
    Queue queue;
    Message message("x");
    Attachment* const chain = attachments.chain(4);
    std::vector<Attachment*> order;
    for (Attachment* a = chain; a; a = a->next) order.push_back(a);
    message.parcel.attachments = chain;
    ASSERT_TRUE(queue.append(message.parcel));
    Parcel out;
    Scratch scratch;
    ASSERT_TRUE(queue.take(out, scratch));
    std::size_t i = 0;
    for (Attachment* a = out.attachments; a; a = a->next) EXPECT_EQ(a, order[i++]);
    EXPECT_EQ(i, order.size());
}

TEST(Queue, CountsLiveItemsAndBytes) {
    Queue queue;
    append_text(queue, filler(10, 'a'));
    append_text(queue, filler(20'000, 'b'));
    EXPECT_EQ(queue.live(), 2u);
    EXPECT_EQ(queue.published(), 2u);
    EXPECT_EQ(queue.bytes_in(), 20'010u);
    EXPECT_EQ(queue.bytes_out(), 0u);
    take_text(queue);
    EXPECT_EQ(queue.live(), 1u);
    EXPECT_EQ(queue.bytes_out(), 10u);
    take_text(queue);
    EXPECT_EQ(queue.live(), 0u);
    EXPECT_EQ(queue.bytes_out(), 20'010u);
    EXPECT_EQ(queue.published(), 2u);
}

TEST(Queue, ABacklogGrowsSegmentsAndDrainsInOrder) {
    Queue queue;
    for (int wave = 0; wave < 3; ++wave) {
        for (int i = 0; i < 20'000; ++i) append_text(queue, std::to_string(i));
        EXPECT_EQ(queue.live(), 20'000u);
        for (int i = 0; i < 20'000; ++i) ASSERT_EQ(take_text(queue), std::to_string(i));
    }
    EXPECT_EQ(take_text(queue), "(nothing)");
}

TEST(Queue, SegmentsAreReusedWhileOneItemIsAlwaysInside) {
    Queue queue;  // never empty, so the consumer follows the producer over every boundary
    append_text(queue, "0");
    for (int i = 1; i < 50'000; ++i) {
        append_text(queue, std::to_string(i));
        ASSERT_EQ(take_text(queue), std::to_string(i - 1));
        ASSERT_EQ(queue.live(), 1u);
    }
}

TEST(Queue, RemovedItemsArePassedOverAndUnboundOnesArrive) {
    Attachments attachments;
    {
        Queue queue;
        const auto put = [&](std::uint64_t value, std::int64_t sender, std::uint8_t op) {
            Message message(value, sender, op);
            message.parcel.attachments = attachments.chain(1);
            ASSERT_TRUE(queue.append(message.parcel));
        };
        put(0, 5, kRemove);   // goes
        put(1, 5, kReplace);  // stays, without its value
        put(2, 6, kRemove);   // another's
        put(3, 5, 0);         // kept whatever happens
        put(4, 5, kRemove);   // goes: at the very tail
        EXPECT_EQ(queue.skip_to_next(), 0u);
        Attachment* dropped = nullptr;
        EXPECT_EQ(queue.clear_sender(5, kRemove, dropped), 2u);
        EXPECT_EQ(attachments.released(), 0u) << "released under the locks";
        release_chain(dropped);
        EXPECT_EQ(attachments.released(), 3u);
        EXPECT_EQ(queue.live(), 3u);
        EXPECT_EQ(queue.skip_to_next(), 1u) << "positions count removed records too";
        dropped = nullptr;
        EXPECT_EQ(queue.clear_sender(5, kRemove, dropped), 0u) << "a second time finds nothing";
        EXPECT_EQ(dropped, nullptr);

        Parcel out;
        Scratch scratch;
        ASSERT_TRUE(queue.take(out, scratch));
        EXPECT_TRUE(out.unbound);
        EXPECT_EQ(out.unbound_op, kReplace);
        EXPECT_EQ(out.size, 0u);
        EXPECT_EQ(out.attachments, nullptr);
        for (const std::uint64_t want : {2u, 3u}) {
            Parcel next;
            ASSERT_TRUE(queue.take(next, scratch));
            EXPECT_FALSE(next.unbound);
            EXPECT_EQ(testing::value_of(next), want);
        }
        EXPECT_FALSE(queue.has_next());
        EXPECT_EQ(queue.live(), 0u);
        put(9, 5, kRemove);  // after a removed tail the queue goes on
        EXPECT_EQ(queue.live(), 1u);
        Parcel last;
        ASSERT_TRUE(queue.take(last, scratch));
        EXPECT_EQ(testing::value_of(last), 9u);
    }
    EXPECT_EQ(attachments.released(), attachments.size());
    EXPECT_EQ(attachments.released_twice(), 0u);
}

TEST(Queue, DetachedContentsReleaseEverythingOnce) {
    for (const int taken_first : {0, 1, 25, 100}) {
        Attachments attachments;
        Queue queue;
        for (int i = 0; i < 100; ++i) {
            Message message(filler(i % 3 ? 300 : kInlineMax + 1, 'q'));
            message.parcel.attachments = attachments.chain(i % 4);
            message.parcel.sender = i % 5;
            message.parcel.unbound_op = i % 2 ? kRemove : kReplace;
            ASSERT_TRUE(queue.append(message.parcel));
        }
        for (int i = 0; i < taken_first; ++i) take_text(queue);
        Attachment* dropped = nullptr;
        queue.clear_sender(2, kRemove, dropped);
        release_chain(dropped);
        const Queue::Contents contents = queue.detach_all();
        EXPECT_EQ(queue.live(), 0u);
        EXPECT_EQ(queue.bytes_in(), queue.bytes_out());
        EXPECT_EQ(take_text(queue), "(nothing)");
        Queue::release(contents);
        EXPECT_EQ(attachments.released(), attachments.size());
        EXPECT_EQ(attachments.released_twice(), 0u);
        Queue::release(queue.detach_all());  // nothing any more
        EXPECT_EQ(attachments.released_twice(), 0u);
        append_text(queue, "again");  // an emptied queue is a queue
        EXPECT_EQ(queue.live(), 1u);
        EXPECT_EQ(take_text(queue), "again");
    }
}

TEST(Queue, DestructionReleasesWhatIsLeft) {
    Attachments attachments;
    {
        Queue queue;
        for (int i = 0; i < 2'000; ++i) {
            Message message(std::to_string(i));
            message.parcel.attachments = attachments.chain(1);
            ASSERT_TRUE(queue.append(message.parcel));
        }
        for (int i = 0; i < 700; ++i) take_text(queue);
        EXPECT_EQ(attachments.released(), 700u);
    }
    EXPECT_EQ(attachments.released(), 2'000u);
    EXPECT_EQ(attachments.released_twice(), 0u);
}

// A value that holds a value that holds a value...: letting go of the outermost costs no stack.
class Nested final : public Attachment {
public:
    explicit Nested(std::atomic<int>& alive) : alive_(alive) { alive_.fetch_add(1); }
    void release() noexcept override {
        alive_.fetch_sub(1);
        delete this;  // and the parcel inside with it
    }
    Parcel inner;

private:
    std::atomic<int>& alive_;
};

TEST(Parcel, ReleasesAreNotNested) {
    std::atomic<int> alive{0};
    Parcel parcel;
    for (int i = 0; i < 300'000; ++i) {
        auto* const outer = new Nested(alive);
        outer->inner = std::move(parcel);
        auto* const beside = new Nested(alive);
        outer->next = beside;
        parcel.attachments = outer;
    }
    EXPECT_EQ(alive.load(), 600'000);
    parcel.reset();
    EXPECT_EQ(alive.load(), 0);
}

// What the queue should hold, the plain way.
struct Expected {
    std::string text;
    std::int64_t sender;
    std::uint8_t op;
    int attachments;
    bool unbound;
};

TEST(Queue, RandomOperationsMatchADeque) {
    for (int seed = 0; seed < rounds(120); ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937 random(static_cast<unsigned>(seed));
        const auto below = [&](unsigned n) { return random() % n; };
        Attachments attachments;
        {
            Queue queue;
            std::deque<Expected> model;
            std::uint64_t published = 0;
            const unsigned appends = 1 + below(8);  // this seed's weight of appends against takes
            for (int step = 0; step < 1'500; ++step) {
                const unsigned what = below(100);
                if (what < 2) {
                    const auto interp = static_cast<std::int64_t>(below(4));
                    std::uint64_t removed = 0;
                    for (Expected& e : model) {
                        if (e.op == 0 || e.unbound || e.sender != interp) continue;
                        e.unbound = true;
                        e.text.clear();
                        e.attachments = 0;
                    }
                    std::erase_if(model, [&](const Expected& e) {
                        const bool goes = e.unbound && e.op == kRemove;
                        removed += goes;
                        return goes;
                    });
                    Attachment* dropped = nullptr;
                    ASSERT_EQ(queue.clear_sender(interp, kRemove, dropped), removed);
                    release_chain(dropped);
                } else if (what == 2 && below(20) == 0) {
                    Queue::release(queue.detach_all());
                    model.clear();
                } else if (below(9) < appends) {
                    const unsigned size = below(50) == 0 ? below(20'000) : below(200);
                    Expected e{filler(size, static_cast<char>('a' + below(26))),
                               static_cast<std::int64_t>(below(4)), static_cast<std::uint8_t>(below(4)),
                               static_cast<int>(below(3)), false};
                    Message message(e.text);
                    message.parcel.sender = e.sender;
                    message.parcel.unbound_op = e.op;
                    message.parcel.attachments = attachments.chain(e.attachments);
                    if (ShortBytes::fit(message.parcel) && below(2) == 0) {
                        const ShortBytes copy(message.parcel);
                        ASSERT_TRUE(queue.append_short(copy.bytes, size, e.op, e.sender));
                    } else {
                        ASSERT_TRUE(queue.append(message.parcel));
                    }
                    model.push_back(std::move(e));
                    ++published;
                } else {
                    Parcel out;
                    Scratch scratch;
                    ShortItem item;
                    if (below(2) == 0 && queue.take_short(item)) {
                        put_short(item, out, scratch);
                        ASSERT_FALSE(model.empty());
                        out.unbound_op = model.front().op;  // which it does not say
                    } else {
                        ASSERT_EQ(queue.take(out, scratch), !model.empty());
                    }
                    if (model.empty()) continue;
                    const Expected& e = model.front();
                    ASSERT_EQ(text_of(out), e.text);
                    ASSERT_EQ(out.unbound, e.unbound);
                    ASSERT_EQ(out.unbound_op, e.op);
                    int n = 0;
                    for (Attachment* a = out.attachments; a; a = a->next) ++n;
                    ASSERT_EQ(n, e.attachments);
                    model.pop_front();
                }
                ASSERT_EQ(queue.live(), model.size());
                ASSERT_EQ(queue.published(), published);
                std::uint64_t bytes = 0;
                if (step % 50 == 0) {
                    for (const Expected& e : model) bytes += e.text.size();
                    ASSERT_EQ(queue.bytes_in() - queue.bytes_out(), bytes);
                }
            }
        }
        EXPECT_EQ(attachments.released(), attachments.size());
        EXPECT_EQ(attachments.released_twice(), 0u);
    }
}

// One producer and one consumer at once, each with its own lock: no lock is shared but where segments pass.
TEST(Queue, ProducerAndConsumerRunAtOnce) {
    const int n = rounds(300'000);
    Queue queue;
    std::thread producer([&] {
        std::mt19937 random(1);
        for (int i = 0; i < n; ++i) {
            std::string text = std::to_string(i);
            text.resize(text.size() + random() % (i % 1000 == 0 ? 5'000 : 40), '.');
            Message message(std::move(text));
            if (ShortBytes::fit(message.parcel) && random() % 2) {
                const ShortBytes copy(message.parcel);
                SpinGuard guard(queue.send_lock);
                queue.append_short(copy.bytes, static_cast<std::uint32_t>(message.parcel.size), 0, -1);
            } else {
                SpinGuard guard(queue.send_lock);
                queue.append(message.parcel);
            }
        }
    });
    int wrong = 0;
    for (int i = 0; i < n;) {
        Parcel out;
        Scratch scratch;
        bool took = false;
        {
            ShortItem item;
            SpinGuard guard(queue.recv_lock);
            took = i % 2 && queue.take_short(item);
            if (took) {
                put_short(item, out, scratch);
            } else {
                took = queue.take(out, scratch);
            }
        }
        if (!took) {
            std::this_thread::yield();
            continue;
        }
        wrong += std::atoi(text_of(out).c_str()) != i;
        ++i;
    }
    producer.join();
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(queue.live(), 0u);
}

}  // namespace
}  // namespace interpchannels
