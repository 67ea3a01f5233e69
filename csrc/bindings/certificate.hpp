// The problem of a transport as the certificate reads it: shared by the check on request and the check of each solve.
#pragma once

#include "cost.hpp"
#include "gridcompute/certificate/transport.hpp"

namespace gridcompute::bindings {

[[nodiscard]] certificate::TransportProblem certified_problem(const Source& source, const Array<std::int64_t>& capacity,
                                                              const std::optional<Array<std::int32_t>>& demand,
                                                              const std::optional<Array<double>>& unplaced);

}  // namespace gridcompute::bindings
