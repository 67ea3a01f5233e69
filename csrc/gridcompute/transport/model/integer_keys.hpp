// Integer keys per unit of weight from any cost source: rint(cost * resolution / weight), perturbed (perturbation.hpp)
// where the solver asks for it.
//
// While rows are read, statistics are gathered that only a pass over all costs can give: the largest |key|, whether
// every key is exact, the first row with a NaN or -inf. A resolution chosen from a sample may prove too fine; the
// largest |cost| then gives the next one, and the solve starts again.
#pragma once

#include <bit>
#include <cmath>
#include <tuple>

#include "gridcompute/transport/model/perturbation.hpp"
#include "gridcompute/transport/problem.hpp"

namespace gridcompute::transport {

// Adding 1.5 * 2^52 rounds to the nearest integer and leaves it in the low bits: exact for |x| < 2^51, and vectorised
// on every instruction set, unlike a conversion to int64.
inline constexpr double kRound = 6755399441055744.0;
[[nodiscard]] constexpr Cost integer_of(double shifted) noexcept {  // x + kRound -> x, rounded
  return static_cast<Cost>(std::bit_cast<std::uint64_t>(shifted) - std::bit_cast<std::uint64_t>(kRound));
}
[[nodiscard]] constexpr Cost rounded(double x) noexcept { return integer_of(x + kRound); }

struct CostRangeStats {
  double largest = 0;      // |key| of allowed pairs, before rounding and perturbation
  bool inexact = false;    // some key differs from its cost
  Index invalid = -1;      // first job with NaN or -inf
  double off = 0;          // largest rounding error of a key
  std::uint64_t bits = 0;  // of all perturbed keys, after the shift and before e is added

  void join(const CostRangeStats& other) noexcept;
  static auto parts(auto& s) { return std::tie(s.largest, s.inexact, s.invalid, s.off, s.bits); }
};

class IntegerKeys {
 public:
  static constexpr double kWhole = 0x1p-10;  // tolerance of whole numbers (Perturbation::whole)

  IntegerKeys(const Problem& problem, double resolution, Perturbation ties = {});

  [[nodiscard]] Index n_jobs() const noexcept { return problem_->cost->n_jobs(); }
  [[nodiscard]] Slot columns() const noexcept { return columns_; }  // n_slots, and one for "unplaced" if allowed
  [[nodiscard]] Slot n_slots() const noexcept { return n_slots_; }
  [[nodiscard]] bool optional() const noexcept { return problem_->unplaced != nullptr; }
  [[nodiscard]] bool integral() const noexcept { return integral_; }
  [[nodiscard]] double resolution() const noexcept { return resolution_; }  // before perturbation
  [[nodiscard]] double per_cost() const noexcept { return std::ldexp(resolution_, perturbation().shift); }
  [[nodiscard]] const Perturbation& perturbation() const noexcept { return perturber_.perturbation(); }
  [[nodiscard]] const KeyPerturber& perturber() const noexcept { return perturber_; }
  [[nodiscard]] const Problem& problem() const noexcept { return *problem_; }
  [[nodiscard]] Cost limit() const noexcept { return limit_; }  // the largest |key| allowed, perturbed or not
  // Returns the largest |key| read, perturbation included.
  [[nodiscard]] double reach(const CostRangeStats& seen) const noexcept {
    return std::ldexp(seen.largest, perturbation().shift) + static_cast<double>(perturbation().spread);
  }
  [[nodiscard]] bool possible(const CostRangeStats& seen) const noexcept {
    return seen.invalid < 0 && reach(seen) <= static_cast<double>(limit_) &&
           (!perturbation().whole || seen.off <= kWhole);
  }

  [[nodiscard]] double scale(Index job) const noexcept {
    return problem_->demand == nullptr ? resolution_ : resolution_ / problem_->demand[job];
  }
  // Returns whether all keys of pairs are within the limit, by what is known without reading costs.
  [[nodiscard]] bool surely_in_range() const noexcept { return surely_in_range_; }

  // Returns the int32 matrix, if keys are its entries.
  [[nodiscard]] const std::int32_t* int32() const noexcept { return integral_ ? problem_->cost->int32() : nullptr; }

  // Writes the keys of these rows, n_slots a row (without the unplaced column). scratch is used for doubles where
  // needed.
  void fill(Rows rows, Cost* out, std::vector<double>& scratch, CostRangeStats& seen) const;
  // Writes the keys of all listed pairs of `count` jobs from `first`; unit weights and no perturbation.
  void fill_listed(Index first, Index count, Index pairs, Slot* slots, Cost* out, std::vector<double>& scratch,
                   CostRangeStats& seen) const;
  // Writes the keys of one job's (n_slots) costs that the caller read; `seen.invalid` is any number, not the row's.
  void convert(Index job, const double* costs, Cost* out, CostRangeStats& seen) const;
  [[nodiscard]] Cost at(Index job, Slot column) const;                 // one key, the unplaced column included
  [[nodiscard]] Cost unplaced(Index job, CostRangeStats& seen) const;  // the key of leaving this job out

 private:
  const Problem* problem_;
  Slot n_slots_, columns_;
  bool integral_;
  double resolution_;
  Cost limit_;
  KeyPerturber perturber_;
  bool surely_in_range_ = false;

  void fill_plain(Rows rows, Cost* out, std::vector<double>& scratch, CostRangeStats& seen) const;
  [[nodiscard]] Cost most() const noexcept { return (limit_ - perturbation().spread) >> perturbation().shift; }
};

// Returns the largest power of two from 2^-1000 to 2^1000 for which |cost| <= most gives keys within the limit and
// 2^50; 1 where most is 0.
[[nodiscard]] double choose_resolution(double most, Cost limit);

// Throws cost_range where sums of costs up to `most`, and so prices, may exceed the doubles.
void require_priceable(double most);

}  // namespace gridcompute::transport
