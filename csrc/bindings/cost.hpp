// A cost source held by Python.
#pragma once

#include "common.hpp"
#include "gridcompute/cost/source.hpp"

namespace gridcompute::bindings {

struct Source {
  std::unique_ptr<CostSource> cost;
  py::object keep;  // the arrays it reads in place
};

}  // namespace gridcompute::bindings
