#include "gridcompute/certificate/infeasibility.hpp"

#include <algorithm>
#include <vector>

namespace gridcompute::certificate {

std::optional<ConfinedJobs> count_confined(const TransportProblem& problem, std::span<const std::uint8_t> within,
                                           Index first, Index job, Pool& pool, Stop& stop) {
  const Index n = problem.cost->n_jobs(), n_slots = problem.cost->n_slots();
  const Index rows = std::max<Index>(1, kBlockCosts / std::max<Index>(1, n_slots));
  std::vector<ConfinedJobs> parts(static_cast<std::size_t>(Pool::chunks(n, kChunkJobs)));
  const auto count = [&](Index chunk, Index begin, Index end) {
    ConfinedJobs& part = parts[static_cast<std::size_t>(chunk)];
    std::vector<double> reals;
    std::vector<Cost> integers;
    for (Index i = begin; i < end; i += rows) {
      const Rows block{nullptr, i, std::min(rows, end - i)};
      const auto size = static_cast<std::size_t>(block.count * n_slots) + 1;
      if (problem.cost->real()) {
        reals.resize(size);
        problem.cost->reals(block, reals.data());
      } else {
        integers.resize(size);
        problem.cost->integers(block, integers.data());
      }
      for (Index k = 0; k < block.count; ++k) {
        bool invalid = false, elsewhere = false;
        for (Index s = 0; s < n_slots; ++s) {
          const auto at = static_cast<std::size_t>(k * n_slots + s);
          const bool open =
              problem.cost->real() ? reals[at] < kInf : !(integers[at] == kForbidden && problem.cost->forbids());
          invalid = invalid || (problem.cost->real() && !(reals[at] > -kInf));
          elsewhere = elsewhere || (open && within[static_cast<std::size_t>(s)] == 0);
        }
        if (invalid) part.invalid.add(first + i + k, 0);
        if (elsewhere || problem.out(i + k) < kInf) continue;
        ++part.count;
        part.named = part.named || first + i + k == job;
      }
    }
  };
  if (!pool.for_chunks(n, kChunkJobs, count, &stop)) return std::nullopt;
  ConfinedJobs total;
  for (const ConfinedJobs& part : parts) total.join(part);
  return total;
}

}  // namespace gridcompute::certificate
