// The blocks that channels lie in: on lines of their own, nobody's twice, and given back.
#include "channel/slabs.hpp"

#include <algorithm>
#include <cstring>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "channel/counted_ends.hpp"
#include "engine_support.hpp"

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace interpchannels {
namespace {

using testing::rounds;

constexpr std::size_t kSize = 320;

bool is_filled_with(const Slabs::Block& block, unsigned char what) {
    const auto* const bytes = static_cast<const unsigned char*>(block.memory);
    return std::all_of(bytes, bytes + kSize, [&](unsigned char c) { return c == what; });
}

TEST(Slabs, EachBlockIsOnLinesOfItsOwn) {
    Slabs slabs(kSize);
    std::vector<Slabs::Block> blocks(1'000);
    std::set<std::uintptr_t> starts;
    for (Slabs::Block& block : blocks) {
        block = slabs.take();
        ASSERT_NE(block.memory, nullptr);
        const auto start = reinterpret_cast<std::uintptr_t>(block.memory);
        EXPECT_EQ(start % Slabs::kAlignment, 0u);
        std::memset(block.memory, 0xab, kSize);  // the sanitizers', and the heap's, to find fault with
        starts.insert(start);
    }
    EXPECT_EQ(starts.size(), blocks.size());
    for (auto next = starts.begin(), at = next++; next != starts.end(); at = next++) {
        EXPECT_GE(*next - *at, kSize);
    }
    for (const Slabs::Block& block : blocks) slabs.give_back(block);
}

TEST(Slabs, WhatIsGivenBackIsTakenAgain) {
    Slabs slabs(kSize);
    const Slabs::Block keep = slabs.take();
    const Slabs::Block first = slabs.take();
    if (!first.slab) GTEST_SKIP() << "under a sanitizer each block is made and freed by itself";
    slabs.give_back(first);
    const Slabs::Block second = slabs.take();
    EXPECT_EQ(second.memory, first.memory);
    slabs.give_back(second);
    slabs.give_back(keep);
    // The last slab stays, for the next one.
    const Slabs::Block again = slabs.take();
    EXPECT_EQ(again.slab, first.slab);
    slabs.give_back(again);
}

#ifdef __GLIBC__
TEST(Slabs, AllButOneSlabGoBackInWhateverOrder) {
    std::mt19937 random(1);
    Slabs slabs(kSize);  // what it keeps at its end is lost, one slab
    const Slabs::Block first = slabs.take();
    const bool single = !first.slab;
    slabs.give_back(first);
    if (single) GTEST_SKIP() << "under a sanitizer each block is made and freed by itself";
    for (int round = 0; round < rounds(20); ++round) {
        std::vector<Slabs::Block> blocks(5'000);
        const std::size_t before = mallinfo2().uordblks;
        for (Slabs::Block& block : blocks) block = slabs.take();
        const std::size_t slab = 16 * 1024;
        EXPECT_GT(mallinfo2().uordblks - before, blocks.size() * kSize - 2 * slab);
        EXPECT_LT(mallinfo2().uordblks - before, blocks.size() * kSize * 103 / 100);
        std::shuffle(blocks.begin(), blocks.end(), random);
        for (const Slabs::Block& block : blocks) slabs.give_back(block);
        EXPECT_EQ(mallinfo2().uordblks, before) << "round " << round;
    }
}
#endif

TEST(Slabs, ThreadsTakeAndGiveBackEachOthers) {
    Slabs slabs(kSize);
    std::atomic<Slabs::Block*> passing[16] = {};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            std::mt19937 random(static_cast<unsigned>(t) + 1);
            for (int i = 0; i < rounds(50'000); ++i) {
                Slabs::Block* mine = nullptr;
                if (random() % 2) {
                    mine = new Slabs::Block(slabs.take());
                    std::memset(mine->memory, static_cast<int>(random() % 256), kSize);
                }
                Slabs::Block* const other = passing[random() % 16].exchange(mine);
                if (!other) continue;
                // One value throughout: nobody else has the block too.
                EXPECT_TRUE(is_filled_with(*other, *static_cast<unsigned char*>(other->memory)));
                slabs.give_back(*other);
                delete other;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    for (auto& left : passing) {
        if (Slabs::Block* const block = left.load()) {
            slabs.give_back(*block);
            delete block;
        }
    }
}

TEST(Slabs, AChannelLiesInOne) {
    const auto channel = CountedChannel::create(kUnbounded, 0, true);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(channel.get()) % Slabs::kAlignment, 0u);
}

}  // namespace
}  // namespace interpchannels
