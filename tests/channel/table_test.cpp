// The table of channels: ids, growth, removal from the middle of a chain of probes, listing, and looking
// up a channel whose last reference is just going.
#include "channel/table.hpp"

#include <map>
#include <set>

#include "channel/counted_ends.hpp"
#include "channel/tables.hpp"
#include "engine_support.hpp"

namespace interpchannels {
namespace {

using testing::Meeting;
using testing::rounds;

// What the table needs of a channel, and nothing else.
class Entry {
public:
    void ref() noexcept { refs_.fetch_add(1); }
    bool try_ref() noexcept {
        int refs = refs_.load();
        while (refs != 0) {
            if (refs_.compare_exchange_weak(refs, refs + 1)) return true;
        }
        return false;
    }
    void unref() noexcept { refs_.fetch_sub(1); }
    int refs() const { return refs_.load(); }
    std::int64_t id() const noexcept { return id_; }
    void set_id(std::int64_t id) noexcept { id_ = id; }
    void abandon_in_child() noexcept {}

private:
    std::int64_t id_ = -1;
    std::atomic<int> refs_{1};
};

using EntryTable = Table<Entry>;

// Tables live as long as the process, as the real ones do.
EntryTable& new_table() {
    // Never destroyed, and still reachable for a leak checker.
    static auto& all = *new std::deque<EntryTable>;
    return all.emplace_back();
}

std::set<std::int64_t> listed(EntryTable& table) {
    std::ptrdiff_t count = 0;
    Ref<Entry>* const list = table.list(count);
    std::set<std::int64_t> ids;
    for (std::ptrdiff_t i = 0; i < count; ++i) ids.insert(list[i]->id());
    EXPECT_EQ(static_cast<std::ptrdiff_t>(ids.size()), count);
    EntryTable::free_list(list, count);
    return ids;
}

TEST(Table, EmptyFindsAndListsNothing) {
    EntryTable& table = new_table();
    EXPECT_FALSE(table.find(0));
    EXPECT_FALSE(table.find(-1));
    EXPECT_FALSE(table.find(std::int64_t{1} << 62));
    EXPECT_EQ(table.size(), 0u);
    std::ptrdiff_t count = 7;
    EXPECT_EQ(table.list(count), nullptr);
    EXPECT_EQ(count, 0);
    Entry stranger;
    EXPECT_FALSE(table.remove(stranger));
}

// The way that for_each() goes where there is no memory for a list.
TEST(Table, FromOneToTheNext) {
    EntryTable& table = new_table();
    EXPECT_FALSE(table.first_above(-1));
    std::deque<Entry> entries(100);
    for (Entry& entry : entries) ASSERT_TRUE(table.add(entry));
    for (std::size_t i = 0; i < entries.size(); i += 3) ASSERT_TRUE(table.remove(entries[i]));
    std::set<std::int64_t> walked;
    for (Ref<Entry> next = table.first_above(-1); next; next = table.first_above(next->id())) {
        EXPECT_TRUE(walked.empty() || *walked.rbegin() < next->id());
        walked.insert(next->id());
    }
    EXPECT_EQ(walked, listed(table));
    std::set<std::int64_t> visited;
    table.for_each([&](Entry& entry) { visited.insert(entry.id()); });
    EXPECT_EQ(visited, walked);
    for (Entry& entry : entries) {
        EXPECT_EQ(entry.refs(), 1);
        table.remove(entry);
    }
}

TEST(Table, IdsCountUpAndAreNeverReused) {
    EntryTable& table = new_table();
    for (int i = 0; i < 300; ++i) {
        Entry entry;
        ASSERT_TRUE(table.add(entry));
        EXPECT_EQ(entry.id(), i);
        EXPECT_TRUE(table.remove(entry));
        EXPECT_FALSE(table.remove(entry));
        EXPECT_FALSE(table.find(i));
    }
}

TEST(Table, FindCountsAReference) {
    EntryTable& table = new_table();
    Entry entry;
    ASSERT_TRUE(table.add(entry));
    {
        const Ref<Entry> found = table.find(0);
        EXPECT_EQ(found.get(), &entry);
        EXPECT_EQ(entry.refs(), 2);
        Ref<Entry> tried;
        EXPECT_TRUE(table.try_find(0, tried));
        EXPECT_EQ(tried.get(), &entry);
        EXPECT_TRUE(table.try_find(1, tried));
        EXPECT_FALSE(tried);
    }
    EXPECT_EQ(entry.refs(), 1);
}

TEST(Table, ADyingChannelIsNotFoundAndNotListed) {
    EntryTable& table = new_table();
    Entry dying;
    Entry well;
    ASSERT_TRUE(table.add(dying));
    ASSERT_TRUE(table.add(well));
    dying.unref();
    EXPECT_FALSE(table.find(0));
    EXPECT_EQ(listed(table), (std::set<std::int64_t>{1}));
    EXPECT_EQ(table.size(), 2u) << "it removes itself";
    EXPECT_TRUE(table.remove(dying));
    EXPECT_EQ(table.find(1).get(), &well);
}

TEST(Table, GrowsAndKeepsEveryone) {
    EntryTable& table = new_table();
    std::deque<Entry> entries(5'000);
    for (Entry& entry : entries) ASSERT_TRUE(table.add(entry));
    for (Entry& entry : entries) ASSERT_EQ(table.find(entry.id()).get(), &entry);
    EXPECT_EQ(table.size(), entries.size());
    EXPECT_EQ(listed(table).size(), entries.size());
    EXPECT_FALSE(table.find(5'000));
}

TEST(Table, RandomOperationsMatchAMap) {
    for (int seed = 0; seed < rounds(40); ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937 random(static_cast<unsigned>(seed));
        EntryTable& table = new_table();
        std::map<std::int64_t, std::unique_ptr<Entry>> model;
        // Ids that have gone leave holes, so that homes collide once the ids have wrapped round the table.
        for (int step = 0; step < 2'000; ++step) {
            if (model.size() < 40 + random() % 20) {
                auto entry = std::make_unique<Entry>();
                ASSERT_TRUE(table.add(*entry));
                const std::int64_t id = entry->id();
                model.emplace(id, std::move(entry));
            } else {
                auto victim = model.begin();
                std::advance(victim, static_cast<long>(random() % model.size()));
                ASSERT_TRUE(table.remove(*victim->second));
                model.erase(victim);
            }
            ASSERT_EQ(table.size(), model.size());
            if (step % 20 == 0) {
                for (const auto& [id, entry] : model) ASSERT_EQ(table.find(id).get(), entry.get());
                ASSERT_EQ(listed(table).size(), model.size());
            }
            const auto asked = static_cast<std::int64_t>(random() % 2'100);
            ASSERT_EQ(static_cast<bool>(table.find(asked)), model.count(asked) == 1);
        }
    }
}

TEST(Table, TheTwoFacesHaveTablesOfTheirOwn) {
    const std::size_t before = package_table().size();
    const auto channel = CountedChannel::create(kUnbounded, 0, true);
    ASSERT_TRUE(channel);
    EXPECT_EQ(package_table().size(), before + 1);
    const Ref<CountedChannel> found = package_table().find(channel->id());
    EXPECT_EQ(found.get(), channel.get());
}

// Channels come and go in several threads while others look them up and list them. More at once than a
// listing makes room for at first, so that it has to start over too.
TEST(Table, ConcurrentAddFindListRemove) {
    const int n = rounds(60);
    const std::size_t before = package_table().size();
    std::atomic<bool> stop{false};
    std::atomic<std::int64_t> latest{0};
    std::atomic<long> wrong{0};
    std::vector<std::thread> makers;
    for (int t = 0; t < 3; ++t) {
        makers.emplace_back([&] {
            for (int i = 0; i < n; ++i) {
                std::vector<Ref<CountedChannel>> some;
                for (int k = 0; k < 100; ++k) {
                    some.push_back(CountedChannel::create(kUnbounded, 0, true));
                    latest.store(some.back()->id());
                    const auto found = package_table().find(some.back()->id());
                    if (found.get() != some.back().get()) wrong.fetch_add(1);
                }
            }
        });
    }
    std::vector<std::thread> readers;
    for (int t = 0; t < 2; ++t) {
        readers.emplace_back([&, t] {
            std::mt19937 random(static_cast<unsigned>(t));
            while (!stop.load()) {
                const std::int64_t id = latest.load() - static_cast<std::int64_t>(random() % 300);
                if (const auto found = package_table().find(id)) {
                    if (found->id() != id) wrong.fetch_add(1);
                }
                std::ptrdiff_t count = 0;
                Ref<CountedChannel>* const list = package_table().list(count);
                for (std::ptrdiff_t i = 0; i < count; ++i) {
                    if (list[i]->state() != State::kOpen) wrong.fetch_add(1);
                }
                Table<CountedChannel>::free_list(list, count);
            }
        });
    }
    for (std::thread& t : makers) t.join();
    stop.store(true);
    for (std::thread& t : readers) t.join();
    EXPECT_EQ(wrong.load(), 0);
    EXPECT_EQ(package_table().size(), before);
}

// The last reference goes just as somebody looks the channel up: it is found whole, or not at all.
TEST(Table, FindRacesTheLastReference) {
    const int n = rounds(4'000);
    Meeting meeting(2);
    std::atomic<std::int64_t> id{-1};
    std::atomic<long> wrong{0};
    std::thread finder([&] {
        for (int i = 0; i < n; ++i) {
            meeting.arrive();
            const std::int64_t wanted = id.load();
            if (const auto found = package_table().find(wanted)) {
                if (found->id() != wanted || found->count() != 1) wrong.fetch_add(1);
            }
            meeting.arrive();
        }
    });
    for (int i = 0; i < n; ++i) {
        auto channel = CountedChannel::create(kUnbounded, 0, true);
        testing::send_now(*channel, 1);
        id.store(channel->id());
        meeting.arrive();
        channel = {};
        meeting.arrive();
    }
    finder.join();
    EXPECT_EQ(wrong.load(), 0);
}

}  // namespace
}  // namespace interpchannels
