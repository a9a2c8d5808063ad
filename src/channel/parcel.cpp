#include "channel/parcel.hpp"

namespace interpchannels {
namespace {

thread_local Attachment* put_off = nullptr;
thread_local bool releasing = false;

}  // namespace

void release_chain(Attachment* first) noexcept {
    if (!first) return;
    if (releasing) {
        Attachment* last = first;
        while (last->next) last = last->next;
        last->next = put_off;
        put_off = first;
        return;
    }
    releasing = true;
    while (first) {
        Attachment* const next = first->next;
        first->next = nullptr;
        first->release();
        first = next ? next : std::exchange(put_off, nullptr);
    }
    releasing = false;
}

}  // namespace interpchannels
