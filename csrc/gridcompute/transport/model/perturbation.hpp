// Ties broken: where many classes are equally good for a job, a little is added to each of its keys.
//
// Problem.  Costs with few distinct values (0 or 1, minutes, price bands) leave a job dozens of classes that cost it
// the same. At any prices in the box all of them may be its cheapest: lists of candidates grow to whole rows.
//
// Definitions.  Broken keys are key * 2^shift + e, where e in [0, spread) is a hash of job and class. The unit u
// divides every key * 2^shift.
//
// Exactness.  Take prices p that are optimal for broken keys: a job at class a has K_a + e_a + p_a <= K_b + e_b + p_b
// for every b, where K = key * 2^shift. On the circle of the remainders mod u of all prices and of 0, cut where the
// largest gap ends, and round every price down to whole units from there: P. Remainders counted from the cut differ by
// at most u - gap, so that P_a - P_b <= K_b - K_a + u floor((u - gap + spread - 1) / u), and the last term is 0 where
// gap >= spread. No job wants to move at P then; P is 0 where p is, and never negative: the same placement and P are
// optimal for the keys as they were. Among S + 2 remainders some gap is at least u / (S + 2): spread <= u / (S + 2)
// always does.
//
// A spread of a quarter of the unit does as a rule, and is far easier to solve: loads then follow prices smoothly.
// Where its gaps are too narrow what is left to do is little (column_generation.hpp: settle).
//
// Reals that are multiples of a decimal quantum (cents) are multiples of nothing as keys; they get a resolution in
// which they are whole numbers, as long as all of them are. Keys of gangs that have no unit end with a spread that is
// far less than the gap gangs have anyway, and bounds allow for it.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "gridcompute/transport/restricted/restricted_problem.hpp"

namespace gridcompute::transport {

struct Perturbation {
  int shift = 0;
  Cost spread = 0;     // a power of two, or 0: left as they are
  double scale = 1;    // of the resolution first
  bool whole = false;  // by that costs of a decimal quantum become whole numbers

  [[nodiscard]] bool active() const noexcept { return spread > 0; }
  [[nodiscard]] bool none() const noexcept { return shift == 0 && spread == 0; }
};

// The e of jobs and classes: the top bits of a product of two odd numbers.
class KeyPerturber {
 public:
  KeyPerturber() = default;
  KeyPerturber(const Perturbation& ties, Slot n_slots, Slot columns);  // 0 for columns from n_slots on

  [[nodiscard]] const Perturbation& perturbation() const noexcept { return ties_; }
  [[nodiscard]] Cost at(Index job, Slot slot) const noexcept {
    return static_cast<Cost>(std::uint64_t{odd(job) * class_[static_cast<std::size_t>(slot)]} << up_ >> drop_);
  }
  // Broken keys of a row in place; kForbidden stays, keys larger than `most` are taken for that. The bits of all key *
  // 2^shift join `bits`.
  void row(Index job, Cost* keys, Cost most, std::uint64_t& bits) const;
  // The same of int32 costs into `out`; false where one does not fit.
  [[nodiscard]] bool row(Index job, const std::int32_t* costs, std::int32_t* out) const;

 private:
  [[nodiscard]] static std::uint32_t odd(Index at) noexcept;

  Perturbation ties_;
  Index n_slots_ = 0;
  int up_ = 0, drop_ = 0;
  std::vector<std::uint32_t> class_;
};

// Are so many classes within a key or two of each job's best that ties had better be broken? At a sample's prices.
// Where jobs share lists these may be few; the first sample is too small to tell. Copies of a class
// (duplicate_columns.hpp) tie for all jobs alike and count once: broken, their lists would be told apart to no use.
[[nodiscard]] bool needs_perturbation(const RestrictedProblem& r, std::span<const Slot> duplicate_of,
                                      std::span<const Cost> prices, bool first);

// How to break the ties of keys like these: those of a few rows. `limit` bounds all broken keys. Keys of 32 bits if
// that is possible. Not broken where there is no room for it.
struct PerturbationRequest {
  bool shifted = false;  // small units are made large
  double error = 0;      // where there is no unit: of the mean key
};
[[nodiscard]] Perturbation choose_perturbation(std::vector<Cost> keys, Cost limit, Slot columns,
                                               const PerturbationRequest& wanted);

// Prices rounded to whole units as above; one of 0 stays.
struct UnitPrices {
  std::vector<Cost> prices;
  Cost gap = 0;
};
[[nodiscard]] UnitPrices round_to_units(std::span<const Cost> prices, Cost unit);

// Takes e from the keys of candidates, groups of one job each; what bounds the others goes down by as much as it may.
void remove_perturbation(RestrictedProblem& r, const KeyPerturber& breaker, const std::function<Index(Index)>& job_at,
                         const std::function<Cost(Index)>& weight_of, Pool& pool);

}  // namespace gridcompute::transport
