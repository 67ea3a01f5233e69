// Costs with moves: leaving home costs a job its move on top, a pinned job may be nowhere else.
//
// Both the matcher and the transport it falls back on read these, so that their keys agree to the bit: the move is
// added to the cost, and the sum is rounded once.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "gridcompute/cost/source.hpp"

namespace gridcompute::matcher {

using Job = std::int32_t;  // a position of the slab, as the interner gives them

// What the caller's columns say of all positions of the slab.
struct Slab {
  const CostSource* cost = nullptr;  // reals; n_jobs is the slab's size
  const double* unplaced = nullptr;  // (n_jobs), or (1) with stride 0; +inf: must be placed
  Index unplaced_stride = 0;
  const double* move = nullptr;  // likewise; finite, >= 0
  Index move_stride = 0;
  std::shared_ptr<const std::vector<Slot>> closed;  // classes that nobody may be in; null: none

  [[nodiscard]] double unplaced_of(Job job) const noexcept { return unplaced[job * unplaced_stride]; }
  [[nodiscard]] double move_of(Job job) const noexcept { return move[job * move_stride]; }
};

// Where a job is at home: n_slots is being left out.
struct Stay {
  Slot home;
  bool pinned;
};

// What a job pays for not staying: 0 where it has no home yet.
[[nodiscard]] inline double leaving(const Slab& slab, Job job, Stay stay) noexcept {
  if (stay.pinned) return std::numeric_limits<double>::infinity();
  return stay.home == slab.cost->n_slots() ? 0.0 : slab.move_of(job);
}
[[nodiscard]] inline double sticky_unplaced(const Slab& slab, Job job, Stay stay) noexcept {
  const double out = slab.unplaced_of(job);
  return stay.home == slab.cost->n_slots() ? out : out + leaving(slab, job, stay);
}
// Adds it to a row of costs, where closed classes are forbidden.
void add_leaving(const Slab& slab, Job job, Stay stay, double* row);
void forbid_closed(const Slab& slab, double* row);

// Rows are positions of the slab, as they stand now.
class StickyCost final : public CostSource {
 public:
  // Homes and pins are read where they lie.
  StickyCost(const Slab& slab, const std::vector<Slot>& home, const std::vector<std::uint8_t>& flags,
             std::uint8_t pinned)
      : CostSource(slab.cost->n_jobs(), slab.cost->n_slots()), slab_(slab), home_(home), flags_(flags), pin_(pinned) {}

  [[nodiscard]] bool real() const noexcept override { return true; }
  [[nodiscard]] bool singles() const noexcept override { return slab_.cost->singles(); }
  void reals(Rows rows, double* out) const override;
  [[nodiscard]] double real_at(Index row, Index slot) const override;
  void column(Rows rows, Index slot, double* out) const override;

 private:
  [[nodiscard]] Stay stay(Index row) const noexcept {
    const auto at = static_cast<std::size_t>(row);
    return {home_[at], (flags_[at] & pin_) != 0};
  }

  Slab slab_;
  const std::vector<Slot>& home_;
  const std::vector<std::uint8_t>& flags_;
  std::uint8_t pin_;
};

// Rows are the listed jobs, each with its own stay: a problem to be solved, or checked, as it was posed.
class LiveCost final : public CostSource {
 public:
  LiveCost(const Slab& slab, std::span<const Job> jobs, std::vector<Stay> stay, double reach);

  [[nodiscard]] bool real() const noexcept override { return true; }
  [[nodiscard]] bool singles() const noexcept override { return slab_.cost->singles(); }
  void reals(Rows rows, double* out) const override;
  [[nodiscard]] double real_at(Index row, Index slot) const override;
  void reals_at(Index row, std::span<const Slot> slots, double* out) const override;
  [[nodiscard]] bool sketches() const noexcept override { return !moves_ && slab_.cost->sketches(); }
  [[nodiscard]] Sketched sketch(Index row, double scale, float* out) const override;
  [[nodiscard]] double known_bound() const noexcept override { return reach_; }
  [[nodiscard]] std::vector<double> unplaced() const;  // (n_jobs), moves included
  [[nodiscard]] bool moves() const noexcept { return moves_; }

 private:
  Slab slab_;
  std::vector<Index> rows_;
  std::vector<Stay> stay_;
  double reach_;
  bool moves_ = false;  // does any job of the list pay for leaving, or is it pinned?
};

}  // namespace gridcompute::matcher
