// A transport problem as the certificate reads it, and its report: shared by the checks on request, after each solve,
// and of shards.
#pragma once

#include "cost.hpp"
#include "gridcompute/certificate/transport.hpp"

namespace gridcompute::bindings {

[[nodiscard]] certificate::TransportProblem certified_problem(const Source& source, const Array<std::int64_t>& capacity,
                                                              const std::optional<Array<std::int32_t>>& demand,
                                                              const std::optional<Array<double>>& unplaced);
// Returns a report as a Python object.
[[nodiscard]] py::dict dict_of(const certificate::TransportReport& r);

}  // namespace gridcompute::bindings
