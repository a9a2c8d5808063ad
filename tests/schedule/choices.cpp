#include "schedule/choices.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace schedule::choices {
namespace {

struct Choice {
    std::uint8_t chosen;
    std::uint8_t count;
};

constexpr int kMost = 20'000;
constexpr std::size_t kMostSeen = 1 << 22;

Choice choices[kMost];
int known = 0;  // from the last play
int made = 0;

std::uint64_t seen[kMostSeen];  // open addressing; 0: free
std::size_t seen_count = 0;

}  // namespace

void forget() noexcept { known = 0; }

void begin() noexcept { made = 0; }

int pick(int options) noexcept {
    if (options == 1) return 0;
    if (made == kMost) return -1;
    Choice& choice = choices[made];
    if (made == known) {
        choice = {0, static_cast<std::uint8_t>(options)};
        ++known;
    } else if (choice.count != options) {
        std::fprintf(stderr, "schedule: a play is not determined by its choices\n");
        std::abort();
    }
    ++made;
    return choice.chosen;
}

bool next() noexcept {
    while (known != 0) {
        Choice& last = choices[known - 1];
        if (++last.chosen < last.count) return true;
        --known;
    }
    return false;
}

void forget_seen() noexcept {
    std::memset(seen, 0, sizeof seen);
    seen_count = 0;
}

bool is_new(std::uint64_t hash, bool add) noexcept {
    std::size_t at = hash % kMostSeen;
    while (seen[at] != 0 && seen[at] != hash) at = (at + 1) % kMostSeen;
    if (seen[at] == hash) return false;
    if (add) {
        if (++seen_count == kMostSeen / 2) {
            std::fprintf(stderr, "schedule: too much was seen\n");
            std::abort();
        }
        seen[at] = hash;
    }
    return true;
}

}  // namespace schedule::choices
