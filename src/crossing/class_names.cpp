#include "crossing/class_names.hpp"

#include <deque>
#include <new>
#include <string_view>
#include <unordered_map>

#include "channel/spin_lock.hpp"

namespace interpchannels {
namespace {

struct Table {
    SpinLock lock;  // protects all of it
    std::deque<ClassName> entries;
    std::unordered_map<std::string, std::uint32_t> numbers;
};

// Never freed: interpreters may end after the destructors of static objects have run.
Table& table() {
    static auto* const made = new Table;
    return *made;
}

// Names may hold anything, so each comes with its length.
void append(std::string& text, std::string_view part) {
    text += std::to_string(part.size());
    text += ':';
    text += part;
}

std::string text_of(const ClassName& name) {
    std::string text(1, static_cast<char>('a' + static_cast<int>(name.way)));
    append(text, name.module);
    append(text, name.qualname);
    text += std::to_string(name.names.size());
    for (const std::string& part : name.names) append(text, part);
    for (const std::string& part : name.slots) append(text, part);
    return text;
}

}  // namespace

std::int64_t number_class(const ClassName& name) noexcept {
    try {
        const std::string text = text_of(name);
        Table& all = table();
        SpinGuard guard(all.lock);
        const auto [at, fresh] =
            all.numbers.try_emplace(text, static_cast<std::uint32_t>(all.entries.size()));
        if (fresh) {
            try {
                all.entries.push_back(name);
            } catch (...) {
                all.numbers.erase(at);
                throw;
            }
        }
        return at->second;
    } catch (const std::bad_alloc&) {
        return -1;
    }
}

const ClassName* numbered_class(std::uint64_t number) noexcept {
    Table& all = table();
    SpinGuard guard(all.lock);
    return number < all.entries.size() ? &all.entries[static_cast<std::size_t>(number)] : nullptr;
}

}  // namespace interpchannels
