// A play's memory, and who touches what has gone.
//
// It begins anew with each play and gives out every byte once: what was freed is not used again, so that whoever comes by
// afterwards is found out, and addresses are the same where the choices are.
#pragma once

#include <cstddef>

namespace schedule::arena {

void begin() noexcept;
// nullptr where there is none left.
void* take(std::size_t size) noexcept;
bool owns(const void* memory) noexcept;
std::size_t size_of(const void* memory) noexcept;
// The block that it lies in; itself where it lies in none.
const void* block_of(const void* at) noexcept;
// What is wrong with it, or nullptr.
const char* give_back(void* memory) noexcept;
// All was given back.
bool is_empty() noexcept;

// An atomic begins or ends, anywhere.
void born(const void* at) noexcept;
void died(const void* at) noexcept;

// What is wrong with touching it, or nullptr.
const char* trouble(const void* at) noexcept;

}  // namespace schedule::arena
