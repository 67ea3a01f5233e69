// Statistics of a transport solve, for the two files that return them.
#pragma once

#include "common.hpp"
#include "gridcompute/transport/problem.hpp"

namespace gridcompute::bindings {

[[nodiscard]] const char* name_of(transport::Status status);
[[nodiscard]] py::dict stats_of(const transport::Stats& stats);

}  // namespace gridcompute::bindings
