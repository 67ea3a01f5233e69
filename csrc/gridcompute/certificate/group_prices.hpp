// The Lagrangian bound of jobs that do not all pay the same prices, as those of queues whose limits have prices.
//
// Problem. Jobs are in groups. A job of group g pays w (p_s + r_gs) for class s beside its cost, w being its demand.
// Each placement costs at least the sum over jobs of min(pen_i, min_s (c_is + w_i (p_s + r_gs))), less what the caller
// knows slots and limits to be worth at most.
//
// Rigour. As transport.hpp: r_gs is a sum of several doubles, added without rounding; the sum over jobs is exact but
// for the last addition of each gang, which is rounded both ways.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "gridcompute/certificate/transport.hpp"

namespace gridcompute::certificate {

// Encloses the sum of the least costs of all jobs; (-inf, inf) if prices or costs are invalid, inf if some job has no
// option. group: (n_jobs), each below the number of remainders; remainders: of each group, rows of (n_slots) that are
// added to the prices. nullopt after a stop.
[[nodiscard]] std::optional<Enclosure> least_costs(const TransportProblem& problem, std::span<const std::int32_t> group,
                                                   std::span<const double> prices,
                                                   std::span<const std::span<const double>> remainders, Pool& pool,
                                                   Stop& stop);

}  // namespace gridcompute::certificate
