// What an interpreter knows of the keys of the dicts that it receives: those that it met twice.
//
// Records that are sent one by one have the same keys again and again. They come as a block of bytes before the values
// (kShaped); where an interpreter has met the block before, it has a dict with these keys, and a record is a copy of that
// with other values: no key is made, hashed or looked up. (Classes of objects with the same fields are known as maps or
// hidden classes: Chambers, Ungar and Lee, "An Efficient Implementation of SELF", OOPSLA 1989.)
//
// A block that is met for the first time leaves but its hash, so that dicts whose keys are never met again, as those of a
// table by number are, cost no memory and drive nobody out. There is room for 64 blocks, of 16 keys at most, each in one
// place: a newcomer that is met twice in a row there takes it.
//
// One per interpreter, under its GIL; where there is none it knows nothing. All attached. No Python code runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "channel/parcel.hpp"
#include "interpreter/without_gil.hpp"

namespace interpchannels {

class ShapeCache {
public:
    ShapeCache() = default;
    ~ShapeCache() { clear(); }
    ShapeCache(const ShapeCache&) = delete;
    ShapeCache& operator=(const ShapeCache&) = delete;

    static std::uint64_t hash(const std::byte* block, std::size_t size) noexcept {
        constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15;  // 2 to the 64th by the golden ratio
        std::uint64_t mixed = size * kOdd, word = 0;
        for (; size >= sizeof word; block += sizeof word, size -= sizeof word) {
            std::memcpy(&word, block, sizeof word);
            mixed = (mixed ^ word) * kOdd;
            mixed ^= mixed >> 32;
        }
        word = 0;
        copy_payload(reinterpret_cast<std::byte*>(&word), block, size);
        mixed = (mixed ^ word) * kOdd;
        return mixed ^ mixed >> 32;
    }

    // What the block stands for: a dict with its keys, each with None, and a bit for each that has a number.
    struct Known {
        PyObject* dict = nullptr;  // strong in here; borrowed until the next keep()
        std::uint16_t numbered = 0;
    };
    // nullptr where there is none.
    const Known* find(std::uint64_t hash, const std::byte* block, std::size_t size) const noexcept {
        if constexpr (!kHasGil) return nullptr;
        const Place& place = places_[hash % kPlaces];
        return place.hash == hash && place.size == size && std::memcmp(place.block, block, size) == 0
                   ? &place.known
                   : nullptr;
    }
    // Where find() found none: whether it is worth a keep().
    bool met_before(std::uint64_t hash) noexcept {
        return kHasGil && std::exchange(places_[hash % kPlaces].met, hash) == hash;
    }
    // Holds the dict. Where memory fails it does not, and there is no exception.
    void keep(std::uint64_t hash, const std::byte* block, std::size_t size, const Known& known) noexcept;
    void clear() noexcept;

private:
    static constexpr std::size_t kPlaces = 64;
    struct Place {
        std::uint64_t hash = 0;
        std::uint64_t met = 0;  // the last that was not found here
        std::size_t size = 0;   // 0: there is none
        std::byte* block = nullptr;
        Known known;
    };
    Place places_[kPlaces];
};

}  // namespace interpchannels
