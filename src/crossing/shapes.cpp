#include "crossing/shapes.hpp"

#include <cstdlib>
#include <utility>

namespace interpchannels {

void ShapeCache::keep(std::uint64_t hash, const std::byte* block, std::size_t size,
                      const Known& known) noexcept {
    Place& place = places_[hash % kPlaces];
    auto* const copy = static_cast<std::byte*>(std::malloc(size));
    if (!copy) return;
    std::memcpy(copy, block, size);
    std::free(std::exchange(place.block, copy));
    place.hash = hash;
    place.size = size;
    place.known.numbered = known.numbered;
    Py_XSETREF(place.known.dict, Py_NewRef(known.dict));
}

void ShapeCache::clear() noexcept {
    for (Place& place : places_) {
        std::free(std::exchange(place.block, nullptr));
        place.size = 0;
        Py_CLEAR(place.known.dict);
    }
}

}  // namespace interpchannels
