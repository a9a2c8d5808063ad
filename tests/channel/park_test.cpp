// Parking, in whichever back end this executable was built with: nobody sleeps on a word that has changed,
// a deadline ends a sleep, and a wake-up needs the address alone.
#include "channel/park.hpp"

#include <sys/mman.h>

#include "engine_support.hpp"

namespace interpchannels {
namespace {

using testing::rounds;
using testing::spin_until;

TEST(Park, AChangedWordIsNotSleptOn) {
    std::atomic<std::uint32_t> word{2};
    EXPECT_EQ(park(word, 1, kNever), Parked::kWoken);
}

TEST(Park, APassedDeadlineTimesOut) {
    std::atomic<std::uint32_t> word{1};
    EXPECT_EQ(park(word, 1, now() - 1), Parked::kTimeout);
    EXPECT_EQ(park(word, 1, 0), Parked::kTimeout);
    EXPECT_EQ(park(word, 1, -5), Parked::kTimeout);
}

TEST(Park, ADeadlineEndsASleepAndNotBefore) {
    std::atomic<std::uint32_t> word{1};
    for (int i = 0; i < rounds(50); ++i) {
        const Nanos deadline = now() + 100'000;
        Parked parked = Parked::kWoken;
        while (parked == Parked::kWoken) parked = park(word, 1, deadline);  // a sleep may end for no reason
        EXPECT_EQ(parked, Parked::kTimeout);
        EXPECT_GE(now(), deadline);
    }
}

TEST(Park, AFarDeadlineIsNoOverflow) {
    std::atomic<std::uint32_t> word{1};
    std::thread sleeper([&] {
        while (word.load() == 1) park(word, 1, kNever - 1);
    });
    word.store(2);
    unpark(&word);
    sleeper.join();
}

TEST(Park, ChangeThenUnparkIsNeverMissed) {
    for (int i = 0; i < rounds(2'000); ++i) {
        std::atomic<std::uint32_t> word{1};
        std::thread sleeper([&] {
            while (word.load() == 1) park(word, 1, kNever);
        });
        word.store(2);
        unpark(&word);
        sleeper.join();
    }
}

TEST(Park, TwoThreadsHandAWordBackAndForth) {
    std::atomic<std::uint32_t> word{0};
    const std::uint32_t last = static_cast<std::uint32_t>(rounds(5'000)) * 2;
    const auto player = [&](std::uint32_t mine) {
        for (;;) {
            std::uint32_t seen = word.load();
            while (seen < last && seen % 2 != mine) {
                park(word, seen, kNever);
                seen = word.load();
            }
            if (seen >= last) return;
            word.store(seen + 1);
            unpark(&word);
        }
    };
    std::thread even(player, 0);
    std::thread odd(player, 1);
    even.join();
    odd.join();
    EXPECT_EQ(word.load(), last);
}

TEST(Park, UnparkWakesEveryoneOnTheAddress) {
    std::atomic<std::uint32_t> word{1};
    std::vector<std::thread> sleepers;
    for (int i = 0; i < 8; ++i) {
        sleepers.emplace_back([&] {
            while (word.load() == 1) park(word, 1, kNever);
        });
    }
    word.store(2);
    unpark(&word);
    for (std::thread& t : sleepers) t.join();
}

TEST(Park, UnparkNeverTouchesTheWord) {
    // The page is gone (or unreadable) by the time of the wake-up, as a stack frame may be.
    void* const page = mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(page, MAP_FAILED);
    unpark(page);
    munmap(page, 4096);
    unpark(page);
    unpark(nullptr);
}

TEST(Park, SleepersOnManyAddressesDontDisturbEachOther) {
    // More than the portable back end has buckets, so that some share one.
    constexpr int kSleepers = 80;
    std::vector<std::atomic<std::uint32_t>> words(kSleepers);
    std::vector<std::thread> sleepers;
    std::atomic<int> left{0};
    for (auto& word : words) {
        word.store(1);
        sleepers.emplace_back([&] {
            while (word.load() == 1) park(word, 1, kNever);
            left.fetch_add(1);
        });
    }
    for (int i = 0; i < kSleepers; ++i) {
        words[static_cast<std::size_t>(i)].store(2);
        unpark(&words[static_cast<std::size_t>(i)]);
        spin_until([&] { return left.load() == i + 1; });
    }
    for (std::thread& t : sleepers) t.join();
}

}  // namespace
}  // namespace interpchannels
