#include "gridcompute/assignment/batch/batch.hpp"

#include <algorithm>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "gridcompute/assignment/strategy.hpp"
#include "gridcompute/base/error.hpp"
#include "gridcompute/base/parallel.hpp"

namespace gridcompute::assignment {

template <class T>
BatchStatus solve_batch(const DenseMatrix<T>& first, Index count, bool maximize, int threads, Stop& stop,
                        std::int64_t* row_ind, std::int64_t* col_ind, const AssignmentTuning& tuning) {
  const Index size = first.rows * first.cols, pairs = std::min(first.rows, first.cols);
  if (pairs == 0) return {};
  const Index chunk =
      std::clamp<Index>(tuning.batch_chunk_entries / std::max<Index>(size, 1), 1, tuning.batch_chunk_matrices);
  std::vector<BatchStatus> found(at(Pool::chunks(count, chunk)));
  Pool pool(size * count < tuning.batch_thread_entries ? 1 : threads);
  const auto caller = std::this_thread::get_id();
  const bool whole = pool.for_chunks(
      count, chunk,
      [&](Index c, Index begin, Index end) {
        for (Index k = begin; k < end; ++k) {
          // Only the caller's thread polls its stop; the other threads read the result.
          Stop mine(std::numeric_limits<double>::infinity(), [&](const Progress&) {
            if (std::this_thread::get_id() == caller) stop.poll_clock();
            return stop.why();
          });
          const DenseMatrix<T> one{first.data + k * size, first.rows, first.cols};
          AssignmentStatus status;
          try {
            status = solve_pairs(one, maximize, 1, mine, row_ind + k * pairs, col_ind + k * pairs, tuning);
          } catch (const Error& e) {
            throw Error(e.kind(), e.field(), k, "matrix " + std::to_string(k) + ": " + e.what());
          }
          if (status == AssignmentStatus::optimal) continue;
          found[at(c)] = {status, k};
          return;
        }
      },
      &stop);
  for (const BatchStatus& f : found)
    if (f.failed >= 0) return f;
  return whole ? BatchStatus{} : BatchStatus{AssignmentStatus::stopped, -1};
}

#define GRIDCOMPUTE_BATCH(T)                                                                                     \
  template BatchStatus solve_batch(const DenseMatrix<T>&, Index, bool, int, Stop&, std::int64_t*, std::int64_t*, \
                                   const AssignmentTuning&);
GRIDCOMPUTE_BATCH(std::int16_t)
GRIDCOMPUTE_BATCH(std::int32_t)
GRIDCOMPUTE_BATCH(std::int64_t)
GRIDCOMPUTE_BATCH(float)
GRIDCOMPUTE_BATCH(double)

}  // namespace gridcompute::assignment
