// The memory of large parcels: the block that was freed last serves again, if it fits.
#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

#include "channel/parcel.hpp"

namespace interpchannels {
namespace {

constexpr std::size_t kKilo = 1024;

// Asks for a block that no other test leaves behind, so that none is kept.
void forget() {
    std::size_t size = 4096 * kKilo;
    std::byte* const block = new_heap(size);
    std::free(block);
}

TEST(ParcelMemory, TheLastBlockServesAgain) {
    forget();
    std::size_t size = 300 * kKilo;
    std::byte* const first = new_heap(size);
    ASSERT_TRUE(first);
    EXPECT_GE(size, 300 * kKilo);
    free_heap(first, size);
    std::size_t less = 200 * kKilo;
    std::byte* const second = new_heap(less);
    EXPECT_EQ(second, first);
    EXPECT_EQ(less, size);
    std::memset(second, 1, less);
    std::size_t other = 200 * kKilo;
    std::byte* const third = new_heap(other);
    EXPECT_NE(third, second);
    free_heap(third, other);
    free_heap(second, less);
    forget();
}

TEST(ParcelMemory, ABlockThatDoesNotFitIsFreed) {
    forget();
    for (const std::size_t wanted : {400 * kKilo, 70 * kKilo}) {  // larger than it is; a small part of it
        std::size_t size = 300 * kKilo;
        free_heap(new_heap(size), size);
        std::size_t has = wanted;
        std::byte* const block = new_heap(has);
        ASSERT_TRUE(block);
        EXPECT_EQ(has, wanted);
        std::memset(block, 1, has);
        std::free(block);
    }
}

TEST(ParcelMemory, AParcelGivesItsBlockBack) {
    forget();
    std::size_t size = 100 * kKilo;
    std::byte* const block = new_heap(size);
    {
        Parcel parcel;
        parcel.data = parcel.heap = block;
        parcel.size = 90 * kKilo;  // it may have grown for more
    }
    std::size_t again = 80 * kKilo;
    EXPECT_EQ(new_heap(again), block);
    EXPECT_EQ(again, 90 * kKilo);
    std::free(block);
}

TEST(ParcelMemory, ThreadsNeverShareABlock) {
    std::vector<std::thread> threads;
    for (int mark = 1; mark <= 4; ++mark) {
        threads.emplace_back([mark] {
            for (int round = 0; round < 2000; ++round) {
                std::size_t size = 64 * kKilo;
                std::byte* const block = new_heap(size);
                for (std::size_t at = 0; at < size; at += 512) block[at] = static_cast<std::byte>(mark);
                for (std::size_t at = 0; at < size; at += 512) {
                    ASSERT_EQ(block[at], static_cast<std::byte>(mark));
                }
                free_heap(block, size);
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    forget();
}

}  // namespace
}  // namespace interpchannels
