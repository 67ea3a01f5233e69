// Returns freed memory to the system (glibc's malloc_trim).
//
// Why. Memory that a large solve frees lies between blocks still in use, so the allocator keeps it: the resident size
// of a process that solves now and then would grow for months. Takes some milliseconds for each 100 MB; a no-op without
// glibc.
#pragma once

#include <cstdlib>

#if defined(__GLIBC__)
extern "C" int malloc_trim(std::size_t pad) noexcept;
#endif

namespace gridcompute {

inline void trim_heap() noexcept {
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
}

// Trims the heap at the end of a scope. Objects declared after this one are destroyed before that.
class ScopedMallocTrim {
 public:
  explicit ScopedMallocTrim(bool trim) noexcept : trim_(trim) {}
  ScopedMallocTrim(const ScopedMallocTrim&) = delete;
  ScopedMallocTrim& operator=(const ScopedMallocTrim&) = delete;
  ~ScopedMallocTrim() {
    if (trim_) trim_heap();
  }

 private:
  bool trim_;
};

}  // namespace gridcompute
