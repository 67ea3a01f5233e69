#include "gridcompute/cost/sparse.hpp"

#include <algorithm>
#include <bit>

#include "gridcompute/cost/equal_columns.hpp"

namespace gridcompute {

namespace {

constexpr Index kPollEvery = 1 << 12;  // rows

template <class T>
std::uint64_t bits_of(T x) noexcept {
  if constexpr (std::is_floating_point_v<T>) return std::bit_cast<std::uint64_t>(static_cast<double>(x) + 0.0);
  return static_cast<std::uint64_t>(x);  // above: one zero
}

template <class T, class I>
class Merger {
 public:
  Merger(const T* values, const I* columns, const I* starts, Index n_jobs, Index n_slots, Stop& stop)
      : values_(values), columns_(columns), starts_(starts), n_jobs_(n_jobs), n_slots_(n_slots), stop_(stop) {}

  // Do evenly spread rows with some entries of each class show more than `most` that differ? Few entries are all read.
  [[nodiscard]] bool sample_differs(Index most, const CostTuning& tuning) {
    const auto entries = static_cast<Index>(starts_[n_jobs_]);
    if (entries == 0) return false;
    const auto share = static_cast<double>(tuning.sparse_entries * n_slots_) / static_cast<double>(entries);
    const Index rows = share >= 1 ? n_jobs_ : static_cast<Index>(share * static_cast<double>(n_jobs_)),
                read = std::clamp(rows, std::min(tuning.sparse_rows, n_jobs_), n_jobs_);
    whole_ = hash_rows(read) && read == n_jobs_;
    std::vector<std::uint64_t> met;
    for (const std::uint64_t h : hashes_)
      if (h != kHashSeed) met.push_back(h);
    return more_differ(met, most);
  }

  // Sets of classes by the hashes of all their entries. False after a stop, or where more than `most` differ.
  [[nodiscard]] bool group(Index most) {
    if (!whole_ && !hash_rows(n_jobs_)) return false;
    of_ = lowest_equal(hashes_);
    number_.assign(of_.size(), kNone);
    Slot kept = 0;
    for (std::size_t s = 0; s < of_.size(); ++s) number_[s] = of_[s] == static_cast<Slot>(s) ? kept++ : number_[of_[s]];
    kept_ = kept;
    return kept_ <= most;
  }

  // Copies the entries of the lowest class of each set. False after a stop, or where hashes are equal of classes that
  // are not: in each row a set has entries in all its classes, all of them equal, or none.
  [[nodiscard]] bool copy(SparseArrays<T, I>& out) const {
    std::vector<std::int32_t> size(static_cast<std::size_t>(kept_), 0), count(size);
    std::vector<T> value(size.size());
    for (const Slot k : number_) ++size[k];
    out.starts.reserve(static_cast<std::size_t>(n_jobs_) + 1);
    out.starts.push_back(0);
    for (Index i = 0; i < n_jobs_; ++i) {
      if (i % kPollEvery == 0 && stop_.poll()) return false;
      for (I e = starts_[i]; e < starts_[i + 1]; ++e) {
        const Slot k = number_[columns_[e]];
        if (count[k]++ > 0) {
          if (!(values_[e] == value[k])) return false;
          continue;
        }
        if (of_[columns_[e]] != static_cast<Slot>(columns_[e])) return false;
        value[k] = values_[e];
        out.values.push_back(values_[e]);
        out.columns.push_back(static_cast<I>(k));
      }
      bool all = true;
      for (auto e = static_cast<std::size_t>(out.starts.back()); e < out.columns.size(); ++e) {
        const auto k = out.columns[e];
        all &= count[k] == size[k];
        count[k] = 0;
      }
      if (!all) return false;
      out.starts.push_back(static_cast<I>(out.columns.size()));
    }
    return true;
  }

  [[nodiscard]] Index kept() const noexcept { return kept_; }
  [[nodiscard]] std::vector<Slot>& of() noexcept { return of_; }

 private:
  // Hashes the columns of this many rows, evenly spread. False after a stop.
  [[nodiscard]] bool hash_rows(Index rows) {
    hashes_.assign(static_cast<std::size_t>(n_slots_), kHashSeed);
    for (Index k = 0; k < rows; ++k) {
      if (k % kPollEvery == 0 && stop_.poll()) return false;
      const Index i = rows == n_jobs_ ? k : static_cast<Index>(static_cast<Wide>(n_jobs_) * k / rows);
      const std::uint64_t row = static_cast<std::uint64_t>(i) * kHashSeed;
      for (I e = starts_[i]; e < starts_[i + 1]; ++e) {
        std::uint64_t& hash = hashes_[columns_[e]];
        hash = hashed(hash, bits_of(values_[e]) + row);
      }
    }
    return true;
  }

  const T* values_;
  const I* columns_;
  const I* starts_;
  Index n_jobs_, n_slots_;
  Stop& stop_;
  bool whole_ = true;  // all rows were hashed
  std::vector<std::uint64_t> hashes_;
  std::vector<Slot> of_, number_;  // (n_slots) the lowest class that is equal, and its position among those kept
  Index kept_ = 0;
};

}  // namespace

template <class T, class I>
EqualClasses merged_sparse(const T* values, const I* columns, const I* starts, Index n_jobs, Index n_slots, Index most,
                           Stop& stop, const CostTuning& tuning) {
  Merger<T, I> merger(values, columns, starts, n_jobs, n_slots, stop);
  SparseArrays<T, I> out;
  if (starts[n_jobs] == 0 || merger.sample_differs(most, tuning) || !merger.group(most) || !merger.copy(out)) return {};
  return {std::move(merger.of()), std::make_unique<SparseCost<T, I>>(std::move(out), n_jobs, merger.kept())};
}

template EqualClasses merged_sparse(const std::int32_t*, const std::int32_t*, const std::int32_t*, Index, Index, Index,
                                    Stop&, const CostTuning&);
template EqualClasses merged_sparse(const std::int32_t*, const std::int64_t*, const std::int64_t*, Index, Index, Index,
                                    Stop&, const CostTuning&);
template EqualClasses merged_sparse(const std::int64_t*, const std::int32_t*, const std::int32_t*, Index, Index, Index,
                                    Stop&, const CostTuning&);
template EqualClasses merged_sparse(const std::int64_t*, const std::int64_t*, const std::int64_t*, Index, Index, Index,
                                    Stop&, const CostTuning&);
template EqualClasses merged_sparse(const float*, const std::int32_t*, const std::int32_t*, Index, Index, Index, Stop&,
                                    const CostTuning&);
template EqualClasses merged_sparse(const float*, const std::int64_t*, const std::int64_t*, Index, Index, Index, Stop&,
                                    const CostTuning&);
template EqualClasses merged_sparse(const double*, const std::int32_t*, const std::int32_t*, Index, Index, Index, Stop&,
                                    const CostTuning&);
template EqualClasses merged_sparse(const double*, const std::int64_t*, const std::int64_t*, Index, Index, Index, Stop&,
                                    const CostTuning&);

}  // namespace gridcompute
