// What a round will take, warm or cold: told by counts, never by a clock, so that every run takes the same way.
//
// About nanoseconds of one thread, as measured on one machine at 200,000 to 1,000,000 jobs and 100 to 1,440 classes;
// what matters is only which of two is larger.
#pragma once

#include "gridcompute/live/move_index.hpp"

namespace gridcompute::matcher {

struct Effort {
  Index live;
  Slot classes;
  bool singles;  // is one cost cheaper to read than its row?

  [[nodiscard]] Index cold() const noexcept { return live * (5 * Index{classes} / 2 + 40) + kAlways; }
  [[nodiscard]] Index row() const noexcept { return 3 * Index{classes} + 800; }  // read, and the job listed
  [[nodiscard]] Index column() const noexcept { return live * (singles ? 16 : row()); }
  [[nodiscard]] Index lists() const noexcept { return cold(); }
  // Units out of balance, before any was moved.
  [[nodiscard]] static Index units(Index n) noexcept { return 12'000 * n; }
  [[nodiscard]] Index of(const Counts& done) const noexcept {
    return 4 * (done.steps + done.singles) + 32 * done.scattered + row() * done.rows;
  }

 private:
  static constexpr Index kAlways = 1'000'000;  // where all is small, nothing is too much
};

}  // namespace gridcompute::matcher
