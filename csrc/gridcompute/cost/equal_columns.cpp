#include "gridcompute/cost/equal_columns.hpp"

#include <algorithm>
#include <numeric>
#include <type_traits>

#include "gridcompute/base/simd.hpp"

namespace gridcompute {

namespace {

constexpr Index kComparedRows = 1 << 10;  // rows compared by a thread at a time

// Copies the entries kept, and returns whether every entry equals the one kept for its column.
template <class T>
GRIDCOMPUTE_INLINE bool copy_of(const T* row, Index n, const Slot* kept, Index n_kept, const Slot* number,
                                T* GRIDCOMPUTE_RESTRICT out) {
  for (Index k = 0; k < n_kept; ++k) out[k] = row[kept[k]];
  std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t> unequal = 0;
  for (Index s = 0; s < n; ++s) unequal |= !(row[s] == out[number[s]]);
  return unequal == 0;
}

GRIDCOMPUTE_CLONES_FOR_GATHERS bool copy_row(const std::int32_t* row, Index n, const Slot* kept, Index n_kept,
                                             const Slot* number, std::int32_t* out) {
  return copy_of(row, n, kept, n_kept, number, out);
}
GRIDCOMPUTE_CLONES_FOR_GATHERS bool copy_row(const std::int64_t* row, Index n, const Slot* kept, Index n_kept,
                                             const Slot* number, std::int64_t* out) {
  return copy_of(row, n, kept, n_kept, number, out);
}
GRIDCOMPUTE_CLONES_FOR_GATHERS bool copy_row(const float* row, Index n, const Slot* kept, Index n_kept,
                                             const Slot* number, float* out) {
  return copy_of(row, n, kept, n_kept, number, out);
}
GRIDCOMPUTE_CLONES_FOR_GATHERS bool copy_row(const double* row, Index n, const Slot* kept, Index n_kept,
                                             const Slot* number, double* out) {
  return copy_of(row, n, kept, n_kept, number, out);
}

}  // namespace

EqualColumns::EqualColumns(Index n_columns, Index most, const CostTuning& tuning)
    : most_(most),
      tuning_(tuning),
      hashes_(at(n_columns), kHashSeed),
      number_(hashes_.size()),
      different_(hashes_.size()) {}

// Rows of the sample that most often suffice to show that there are no equal columns.
constexpr Index kProbeFirstRows = 8;

template <class T>
bool EqualColumns::probe(const T* values, Index n_rows) {
  const auto n = static_cast<Index>(hashes_.size());
  const Index rows = std::min(n_rows, tuning_.probe_rows);
  for (Index k = 0; k < rows; ++k) {
    const T* row = values + n_rows * k / rows * n;
    for (Index s = 0; s < n; ++s) hashes_[s] = hashed(hashes_[s], bits_of(row[s]));
    if (k + 1 != kProbeFirstRows && k + 1 != rows) continue;
    if (more_differ(hashes_, most_)) return false;
  }
  return true;
}

void EqualColumns::group() {
  of_ = lowest_equal(hashes_);
  number();
}

void EqualColumns::number() {
  kept_.clear();
  for (Slot s = 0; s < static_cast<Slot>(of_.size()); ++s) {
    if (of_[s] == s) kept_.push_back(s), number_[s] = static_cast<Slot>(kept_.size()) - 1;
    number_[s] = number_[of_[s]];
  }
}

void EqualColumns::differs(Slot s) noexcept {
  if (different_[s].exchange(1, std::memory_order_relaxed) == 0) ++differences_;
}

template <class T>
bool EqualColumns::copy(const T* values, Index n_rows, T* out, Pool& pool, Stop& stop) {
  const auto n = static_cast<Index>(of_.size()), width = static_cast<Index>(kept_.size());
  // Whichever thread compares a row, every difference is recorded, unless there are too many in any case.
  const auto too_many = [&] { return width + differences_.load(std::memory_order_relaxed) > most_; };
  const bool whole = pool.for_chunks(
      n_rows, kComparedRows,
      [&](Index, Index begin, Index end) {
        for (Index i = begin; i < end && !too_many(); ++i) {
          const T* row = values + i * n;
          if (copy_row(row, n, kept_.data(), width, number_.data(), out + i * width)) continue;
          for (Slot s = 0; s < n; ++s)
            if (of_[s] != s && !(row[s] == row[of_[s]])) differs(s);
        }
      },
      &stop);
  return whole && !too_many();
}

bool EqualColumns::split() {
  if (differences_ == 0) return false;
  differences_ = 0;
  for (std::size_t s = 0; s < of_.size(); ++s)
    if (different_[s].exchange(0) != 0) of_[s] = static_cast<Slot>(s);
  number();
  return true;
}

template bool EqualColumns::probe(const std::int32_t*, Index);
template bool EqualColumns::probe(const std::int64_t*, Index);
template bool EqualColumns::probe(const float*, Index);
template bool EqualColumns::probe(const double*, Index);
template bool EqualColumns::copy(const std::int32_t*, Index, std::int32_t*, Pool&, Stop&);
template bool EqualColumns::copy(const std::int64_t*, Index, std::int64_t*, Pool&, Stop&);
template bool EqualColumns::copy(const float*, Index, float*, Pool&, Stop&);
template bool EqualColumns::copy(const double*, Index, double*, Pool&, Stop&);

}  // namespace gridcompute
