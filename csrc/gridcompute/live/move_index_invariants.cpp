// The board's invariant, looked up job by job.
#include <algorithm>

#include "gridcompute/live/move_index.hpp"

namespace gridcompute::matcher {

namespace {

std::size_t at(Index k) { return static_cast<std::size_t>(k); }

}  // namespace

bool Board::holds() const {
  if (!world_.holds()) return false;
  Scratch scratch;
  for (Slot a = 0; a < classes_; ++a) {
    std::vector<Cost> least(at(classes_), kForbidden);
    for (const Job job : world_.members(a)) {
      world_.read(job, scratch);
      const Cost here = scratch.row[at(a)];
      if (here >= kForbidden) continue;  // it may be nowhere
      for (Slot b = 0; b < classes_; ++b) {
        if (scratch.row[at(b)] < kForbidden) least[at(b)] = std::min(least[at(b)], scratch.row[at(b)] - here);
        // Every job where it is cheapest for it.
        if (scratch.row[at(b)] < kForbidden && scratch.row[at(b)] + prices_[at(b)] < here + prices_[at(a)])
          return false;
      }
    }
    for (Slot b = 0; b < classes_; ++b) {
      if (b == a) continue;
      const std::int32_t k = place(a, b);
      const Cost top = k < 0 ? kForbidden : row(a).top[at(k)];
      const bool sure = k >= 0 && row(a).first[at(k)] != kNone;
      if (k >= 0 && column(b).top[at(row(a).mirror[at(k)])] != top) return false;
      if (sure && top != least[at(b)]) return false;
      if (sure || least[at(b)] >= kForbidden) continue;
      const Cost bound = complete(a) ? kForbidden : limit_[at(a)] - reference_[at(b)];
      if (least[at(b)] < std::min(top, bound)) return false;
    }
  }
  return true;
}

}  // namespace gridcompute::matcher
