// The columns of jobs, and what leaving each job unplaced costs. Costs are one of
//
//   terms    (cost/terms.hpp): a key and a coefficient for each term;
//   formula  (cost/callback.hpp): the columns that a compiled formula reads, of any fixed width;
//   matrix   (cost/dense.hpp): one column, whose entry is the job's row of costs.
//
// Columns of formulas and matrices are bytes to all code but the source that make_cost returns.
#pragma once

#include <memory>
#include <vector>

#include "gridcompute/base/default_init.hpp"
#include "gridcompute/base/message.hpp"
#include "gridcompute/base/parallel.hpp"
#include "gridcompute/cost/callback.hpp"
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
  // The context of a formula (costs/jit.py): n_jobs, n_slots, then of each parameter its address and its shape; and the
  // positions of the columns' addresses among these.
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

}  // namespace gridcompute::transport
