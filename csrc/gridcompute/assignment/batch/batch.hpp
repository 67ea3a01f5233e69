// Many dense matrices of one shape: each as strategy.hpp solves it alone, in fixed chunks over threads.
//
// Determinism. Each matrix gets the pairs that it would get alone, whatever the number of threads.
#pragma once

#include "gridcompute/assignment/problem.hpp"
#include "gridcompute/assignment/tuning.hpp"
#include "gridcompute/base/stop.hpp"

namespace gridcompute::assignment {

// The outcome of a batch: optimal, or the status of the first matrix without an optimal answer and its index; -1 where
// a stop came before any.
struct BatchStatus {
  AssignmentStatus status = AssignmentStatus::optimal;
  Index failed = -1;
};

// Solves `count` matrices that follow one another in memory; pairs as solve_pairs, one matrix after the other. Throws
// Error with the index of the matrix in its message.
template <class T>
[[nodiscard]] BatchStatus solve_batch(const DenseMatrix<T>& first, Index count, bool maximize, int threads, Stop& stop,
                                      std::int64_t* row_ind, std::int64_t* col_ind,
                                      const AssignmentTuning& tuning = kDefaultTuning);

}  // namespace gridcompute::assignment
