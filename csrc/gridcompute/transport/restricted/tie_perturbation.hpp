// Perturbation of a restricted problem: the decision by a sample's ties, and the removal from an optimum (theory:
// model/perturbation.hpp).
#pragma once

#include <functional>
#include <span>

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/transport/model/perturbation.hpp"
#include "gridcompute/transport/restricted/restricted_problem.hpp"

namespace gridcompute::transport {

// Returns whether, at a sample's prices, enough classes are within a key or two of each job's cheapest that keys should
// be perturbed. Where jobs share lists these may be few; the first sample (`first`) is too small to decide. Duplicate
// columns (duplicates_in_sample.hpp) tie for all jobs and count once: perturbing them would only make their lists
// differ.
[[nodiscard]] bool needs_perturbation(const RestrictedProblem& r, std::span<const Slot> duplicate_of,
                                      std::span<const Cost> prices, bool first, const Tuning& tuning = kDefaultTuning);

// Subtracts e from the keys of candidates, of groups of one job each; lowers the bounds on other classes by the largest
// e.
void remove_perturbation(RestrictedProblem& r, const KeyPerturber& breaker, const std::function<Index(Index)>& job_at,
                         const std::function<Cost(Index)>& weight_of, Pool& pool);

}  // namespace gridcompute::transport
