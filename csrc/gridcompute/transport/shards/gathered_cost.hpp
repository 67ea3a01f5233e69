// The cost source of the jobs whose rows the coordinator has: those of samples first, then the listed ones.
//
// n_jobs() is the number of all jobs; rows are those gathered, in the order of the jobs, and identity() returns a row's
// job.
#pragma once

#include <memory>
#include <vector>

#include "gridcompute/transport/shards/job_columns.hpp"

namespace gridcompute::transport {

class GatheredCost final : public CostSource {
 public:
  GatheredCost(const CostModel& model, TermsScope scope)
      : CostSource(scope.n_jobs, model.n_slots), model_(model), scope_(std::move(scope)) {
    hold(JobColumns(model), {});
  }

  // Replaces the rows. positions: of the jobs, ascending.
  void hold(JobColumns columns, std::vector<Index> positions);
  [[nodiscard]] const JobColumns& columns() const noexcept { return columns_; }
  [[nodiscard]] const std::vector<Index>& positions() const noexcept { return positions_; }
  [[nodiscard]] const TermsScope& scope() const noexcept { return scope_; }

  [[nodiscard]] Index identity(Index row) const noexcept override { return positions_[static_cast<std::size_t>(row)]; }
  [[nodiscard]] bool real() const noexcept override { return true; }
  [[nodiscard]] bool singles() const noexcept override { return cost_->singles(); }
  void reals(Rows rows, double* out) const override { cost_->reals(rows, out); }
  [[nodiscard]] double real_at(Index row, Index slot) const override { return cost_->real_at(row, slot); }
  void reals_at(Index row, std::span<const Slot> slots, double* out) const override {
    cost_->reals_at(row, slots, out);
  }
  [[nodiscard]] bool sketches() const noexcept override { return cost_->sketches(); }
  [[nodiscard]] Sketched sketch(Index row, double scale, float* out) const override {
    return cost_->sketch(row, scale, out);
  }
  void column(Rows rows, Index slot, double* out) const override { cost_->column(rows, slot, out); }
  [[nodiscard]] bool least(Rows rows, double* out) const override { return cost_->least(rows, out); }
  [[nodiscard]] bool forbids() const noexcept override { return cost_->forbids(); }
  [[nodiscard]] double known_bound() const noexcept override { return cost_->known_bound(); }

 private:
  const CostModel& model_;
  TermsScope scope_;
  JobColumns columns_;
  std::vector<Index> positions_;
  std::unique_ptr<CostSource> cost_;
};

}  // namespace gridcompute::transport
