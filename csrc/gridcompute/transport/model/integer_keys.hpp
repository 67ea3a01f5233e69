// Integer keys per unit of weight from any cost source: rint(cost * resolution / weight), perturbed
// where the solver asks for it.
//
// While rows are read, statistics are gathered that only a pass over all costs can give: the largest |key|, whether
// every key is exact, the first row with a NaN or -inf. A resolution chosen from a sample may prove too fine; the
// largest |cost| then gives the next one, and the solve starts again.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <span>
#include <tuple>
#include <type_traits>
#include <vector>

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/base/stop.hpp"
#include "gridcompute/base/types.hpp"
#include "gridcompute/transport/problem.hpp"
#include "gridcompute/transport/tuning.hpp"

namespace gridcompute::transport {

// Cost perturbation: where many classes tie for a job, a little is added to each of its keys.
//
// Problem.  Costs with few distinct values (0 or 1, minutes, price bands) leave a job dozens of classes at equal cost.
// At any prices in the box all of them may be its cheapest: candidate lists grow to whole rows.
//
// Definitions.  Perturbed keys are key * 2^shift + e, where e in [0, spread) is a hash of job and class. The unit u
// divides every key * 2^shift.
//
// Exactness.  Take prices p that are optimal for perturbed keys: a job at class a has K_a + e_a + p_a <= K_b + e_b +
// p_b for every b, where K = key * 2^shift. On the circle of the remainders mod u of all prices and of 0, cut where the
// largest gap ends, and round every price down to whole units from there: P. Remainders counted from the cut differ by
// at most u - gap, so that P_a - P_b <= K_b - K_a + u floor((u - gap + spread - 1) / u), and the last term is 0 where
// gap >= spread. Then no class is cheaper for any job at P; P is 0 where p is, and never negative: the same placement
// and P are optimal for the unperturbed keys. Among S + 2 remainders some gap is at least u / (S + 2), so spread <= u /
// (S + 2) always suffices.
//
// A spread of a quarter of the unit usually suffices, and is far easier to solve: loads then follow prices smoothly.
// Where its gaps are too narrow, few repairs are left (column_generation.hpp: reoptimise).
//
// Reals that are multiples of a decimal quantum (cents) are not multiples of anything as keys; they get a resolution in
// which they are whole numbers, as long as all of them are. Keys of jobs with demand > 1 that have no unit keep a
// spread that is far below the usual gap of such problems, and bounds allow for it.
//
// Source.  Perturbation against degeneracy: Charnes, Econometrica 20 (1952) 160; here random, and removed exactly.

struct Perturbation {
  int shift = 0;
  Cost spread = 0;     // a power of two, or 0: not perturbed
  double scale = 1;    // factor of the resolution, applied first
  bool whole = false;  // that factor makes costs of a decimal quantum whole numbers

  [[nodiscard]] bool active() const noexcept { return spread > 0; }
  [[nodiscard]] bool none() const noexcept { return shift == 0 && spread == 0; }
  static auto parts(auto& p) { return std::tie(p.shift, p.spread, p.scale, p.whole); }
};

// The e of each pair: the top bits of a product of two odd numbers, one of the job and one of the class.
class KeyPerturber {
 public:
  KeyPerturber() = default;
  KeyPerturber(const Perturbation& ties, Slot n_slots, Slot columns);  // 0 for columns from n_slots on

  [[nodiscard]] const Perturbation& perturbation() const noexcept { return ties_; }
  [[nodiscard]] Cost at(Index job, Slot slot) const noexcept {
    return static_cast<Cost>(std::uint64_t{odd(job) * class_[static_cast<std::size_t>(slot)]} << up_ >> drop_);
  }
  // Perturbs the keys of a row in place; kForbidden stays, larger keys than `most` are clamped to it. The bits of all
  // key * 2^shift join `bits`.
  void row(Index job, Cost* keys, Cost most, std::uint64_t& bits) const;
  // Writes the perturbed keys of int32 costs into `out`; false where one does not fit.
  [[nodiscard]] bool row(Index job, const std::int32_t* costs, std::int32_t* out) const;

 private:
  [[nodiscard]] static std::uint32_t odd(Index at) noexcept;

  Perturbation ties_;
  Index n_slots_ = 0;
  int up_ = 0, drop_ = 0;
  std::vector<std::uint32_t> class_;
};

// Requirements of choose_perturbation. It takes the keys of a few rows and `limit`, a bound on all perturbed keys; it
// prefers 32-bit keys, and returns no perturbation where there is no room for one.
struct PerturbationRequest {
  bool shifted = false;  // the unit may be enlarged by a shift
  double error = 0;      // share of the mean key that e may reach where keys have no unit
};
[[nodiscard]] Perturbation choose_perturbation(std::vector<Cost> keys, Cost limit, Slot columns,
                                               const PerturbationRequest& wanted,
                                               const Tuning& tuning = kDefaultTuning);

// Prices rounded to whole units as above, and the largest gap between remainders; a price of 0 stays 0.
struct UnitPrices {
  std::vector<Cost> prices;
  Cost gap = 0;
};
[[nodiscard]] UnitPrices round_to_units(std::span<const Cost> prices, Cost unit);

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

// How large keys and prices may be in the two integer types that the exchange graph is computed in.

// Range proof: keys up to kKey and prices up to kPrice; the sum of one of each, and of two differences of such sums,
// stays within the type, below kForbid and kSettled.
template <class T>
struct KeyRange;
template <>
struct KeyRange<std::int32_t> {  // proved above
  static constexpr std::int32_t kForbid = 1 << 29, kPrice = 1 << 28, kKey = 1 << 27, kSettled = 1 << 30;
};
template <>
struct KeyRange<Cost> {  // proved above
  static constexpr Cost kForbid = Cost{1} << 60, kPrice = Cost{1} << 59, kKey = Cost{1} << 58, kSettled = Cost{1} << 61;
};

// The largest power of two that divides all keys: whole numbers among real costs become keys with dozens of trailing
// zeros, and divided by them they fit in 32 bits.

// Returns the bits that are set in any key of an allowed pair.
[[nodiscard]] std::uint64_t bits_of(const Cost* keys, Index n);

// Divides keys by 1 << shift into 32 bits; 64-bit keys are copied.
void divide_keys(const Cost* from, Index n, int shift, std::int32_t* to);
void divide_keys(const Cost* from, Index n, int shift, Cost* to);

// The common factor of the keys read so far. T: the type that divided keys are stored in; 64 bits store them as they
// are.
template <class T>
class CommonFactor {
 public:
  [[nodiscard]] int shift() const noexcept { return shift_; }

  void add(std::span<const Cost> keys) noexcept {
    if constexpr (kInt32Limit) {
      shift_ = std::min(shift_, std::countr_zero(bits_of(keys.data(), static_cast<Index>(keys.size()))));
    }
  }

  [[nodiscard]] T held(Cost key) const noexcept {
    return key < kForbidden ? static_cast<T>(key >> shift_) : KeyRange<T>::kForbid;
  }

  void hold(const Cost* keys, Index n, T* out) const noexcept { divide_keys(keys, n, shift_, out); }

  // Converts a stored key from an earlier shift to the present one. Both are in range: what is not 0 then moves by few
  // bits.
  [[nodiscard]] T moved(T key, int before) const noexcept {
    const int by = std::min(before - shift_, kFew);
    return key < KeyRange<T>::kForbid ? static_cast<T>(key << by) : key;
  }

  // Returns whether the type can store keys up to this size.
  [[nodiscard]] bool holds(double largest) const noexcept {
    return largest <= std::ldexp(static_cast<double>(KeyRange<T>::kKey), shift_);
  }

 private:
  static constexpr bool kInt32Limit = std::is_same_v<T, std::int32_t>;
  static constexpr int kFew = 27;   // bits of KeyRange<int32>::kKey
  static constexpr int kMost = 30;  // prices of 28 bits stay below those allowed in 64; keys of reals have 50 at most

  int shift_ = kInt32Limit ? kMost : 0;
};

// The magnitude of costs, which sets the resolution.

// The largest finite |cost| per unit of weight in all rows or in a sample, and the first row with NaN or -inf.
struct Largest {
  double cost = 0;
  Index invalid = -1;
};

[[nodiscard]] Largest largest_cost_seen(const Problem& problem, Pool& pool, Stop& stop, bool all,
                                        const Tuning& tuning = kDefaultTuning);

// Returns the largest finite |cost| of leaving a job unplaced.
[[nodiscard]] double largest_unplaced(const Problem& problem);

// Returns a |cost| that few costs or none exceed, to choose a resolution by: a known bound, or a sample's largest with
// headroom.
[[nodiscard]] double largest_cost_likely(const Problem& problem, Pool& pool, Stop& stop,
                                         const Tuning& tuning = kDefaultTuning);

}  // namespace gridcompute::transport
