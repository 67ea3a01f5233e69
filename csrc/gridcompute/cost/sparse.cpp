#include "gridcompute/cost/sparse.hpp"

#include <algorithm>

#include "gridcompute/cost/equal_columns.hpp"

namespace gridcompute {

namespace {

constexpr Index kPollEvery = 1 << 12;  // rows

// Groups classes by the hashes of their entries, of any type.
class ClassHashes {
 public:
  explicit ClassHashes(Index n_slots) : hashes_(at(n_slots), kHashSeed) {}

  // Resets the hashes and returns them, one for each class, to be written.
  [[nodiscard]] std::vector<std::uint64_t>& reset() noexcept {
    std::fill(hashes_.begin(), hashes_.end(), kHashSeed);
    return hashes_;
  }
  // Returns whether more than `most` of the classes that have entries differ.
  [[nodiscard]] bool differ(Index most) const {
    std::vector<std::uint64_t> met;
    for (const std::uint64_t h : hashes_)
      if (h != kHashSeed) met.push_back(h);
    return more_differ(met, most);
  }
  // Groups the classes of equal hashes.
  void group() {
    of_ = lowest_equal(hashes_);
    number_.assign(of_.size(), kNone);
    Slot kept = 0;
    for (std::size_t s = 0; s < of_.size(); ++s) number_[s] = of_[s] == static_cast<Slot>(s) ? kept++ : number_[of_[s]];
    kept_ = kept;
  }

  // Return (n_slots) the lowest equal class of each class, and its position among the classes kept.
  [[nodiscard]] std::vector<Slot>& of() noexcept { return of_; }
  [[nodiscard]] const std::vector<Slot>& number() const noexcept { return number_; }
  [[nodiscard]] Index kept() const noexcept { return kept_; }

 private:
  std::vector<std::uint64_t> hashes_;
  std::vector<Slot> of_, number_;
  Index kept_ = 0;
};

// Smallest sample of lists (rows).
constexpr Index kSparseRows = 64;

// Returns the number of evenly spread rows to read, enough for several entries of each class; all rows where they are
// few.
Index rows_to_sample(Index n_jobs, Index n_slots, Index entries, const CostTuning& tuning) {
  const auto share = static_cast<double>(tuning.sparse_entries * n_slots) / static_cast<double>(entries);
  const Index rows = share >= 1 ? n_jobs : static_cast<Index>(share * static_cast<double>(n_jobs));
  return std::clamp(rows, std::min(kSparseRows, n_jobs), n_jobs);
}

template <class T, class I>
class Merger {
 public:
  Merger(const T* values, const I* columns, const I* starts, Index n_jobs, Index n_slots, Stop& stop)
      : values_(values), columns_(columns), starts_(starts), n_jobs_(n_jobs), stop_(stop), classes_(n_slots) {}

  // Hashes the columns of this many rows, evenly spread. False after a stop.
  [[nodiscard]] bool hash_rows(Index rows) {
    auto& hashes = classes_.reset();
    for (Index k = 0; k < rows; ++k) {
      if (k % kPollEvery == 0 && stop_.poll()) return false;
      const Index i = rows == n_jobs_ ? k : static_cast<Index>(static_cast<Wide>(n_jobs_) * k / rows);
      const std::uint64_t row = static_cast<std::uint64_t>(i) * kHashSeed;
      for (I e = starts_[i]; e < starts_[i + 1]; ++e) {
        std::uint64_t& hash = hashes[columns_[e]];
        hash = hashed(hash, bits_of(values_[e]) + row);
      }
    }
    return true;
  }

  // Copies the entries of the lowest class of each set. False after a stop, or where classes of equal hashes differ: in
  // each row a set must have equal entries in all its classes, or no entry.
  [[nodiscard]] bool copy(SparseArrays<T, I>& out) {
    const std::vector<Slot>&of = classes_.of(), &number = classes_.number();
    std::vector<std::int32_t> size(at(classes_.kept()), 0), count(size);
    std::vector<T> value(size.size());
    for (const Slot k : number) ++size[k];
    out.starts.reserve(at(n_jobs_) + 1);
    out.starts.push_back(0);
    for (Index i = 0; i < n_jobs_; ++i) {
      if (i % kPollEvery == 0 && stop_.poll()) return false;
      for (I e = starts_[i]; e < starts_[i + 1]; ++e) {
        const Slot k = number[columns_[e]];
        if (count[k]++ > 0) {
          if (!(values_[e] == value[k])) return false;
          continue;
        }
        if (of[columns_[e]] != static_cast<Slot>(columns_[e])) return false;
        value[k] = values_[e];
        out.values.push_back(values_[e]);
        out.columns.push_back(static_cast<I>(k));
      }
      bool all = true;
      for (auto e = at(out.starts.back()); e < out.columns.size(); ++e) {
        const auto k = out.columns[e];
        all &= count[k] == size[k];
        count[k] = 0;
      }
      if (!all) return false;
      out.starts.push_back(static_cast<I>(out.columns.size()));
    }
    return true;
  }

  [[nodiscard]] ClassHashes& classes() noexcept { return classes_; }

 private:
  const T* values_;
  const I* columns_;
  const I* starts_;
  Index n_jobs_;
  Stop& stop_;
  ClassHashes classes_;
};

}  // namespace

template <class T, class I>
EqualClasses merged_sparse(const T* values, const I* columns, const I* starts, Index n_jobs, Index n_slots, Index most,
                           Stop& stop, const CostTuning& tuning) {
  const auto entries = static_cast<Index>(starts[n_jobs]);
  if (entries == 0) return {};
  Merger<T, I> merger(values, columns, starts, n_jobs, n_slots, stop);
  ClassHashes& classes = merger.classes();
  const Index sample = rows_to_sample(n_jobs, n_slots, entries, tuning);
  const bool whole = merger.hash_rows(sample) && sample == n_jobs;
  if (classes.differ(most) || (!whole && !merger.hash_rows(n_jobs))) return {};
  classes.group();
  SparseArrays<T, I> out;
  if (classes.kept() > most || !merger.copy(out)) return {};
  return {std::move(classes.of()), std::make_unique<SparseCost<T, I>>(std::move(out), n_jobs, classes.kept())};
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
