#include "crossing/decode_into.hpp"

#include <cstring>

#include "crossing/attachments.hpp"
#include "crossing/buffer.hpp"
#include "crossing/format.hpp"

namespace interpchannels {
namespace {

// The bytes that follow a varint with their number; false where they are not all there.
bool counted_bytes(const std::byte* at, const std::byte* end, const std::byte*& from,
                   std::size_t& size) noexcept {
    std::uint64_t n = 0;
    for (int shift = 0; shift < 64 && at != end; shift += 7) {
        const auto b = static_cast<std::uint8_t>(*at++);
        n |= static_cast<std::uint64_t>(b & 0x7F) << shift;
        if (b & 0x80) continue;
        from = at;
        size = static_cast<std::size_t>(n);
        return n <= static_cast<std::uint64_t>(end - at);
    }
    return false;
}

}  // namespace

Into decode_into(const Parcel& parcel, void* to, std::size_t room, std::size_t& size) noexcept {
    size = 0;
    if (parcel.unbound || parcel.size == 0) return Into::kNoBytes;
    Attachment* const attachment = parcel.attachments;
    const std::byte* from = nullptr;
    switch (static_cast<std::uint8_t>(parcel.data[0])) {
    case kBytes:
    case kByteArray:
        if (!counted_bytes(parcel.data + 1, parcel.data + parcel.size, from, size)) return Into::kNoBytes;
        break;
    case kLoanBytes: {
        auto* const loan = attachment_as<Loan>(attachment);
        if (!loan) return Into::kNoBytes;
        size = loan->size();
        if (size > room) return Into::kTooLarge;
        return loan->copy_to(to) ? Into::kDone : Into::kLost;
    }
    case kMemory: {
        auto* const block = attachment_as<Block>(attachment);
        if (!block) return Into::kNoBytes;
        from = block->data();
        size = block->size();
        break;
    }
    case kBuffer: {
        auto* const memory = attachment_as<BufferMemory>(attachment);
        if (!memory) return Into::kNoBytes;
        from = memory->data();
        size = memory->size();
        break;
    }
    default:
        return Into::kNoBytes;
    }
    if (size > room) return Into::kTooLarge;
    if (size) std::memcpy(to, from, size);
    return Into::kDone;
}

}  // namespace interpchannels
