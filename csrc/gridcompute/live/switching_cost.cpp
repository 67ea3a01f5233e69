#include "gridcompute/live/switching_cost.hpp"

#include <algorithm>
#include <cmath>

#include "gridcompute/base/simd.hpp"

namespace gridcompute::live {

namespace {

GRIDCOMPUTE_CLONES void add_to_row(double* GRIDCOMPUTE_RESTRICT row, Index n, double by) {
  for (Index s = 0; s < n; ++s) row[s] += by;
}

double with_switching_cost(const StoreColumns& columns, Job job, Placement placement, Index slot, double cost) {
  if (columns.closed && std::find(columns.closed->begin(), columns.closed->end(), slot) != columns.closed->end())
    return std::numeric_limits<double>::infinity();
  const double by = slot == placement.slot ? 0.0 : switching_cost(columns, job, placement);
  return by == 0 ? cost : cost + by;
}

}  // namespace

void add_switching_cost(const StoreColumns& columns, Job job, Placement placement, double* row) {
  const Index n = columns.cost->n_slots();
  const double by = switching_cost(columns, job, placement);
  forbid_closed(columns, row);
  if (by == 0) return;
  const double here = placement.slot < n ? row[placement.slot] : 0;
  add_to_row(row, n, by);
  if (placement.slot < n) row[placement.slot] = here;
}

void forbid_closed(const StoreColumns& columns, double* row) {
  if (!columns.closed) return;
  for (const Slot s : *columns.closed) row[s] = std::numeric_limits<double>::infinity();
}

void SwitchingCost::reals(Rows rows, double* out) const {
  columns_.cost->reals(rows, out);
  for (Index k = 0; k < rows.count; ++k)
    add_switching_cost(columns_, static_cast<Job>(rows[k]), placement(rows[k]), out + k * n_slots());
}

double SwitchingCost::real_at(Index row, Index slot) const {
  return with_switching_cost(columns_, static_cast<Job>(row), placement(row), slot, columns_.cost->real_at(row, slot));
}

void SwitchingCost::column(Rows rows, Index slot, double* out) const {
  columns_.cost->column(rows, slot, out);
  for (Index k = 0; k < rows.count; ++k)
    out[k] = with_switching_cost(columns_, static_cast<Job>(rows[k]), placement(rows[k]), slot, out[k]);
}

PosedCost::PosedCost(const StoreColumns& columns, std::span<const Job> jobs, std::vector<Placement> placements,
                     double max_abs_cost)
    : CostSource(static_cast<Index>(jobs.size()), columns.cost->n_slots()),
      columns_(columns),
      rows_(jobs.begin(), jobs.end()),
      placements_(std::move(placements)),
      max_abs_cost_(max_abs_cost) {
  for (std::size_t k = 0; k < jobs.size(); ++k)
    any_switching_ = any_switching_ || switching_cost(columns, jobs[k], placements_[k]) != 0;
}

void PosedCost::reals(Rows rows, double* out) const {
  if (rows.list == nullptr) {
    columns_.cost->reals(Rows{rows_.data() + rows.first, 0, rows.count}, out);
  } else {
    std::vector<Index> list(at(rows.count));
    for (Index k = 0; k < rows.count; ++k) list[at(k)] = rows_[at(rows.list[k])];
    columns_.cost->reals(Rows{list.data(), 0, rows.count}, out);
  }
  if (!any_switching_ && !columns_.closed) return;
  for (Index k = 0; k < rows.count; ++k) {
    const auto row = at(rows[k]);
    add_switching_cost(columns_, static_cast<Job>(rows_[row]), placements_[row], out + k * n_slots());
  }
}

double PosedCost::real_at(Index row, Index slot) const {
  const auto at = static_cast<std::size_t>(row);
  return with_switching_cost(columns_, static_cast<Job>(rows_[at]), placements_[at], slot,
                             columns_.cost->real_at(rows_[at], slot));
}

void PosedCost::reals_at(Index row, std::span<const Slot> slots, double* out) const {
  const auto at = static_cast<std::size_t>(row);
  columns_.cost->reals_at(rows_[at], slots, out);
  for (std::size_t k = 0; k < slots.size(); ++k)
    out[k] = with_switching_cost(columns_, static_cast<Job>(rows_[at]), placements_[at], slots[k], out[k]);
}

Sketched PosedCost::sketch(Index row, double scale, float* out) const {
  const Sketched made = columns_.cost->sketch(rows_[at(row)], scale, out);
  if (!columns_.closed) return made;
  for (const Slot s : *columns_.closed) out[s] = std::numeric_limits<float>::infinity();
  return made;
}

std::vector<double> PosedCost::unplaced() const {
  std::vector<double> out(rows_.size());
  for (std::size_t k = 0; k < rows_.size(); ++k)
    out[k] = unplaced_with_switching(columns_, static_cast<Job>(rows_[k]), placements_[k]);
  return out;
}

}  // namespace gridcompute::live
