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
#pragma once

#include <span>
#include <tuple>
#include <vector>

#include "gridcompute/base/types.hpp"
#include "gridcompute/transport/tuning.hpp"

namespace gridcompute::transport {

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

}  // namespace gridcompute::transport
