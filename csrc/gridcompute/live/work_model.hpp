// Estimates the work of a round, warm or cold, from counts alone: no clock is read, so every run decides alike.
//
// Work is in the units of tuning.hpp; only the ratio of two amounts is ever used.
#pragma once

#include "gridcompute/live/move_index.hpp"

namespace gridcompute::live {

struct WorkModel {
  const LiveTuning& tuning;
  Index n_live;
  Slot n_classes;
  bool single_costs;  // reading one cost is cheaper than reading its row

  // Estimates a solve by transport.
  [[nodiscard]] Index cold() const noexcept {
    return n_live * (tuning.cold_work_two_keys * Index{n_classes} / 2 + tuning.cold_work_job) + tuning.cold_work_fixed;
  }
  // Estimates reading one row and inserting the job's moves.
  [[nodiscard]] Index row() const noexcept { return tuning.row_work_key * Index{n_classes} + tuning.row_work_fixed; }
  // Estimates repricing one class.
  [[nodiscard]] Index column() const noexcept { return n_live * (single_costs ? tuning.column_work_job : row()); }
  // Estimates routing n units of excess, before any was routed.
  [[nodiscard]] Index units(Index n) const noexcept { return tuning.unit_work * n; }
  // Returns the work that was counted.
  [[nodiscard]] Index of(const WorkCounts& done) const noexcept {
    return tuning.arc_work * (done.arcs_scanned + done.column_costs_read) +
           tuning.class_cost_work * done.class_costs_read + row() * done.rows_read;
  }
  // Returns a number of thousandths of a cold solve's work.
  [[nodiscard]] Index cold_share(Index thousandths) const noexcept {
    return cold() / 1000 * thousandths + cold() % 1000 * thousandths / 1000;
  }
};

}  // namespace gridcompute::live
