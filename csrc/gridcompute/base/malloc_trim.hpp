// Returns freed memory to the system (glibc's malloc_trim).
//
// Why. What a large solve allocates and frees lies between blocks that stay, and the allocator keeps it: a process that
// solves now and then for months would seem to grow. Takes some milliseconds for each 100 MB; a no-op without glibc.
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

// Trims the heap at the end of a scope that allocated much; what is declared after it is destroyed by then.
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
