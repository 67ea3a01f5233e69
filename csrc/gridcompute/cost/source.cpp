#include "gridcompute/cost/source.hpp"

#include "gridcompute/base/error.hpp"

namespace gridcompute {

void CostSource::integers(Rows, Cost*) const {
  throw Error(ErrorKind::internal, "cost", -1, "a real cost source was read as integers");
}

void CostSource::reals(Rows, double*) const {
  throw Error(ErrorKind::internal, "cost", -1, "an integer cost source was read as reals");
}

}  // namespace gridcompute
