// Costs with switching costs: a placed job pays its move cost in every class but its own, and a pinned job may be in no
// other class.
//
// The matcher and the transport solve of a cold round both read costs from here, so that their keys agree to the bit:
// the move cost is added to the cost as a double, and the sum is quantised once.
//
// Definitions. A job is a position in the job store: a row of the caller's columns, which the caller assigns and may
// reuse. Class n_slots, one past the last, stands for being unplaced.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "gridcompute/cost/source.hpp"

namespace gridcompute::live {

using Job = std::int32_t;  // a position in the job store, as the interner of ids assigns them

// The caller's columns over all positions of the job store, read in place.
struct StoreColumns {
  const CostSource* cost = nullptr;  // read as doubles; n_jobs is the size of the job store
  const double* unplaced = nullptr;  // (n_jobs), or (1) with stride 0; +inf: the job must be placed
  Index unplaced_stride = 0;
  const double* move = nullptr;  // the move costs: (n_jobs), or (1) with stride 0; finite, >= 0
  Index move_stride = 0;
  std::shared_ptr<const std::vector<Slot>> closed;  // classes that are forbidden to all jobs; null: none

  [[nodiscard]] double unplaced_of(Job job) const noexcept { return unplaced[job * unplaced_stride]; }
  [[nodiscard]] double move_of(Job job) const noexcept { return move[job * move_stride]; }
};

// The class that the last round reported for a job (n_slots: unplaced), and whether the job is pinned there.
struct Placement {
  Slot slot;
  bool pinned;
};

// Returns the switching cost of the job in any class but its own: +inf if it is pinned, 0 if it is unplaced.
[[nodiscard]] inline double switching_cost(const StoreColumns& columns, Job job, Placement placement) noexcept {
  if (placement.pinned) return std::numeric_limits<double>::infinity();
  return placement.slot == columns.cost->n_slots() ? 0.0 : columns.move_of(job);
}

// Returns the cost of leaving the job unplaced, its switching cost included.
[[nodiscard]] inline double unplaced_with_switching(const StoreColumns& columns, Job job,
                                                    Placement placement) noexcept {
  const double out = columns.unplaced_of(job);
  return placement.slot == columns.cost->n_slots() ? out : out + switching_cost(columns, job, placement);
}

// Adds the switching cost to a job's row of costs (n_slots), and forbids the closed classes.
void add_switching_cost(const StoreColumns& columns, Job job, Placement placement, double* row);

// Sets the costs of closed classes in a row (n_slots) to +inf.
void forbid_closed(const StoreColumns& columns, double* row);

// Costs of all positions of the job store, with switching costs from the placements as they are when a cost is read.
class SwitchingCost final : public CostSource {
 public:
  // Keeps references to `placed` and `flags`; a job is pinned if its flags have the bit `pinned_flag`.
  SwitchingCost(const StoreColumns& columns, const std::vector<Slot>& placed, const std::vector<std::uint8_t>& flags,
                std::uint8_t pinned_flag)
      : CostSource(columns.cost->n_jobs(), columns.cost->n_slots()),
        columns_(columns),
        placed_(placed),
        flags_(flags),
        pinned_flag_(pinned_flag) {}

  [[nodiscard]] bool real() const noexcept override { return true; }
  [[nodiscard]] bool singles() const noexcept override { return columns_.cost->singles(); }
  void reals(Rows rows, double* out) const override;
  [[nodiscard]] double real_at(Index row, Index slot) const override;
  void column(Rows rows, Index slot, double* out) const override;

 private:
  [[nodiscard]] Placement placement(Index row) const noexcept {
    const auto at = static_cast<std::size_t>(row);
    return {placed_[at], (flags_[at] & pinned_flag_) != 0};
  }

  StoreColumns columns_;
  const std::vector<Slot>& placed_;
  const std::vector<std::uint8_t>& flags_;
  std::uint8_t pinned_flag_;
};

// Costs of a list of jobs, with switching costs from placements that are copied: the problem of one round as it was
// posed, to be solved by transport or checked by a certificate after the placements have changed.
class PosedCost final : public CostSource {
 public:
  PosedCost(const StoreColumns& columns, std::span<const Job> jobs, std::vector<Placement> placements,
            double max_abs_cost);

  [[nodiscard]] bool real() const noexcept override { return true; }
  [[nodiscard]] bool singles() const noexcept override { return columns_.cost->singles(); }
  void reals(Rows rows, double* out) const override;
  [[nodiscard]] double real_at(Index row, Index slot) const override;
  void reals_at(Index row, std::span<const Slot> slots, double* out) const override;
  [[nodiscard]] bool sketches() const noexcept override { return !any_switching_ && columns_.cost->sketches(); }
  [[nodiscard]] Sketched sketch(Index row, double scale, float* out) const override;
  [[nodiscard]] double known_bound() const noexcept override { return max_abs_cost_; }
  [[nodiscard]] std::vector<double> unplaced() const;  // (n_jobs), switching costs included
  [[nodiscard]] bool any_switching() const noexcept { return any_switching_; }

 private:
  StoreColumns columns_;
  std::vector<Index> rows_;
  std::vector<Placement> placements_;
  double max_abs_cost_;
  bool any_switching_ = false;  // some listed job has a switching cost other than 0
};

}  // namespace gridcompute::live
