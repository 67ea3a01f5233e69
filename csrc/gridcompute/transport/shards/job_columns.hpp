// The columns of jobs whose costs are terms (cost/terms.hpp): a key and a coefficient for each term, and what leaving
// the job unplaced costs.
#pragma once

#include <memory>
#include <vector>

#include "gridcompute/base/default_init.hpp"
#include "gridcompute/base/message.hpp"
#include "gridcompute/base/parallel.hpp"
#include "gridcompute/cost/terms.hpp"
#include "gridcompute/transport/problem.hpp"

namespace gridcompute::transport {

// What all shards of a problem have in common: the tables, and which columns there are.
struct TermsModel {
  struct Table {
    const double* entries;  // (n_keys, n_slots)
    Index n_keys;
    bool keyed, scaled;  // is there a column of keys, of coefficients?
  };
  enum class Unplaced { never, scalar, column };

  Index n_slots = 0;
  std::vector<Table> tables;
  Unplaced unplaced = Unplaced::never;
  double unplaced_cost = 0;  // scalar

  [[nodiscard]] Slot columns() const noexcept {
    return static_cast<Slot>(n_slots + (unplaced != Unplaced::never ? 1 : 0));
  }
};

// Columns in memory of the caller. Null where there is no such column.
struct ColumnsView {
  Index n = 0;
  std::vector<const std::int32_t*> key;  // (terms), each (n)
  std::vector<const double*> coef;
  const double* unplaced = nullptr;

  [[nodiscard]] ColumnsView rows(Index first, Index count) const;
};

// Ranges of columns: the largest |coef| of each term, and the largest finite |cost| of leaving a job unplaced.
struct ColumnExtents {
  std::vector<double> coef;
  double unplaced = 0;
};

// Throws where a key is beyond its table, a coefficient not finite, or a cost of being unplaced NaN or -inf. first: the
// number of the first job, for messages. Returns the ranges.
ColumnExtents check_columns(const TermsModel& model, const ColumnsView& columns, Index first, Pool& pool);

// Columns of a few jobs, in memory of their own.
class JobColumns {
 public:
  JobColumns() = default;
  explicit JobColumns(const TermsModel& model) : keys_(model.tables.size()), coefs_(model.tables.size()) {}

  void append(const ColumnsView& from, std::span<const std::int32_t> rows);
  void append(const JobColumns& other);
  void reserve(Index rows);
  // Returns rows of this and then of `other`, in this order.
  [[nodiscard]] JobColumns merged(const JobColumns& other, std::span<const Index> order) const;
  [[nodiscard]] Index size() const noexcept { return n_; }
  // Returns the bytes of a row, at most.
  [[nodiscard]] std::size_t bytes_a_row() const noexcept {
    return keys_.size() * (sizeof(std::int32_t) + sizeof(double)) + sizeof(double);
  }
  [[nodiscard]] ColumnsView view() const;

  void write(MessageWriter& out) const;
  [[nodiscard]] static JobColumns read(MessageReader& in);

 private:
  Index n_ = 0;
  std::vector<DefaultInitVector<std::int32_t>> keys_;
  std::vector<DefaultInitVector<double>> coefs_;
  DefaultInitVector<double> unplaced_;
};

// Makes the cost source of these rows, whose columns it reads in place. scope: what they are part of.
[[nodiscard]] std::unique_ptr<TermsCost> make_terms(const TermsModel& model, const ColumnsView& columns,
                                                    const TermsScope& scope);
// Sets the cost of leaving these jobs unplaced. The model is read in place.
void set_unplaced(const TermsModel& model, const ColumnsView& columns, Problem& problem);

}  // namespace gridcompute::transport
