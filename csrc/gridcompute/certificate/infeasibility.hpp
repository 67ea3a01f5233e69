// Counts the jobs that fit into some classes only, which proves that there is no matching; jobs may be read part by
// part.
//
// Problem. Hall's condition: if more jobs that must be placed have all their open classes within a set T than the
// classes of T have slots, no matching places all jobs. Which jobs these are needs no list: they are counted.
//
// Complexity. One evaluation of every cost, in fixed chunks; counts are the same for any thread count.
//
// Source. Hall, J. London Math. Soc. 10 (1935) 26.
#pragma once

#include <optional>
#include <span>
#include <tuple>

#include "gridcompute/certificate/transport.hpp"

namespace gridcompute::certificate {

struct ConfinedJobs {
  Index count = 0;     // jobs that must be placed and have no open class outside `within`
  bool named = false;  // `job` is one of them
  JobFault invalid;    // rows with NaN or -inf
  void join(const ConfinedJobs& later) noexcept {
    count += later.count;
    named = named || later.named;
    invalid.join(later.invalid);
  }
  static auto parts(auto& c) { return std::tie(c.count, c.named, c.invalid); }
};

// Counts these jobs in a problem with demand 1 that is part of a larger one. first: the number of its first job there;
// within: (n_slots), 1 for the classes of the set; job: the number of a job, or -1, to be tested for being one of them.
// nullopt after a stop.
[[nodiscard]] std::optional<ConfinedJobs> count_confined(const TransportProblem& problem,
                                                         std::span<const std::uint8_t> within, Index first, Index job,
                                                         Pool& pool, Stop& stop);

}  // namespace gridcompute::certificate
