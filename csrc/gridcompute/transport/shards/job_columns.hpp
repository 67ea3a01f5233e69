// The columns of jobs, and what leaving each job unplaced costs. Costs are one of
//
//   terms    (cost/terms.hpp): a key and a coefficient for each term;
//   formula  (cost/source.hpp): the columns that a compiled formula reads, of any fixed width;
//   matrix   (cost/dense.hpp): one column, whose entry is the job's row of costs.
//
// Columns of formulas and matrices are bytes to all code but the source that make_cost returns.
#pragma once

#include <memory>
#include <vector>

#include "gridcompute/base/memory.hpp"
#include "gridcompute/base/message.hpp"
#include "gridcompute/base/parallel.hpp"
#include "gridcompute/cost/source.hpp"
#include "gridcompute/cost/terms.hpp"
#include "gridcompute/transport/problem.hpp"

namespace gridcompute::transport {

// The part that all shards of a problem have in common: how costs follow from columns, and which columns there are.
struct CostModel {
  enum class Form { terms, formula, matrix_float, matrix_double };
  struct Table {
    const double* entries;  // (n_keys, n_slots)
    Index n_keys;
    bool keyed, scaled;  // whether there is a column of keys, and of coefficients
  };
  enum class Unplaced { never, scalar, column };

  Index n_slots = 0;
  Form form = Form::terms;
  std::vector<Table> tables;       // of terms
  std::vector<std::size_t> plain;  // of a formula or a matrix: bytes a job of each column
  // The context of a formula (costs/kernels.py): n_jobs, n_slots, then of each parameter its address and its shape; and
  // the positions of the columns' addresses among these.
  FillRows formula = nullptr;
  std::vector<std::uint64_t> words;
  std::vector<std::size_t> places;
  Unplaced unplaced = Unplaced::never;
  double unplaced_cost = 0;  // scalar

  [[nodiscard]] Slot columns() const noexcept {
    return static_cast<Slot>(n_slots + (unplaced != Unplaced::never ? 1 : 0));
  }
};

// Columns in the caller's memory. Null where there is no such column.
struct ColumnsView {
  Index n = 0;
  std::vector<const std::int32_t*> key;  // (terms), each (n)
  std::vector<const double*> coef;
  const double* unplaced = nullptr;
  struct Plain {
    const char* data;
    std::size_t width;  // bytes a job
  };
  std::vector<Plain> plain{};

  [[nodiscard]] ColumnsView rows(Index first, Index count) const;
};

// Ranges of columns: the largest |coef| of each term, and the largest finite |cost| of leaving a job unplaced.
struct ColumnExtents {
  std::vector<double> coef;
  double unplaced = 0;
};

// Throws where a key is beyond its table, a coefficient not finite, or a cost of leaving a job unplaced NaN or -inf.
// first: the number of the first job, for messages. Returns the ranges.
ColumnExtents check_columns(const CostModel& model, const ColumnsView& columns, Index first, Pool& pool);

// Owns the columns of a few jobs.
class JobColumns {
 public:
  JobColumns() = default;
  explicit JobColumns(const CostModel& model);

  void append(const ColumnsView& from, std::span<const std::int32_t> rows);
  void append(const JobColumns& other);
  void reserve(Index rows);
  // Returns the rows of this object followed by those of `other`.
  [[nodiscard]] JobColumns merged(const JobColumns& other, std::span<const Index> order) const;
  [[nodiscard]] Index size() const noexcept { return n_; }
  // Returns the largest number of bytes of a row.
  [[nodiscard]] std::size_t bytes_a_row() const noexcept;
  [[nodiscard]] ColumnsView view() const;

  void write(MessageWriter& out) const;
  // Throws unless these are columns of the model.
  [[nodiscard]] static JobColumns read(MessageReader& in, const CostModel& model);

 private:
  Index n_ = 0;
  std::vector<DefaultInitVector<std::int32_t>> keys_;
  std::vector<DefaultInitVector<double>> coefs_;
  DefaultInitVector<double> unplaced_;
  struct Plain {
    std::size_t width = 0;
    DefaultInitVector<char> bytes;
  };
  std::vector<Plain> plain_;
};

// Makes the cost source of these rows, whose columns it reads in place. scope: the whole problem.
[[nodiscard]] std::unique_ptr<CostSource> make_cost(const CostModel& model, const ColumnsView& columns,
                                                    const TermsScope& scope);
// Sets the cost of leaving these jobs unplaced. The model is read in place.
void set_unplaced(const CostModel& model, const ColumnsView& columns, Problem& problem);

// The cost source of the jobs whose rows the coordinator has: those of samples first, then the listed ones.
//
// n_jobs() is the number of all jobs; rows are those gathered, in the order of the jobs, and identity() returns a row's
// job.

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

  [[nodiscard]] Index identity(Index row) const noexcept override { return positions_[at(row)]; }
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
