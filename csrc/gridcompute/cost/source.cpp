#include "gridcompute/cost/source.hpp"

#include <vector>

#include "gridcompute/base/error.hpp"

namespace gridcompute {

void CostSource::integers(Rows, Cost*) const {
  throw Error(ErrorKind::internal, "cost", -1, "a real cost source was read as integers");
}

void CostSource::reals(Rows, double*) const {
  throw Error(ErrorKind::internal, "cost", -1, "an integer cost source was read as reals");
}

Cost CostSource::integer_at(Index job, Index slot) const {
  std::vector<Cost> row(static_cast<std::size_t>(n_slots_));
  integers(Rows{&job, 0, 1}, row.data());
  return row[static_cast<std::size_t>(slot)];
}

double CostSource::real_at(Index job, Index slot) const {
  std::vector<double> row(static_cast<std::size_t>(n_slots_));
  reals(Rows{&job, 0, 1}, row.data());
  return row[static_cast<std::size_t>(slot)];
}

}  // namespace gridcompute
