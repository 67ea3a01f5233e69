// Memory that a call no longer needs, back to the system.
//
// What a large solve allocates and frees lies between what stays, and the allocator keeps it: a process that solves now
// and then for months would seem to grow. Costs some milliseconds for each 100 MB; elsewhere than with glibc, nothing.
#pragma once

#include <cstdlib>

#if defined(__GLIBC__)
extern "C" int malloc_trim(std::size_t pad) noexcept;
#endif

namespace gridcompute {

inline void give_back_memory() noexcept {
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
}

// At the end of a scope that allocated much; what is declared after it is gone by then.
class GiveBack {
 public:
  explicit GiveBack(bool much) noexcept : much_(much) {}
  GiveBack(const GiveBack&) = delete;
  GiveBack& operator=(const GiveBack&) = delete;
  ~GiveBack() {
    if (much_) give_back_memory();
  }

 private:
  bool much_;
};

}  // namespace gridcompute
