// What a fuzz target reads its decisions from, and how it says that something is wrong.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace interpchannels::fuzz {

// The fuzzer's bytes, used up from the front; zeros when there are no more.
class Input {
public:
    Input(const std::uint8_t* data, std::size_t size) noexcept : at_(data), end_(data + size) {}
    bool empty() const noexcept { return at_ == end_; }
    std::size_t left() const noexcept { return static_cast<std::size_t>(end_ - at_); }
    std::uint8_t byte() noexcept { return empty() ? std::uint8_t{0} : *at_++; }
    // Less than n.
    unsigned below(unsigned n) noexcept { return n ? byte() % n : 0; }
    const std::uint8_t* take(std::size_t n) noexcept {
        const std::uint8_t* const from = at_;
        at_ += n;
        return from;
    }

private:
    const std::uint8_t* at_;
    const std::uint8_t* const end_;
};

}  // namespace interpchannels::fuzz

// As assert(), in every build: the fuzzer takes the abort for a finding.
#define EXPECT(condition)                                                                       \
    do {                                                                                        \
        if (!(condition)) {                                                                     \
            std::fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
            std::abort();                                                                       \
        }                                                                                       \
    } while (false)
