#include "gridcompute/live/switching_cost.hpp"

#include <algorithm>
#include <cmath>

#include "gridcompute/base/simd.hpp"

namespace gridcompute::matcher {

namespace {

GRIDCOMPUTE_CLONES void raise(double* GRIDCOMPUTE_RESTRICT row, Index n, double by) {
  for (Index s = 0; s < n; ++s) row[s] += by;
}

double with_leaving(const Slab& slab, Job job, Stay stay, Index slot, double cost) {
  if (slab.closed && std::find(slab.closed->begin(), slab.closed->end(), slot) != slab.closed->end())
    return std::numeric_limits<double>::infinity();
  const double by = slot == stay.home ? 0.0 : leaving(slab, job, stay);
  return by == 0 ? cost : cost + by;
}

}  // namespace

void add_leaving(const Slab& slab, Job job, Stay stay, double* row) {
  const Index n = slab.cost->n_slots();
  const double by = leaving(slab, job, stay);
  forbid_closed(slab, row);
  if (by == 0) return;
  const double here = stay.home < n ? row[stay.home] : 0;
  raise(row, n, by);
  if (stay.home < n) row[stay.home] = here;
}

void forbid_closed(const Slab& slab, double* row) {
  if (!slab.closed) return;
  for (const Slot s : *slab.closed) row[s] = std::numeric_limits<double>::infinity();
}

void StickyCost::reals(Rows rows, double* out) const {
  slab_.cost->reals(rows, out);
  for (Index k = 0; k < rows.count; ++k)
    add_leaving(slab_, static_cast<Job>(rows[k]), stay(rows[k]), out + k * n_slots());
}

double StickyCost::real_at(Index row, Index slot) const {
  return with_leaving(slab_, static_cast<Job>(row), stay(row), slot, slab_.cost->real_at(row, slot));
}

void StickyCost::column(Rows rows, Index slot, double* out) const {
  slab_.cost->column(rows, slot, out);
  for (Index k = 0; k < rows.count; ++k)
    out[k] = with_leaving(slab_, static_cast<Job>(rows[k]), stay(rows[k]), slot, out[k]);
}

LiveCost::LiveCost(const Slab& slab, std::span<const Job> jobs, std::vector<Stay> stay, double reach)
    : CostSource(static_cast<Index>(jobs.size()), slab.cost->n_slots()),
      slab_(slab),
      rows_(jobs.begin(), jobs.end()),
      stay_(std::move(stay)),
      reach_(reach) {
  for (std::size_t k = 0; k < jobs.size(); ++k) moves_ = moves_ || leaving(slab, jobs[k], stay_[k]) != 0;
}

void LiveCost::reals(Rows rows, double* out) const {
  if (rows.list == nullptr) {
    slab_.cost->reals(Rows{rows_.data() + rows.first, 0, rows.count}, out);
  } else {
    std::vector<Index> list(static_cast<std::size_t>(rows.count));
    for (Index k = 0; k < rows.count; ++k)
      list[static_cast<std::size_t>(k)] = rows_[static_cast<std::size_t>(rows.list[k])];
    slab_.cost->reals(Rows{list.data(), 0, rows.count}, out);
  }
  if (!moves_ && !slab_.closed) return;
  for (Index k = 0; k < rows.count; ++k) {
    const auto row = static_cast<std::size_t>(rows[k]);
    add_leaving(slab_, static_cast<Job>(rows_[row]), stay_[row], out + k * n_slots());
  }
}

double LiveCost::real_at(Index row, Index slot) const {
  const auto at = static_cast<std::size_t>(row);
  return with_leaving(slab_, static_cast<Job>(rows_[at]), stay_[at], slot, slab_.cost->real_at(rows_[at], slot));
}

void LiveCost::reals_at(Index row, std::span<const Slot> slots, double* out) const {
  const auto at = static_cast<std::size_t>(row);
  slab_.cost->reals_at(rows_[at], slots, out);
  for (std::size_t k = 0; k < slots.size(); ++k)
    out[k] = with_leaving(slab_, static_cast<Job>(rows_[at]), stay_[at], slots[k], out[k]);
}

Sketched LiveCost::sketch(Index row, double scale, float* out) const {
  const Sketched made = slab_.cost->sketch(rows_[static_cast<std::size_t>(row)], scale, out);
  if (!slab_.closed) return made;
  for (const Slot s : *slab_.closed) out[s] = std::numeric_limits<float>::infinity();
  return made;
}

std::vector<double> LiveCost::unplaced() const {
  std::vector<double> out(rows_.size());
  for (std::size_t k = 0; k < rows_.size(); ++k) out[k] = sticky_unplaced(slab_, static_cast<Job>(rows_[k]), stay_[k]);
  return out;
}

}  // namespace gridcompute::matcher
