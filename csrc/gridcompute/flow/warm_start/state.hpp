// The data of a warm start: the optimal tree in one width, its problem, and the work of a solve from nothing.
#pragma once

#include <memory>
#include <mutex>

#include "gridcompute/flow/network_simplex/network_simplex.hpp"
#include "gridcompute/flow/problem.hpp"

namespace gridcompute::flow {

// The latest solve from nothing on this graph.
struct ColdSolveRecord {
  Index work = kNoBudget;     // work units; kNoBudget: not known
  bool from_forest = false;   // its start was a forest or a star
  bool from_scaling = false;  // its start was that of cost scaling
};

// Belongs to the topology that it was made on. Immutable.
template <class Int>
struct WarmStartState {
  WarmStartState(NetworkSimplex<Int>&& compacted, ArcData<Int>&& arcs, std::int64_t negative,
                 const ColdSolveRecord& record, bool can_resume)
      : simplex(std::move(compacted)),
        data(std::move(arcs)),
        negative_capacity(negative),
        cold(record),
        resumable(can_resume) {}

  NetworkSimplex<Int> simplex;
  ArcData<Int> data;
  std::int64_t negative_capacity = 0;  // N of problem.hpp
  ColdSolveRecord cold;
  // The tree is optimal, and there are no lower bounds, self-loops, infinite arcs of negative cost or costs out of
  // range.
  bool resumable = false;

  [[nodiscard]] std::shared_ptr<const RawVector<std::int64_t>> flow(const Topology& topology) const;

 private:
  mutable std::once_flag flow_computed_;
  mutable std::shared_ptr<const RawVector<std::int64_t>> flow_;
};

}  // namespace gridcompute::flow
