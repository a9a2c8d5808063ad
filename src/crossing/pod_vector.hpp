// A growing array of plain structs that starts on the stack and reports failed memory instead of throwing.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <type_traits>

namespace interpchannels {

template <class T, std::size_t kInPlace>
class PodVector {
    static_assert(std::is_trivially_copyable_v<T>);

public:
    PodVector() = default;
    ~PodVector() {
        if (data_ != in_place()) std::free(data_);
    }
    PodVector(const PodVector&) = delete;
    PodVector& operator=(const PodVector&) = delete;

    [[nodiscard]] bool push(const T& value) noexcept {
        if (size_ == room_ && !grow()) return false;
        data_[size_++] = value;
        return true;
    }
    // Only where it has fewer than `most`, which fit in place.
    [[nodiscard]] bool push_if_room(const T& value, std::size_t most) noexcept {
        if (size_ >= most) return false;
        in_place()[size_++] = value;
        return true;
    }
    // Makes it that long; what is new is yet to be written.
    [[nodiscard]] bool extend(std::size_t size) noexcept {
        while (room_ < size) {
            if (!grow()) return false;
        }
        size_ = size;
        return true;
    }
    void pop() noexcept { --size_; }
    T& back() noexcept { return data_[size_ - 1]; }
    T& operator[](std::size_t i) noexcept { return data_[i]; }
    const T& operator[](std::size_t i) const noexcept { return data_[i]; }
    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }

private:
    T* in_place() noexcept { return reinterpret_cast<T*>(storage_); }
    bool grow() noexcept {
        const std::size_t wider = room_ * 2;
        if (wider < kInPlace) return false;  // more than there is memory
        T* const next = static_cast<T*>(std::malloc(wider * sizeof(T)));
        if (!next) return false;
        std::memcpy(static_cast<void*>(next), data_, size_ * sizeof(T));
        if (data_ != in_place()) std::free(data_);
        data_ = next;
        room_ = wider;
        return true;
    }

    alignas(T) std::byte storage_[kInPlace * sizeof(T)];
    T* data_ = in_place();
    std::size_t size_ = 0;
    std::size_t room_ = kInPlace;
};

}  // namespace interpchannels
