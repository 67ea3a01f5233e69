// A shard: answers questions (protocol.hpp) on a range of the jobs, whose columns are passed with a question.
//
// It stores the class and the margin of each of its jobs from the last pricing pass, 6 to 8 bytes a job, and no
// columns. A question that these suffice to answer needs no columns.
//
// Complexity.  open, assign: O(jobs). scan, list_escape, list_wrong: one evaluation of every cost. Others: O(jobs) over
// classes and margins; columns are read only where jobs are listed.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/base/stop.hpp"
#include "gridcompute/transport/restricted/restricted_problem.hpp"
#include "gridcompute/transport/shards/protocol.hpp"

namespace gridcompute::transport {

class Shard {
 public:
  // The rows [first, first + n) of n_jobs. The model must outlive the shard.
  Shard(const CostModel& model, Index first, Index n, Index n_jobs);

  // Answers a question; nullopt where columns are needed and none were passed. Empty after a stop. columns: checked by
  // check_columns.
  [[nodiscard]] std::optional<std::string> answer(std::string_view question, const ColumnsView* columns, Pool& pool,
                                                  Stop& stop, const Tuning& tuning = kDefaultTuning);

  [[nodiscard]] Index first() const noexcept { return first_; }
  [[nodiscard]] Index size() const noexcept { return n_; }
  // Returns the class of each job, -1 for unplaced, of the last question `assign`.
  [[nodiscard]] const std::vector<std::int32_t>& assignment() const noexcept { return assignment_; }
  [[nodiscard]] std::vector<std::int32_t> take_assignment() { return std::move(assignment_); }

 private:
  struct Asked;  // a question, with the data to answer it

  [[nodiscard]] bool remembers(std::string_view setting) const noexcept { return has_pass_ && setting == setting_; }
  // Runs the pass of `asked` and stores its classes and margins. False if stopped.
  bool run_pass(Asked& asked, RestrictedProblem& r, CostRangeStats& seen);
  // Runs the pass of `asked` unless its results are stored. False where columns are needed.
  bool recall(Asked& asked);
  [[nodiscard]] std::int32_t place(Index k) const noexcept { return wide_.empty() ? narrow_[k] : wide_[k]; }
  void remember(const RestrictedProblem& r, Pool& pool);
  void read_pass(Asked& asked) const;
  [[nodiscard]] TermsScope read_scope(Asked& asked) const;
  [[nodiscard]] JobList list(const Asked& asked, std::span<const std::int32_t> rows) const;
  [[nodiscard]] UnlistedJobs unlisted(const Asked& asked, std::span<const double> limits, bool perturbation) const;

  std::string open(Asked& asked);
  std::string scan(Asked& asked);
  std::string list_near(Asked& asked);
  std::string list_rows(Asked& asked);
  std::string list_escape(Asked& asked);
  std::string list_wrong(Asked& asked);
  std::string costs_below(Asked& asked);
  std::string assign(Asked& asked);
  std::string largest(Asked& asked);

  const CostModel& model_;
  Index first_, n_, n_jobs_;
  OwnChunks own_;
  bool has_pass_ = false;
  std::string setting_;  // of the pass whose results are stored
  // Of the rows in chunks of its own: the class, or -1 where a job has several candidates. In two bytes where these
  // suffice.
  DefaultInitVector<std::int16_t> narrow_;
  DefaultInitVector<std::int32_t> wide_;
  DefaultInitVector<float> margin_;
  std::vector<std::int32_t> assignment_;
};

}  // namespace gridcompute::transport
