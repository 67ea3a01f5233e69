// The coordinator of a solve over shards: holds prices, capacities, samples, and the restricted problem of the listed
// jobs; sends questions to the shards for all other jobs, and merges their answers in the order of the jobs.
//
// Invariant.  Rows of the cost source are the listed jobs, ascending; level.n of them. A job that is not listed is in
// its only candidate class at prices within the box of the last pass, with a margin of at least the entry of limits_ of
// its class.
//
// Memory.  48 bytes and more for each job that is listed or sampled, depending on its columns; 12 for each candidate.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gridcompute/transport/model/job_shards.hpp"
#include "gridcompute/transport/restricted/restricted_problem.hpp"
#include "gridcompute/transport/shards/job_columns.hpp"
#include "gridcompute/transport/shards/shard.hpp"

namespace gridcompute::transport {

// Sends a question to each shard, none where it is empty, and returns the answers; returns an empty list after a stop.
using AskShards = std::function<std::vector<std::string>(std::vector<std::string> questions)>;

struct ShardStats {
  Index bytes_sent = 0, bytes_received = 0;
  Index rows_sampled = 0, rows_listed = 0;  // the most at the coordinator at once
  Index questions = 0;                      // sent to all shards or to some
};

class ShardCoordinator final : public JobShards {
 public:
  // rows: of each shard, in the order of the jobs.
  ShardCoordinator(const CostModel& model, std::span<const Index> rows, AskShards ask, const Options& options,
                   Stop& stop, ShardStats& stats);

  // Gathers the samples at these positions, ascending, and all data that is needed once. False after a stop.
  [[nodiscard]] bool open(std::vector<Index> positions);
  // Returns the problem of all jobs, whose rows are those gathered.
  [[nodiscard]] Problem& problem() noexcept { return problem_; }
  [[nodiscard]] Index jobs() const noexcept { return n_jobs_; }
  [[nodiscard]] const TermsScope& scope() const noexcept { return source_->scope(); }
  [[nodiscard]] const JobColumns& columns() const noexcept { return source_->columns(); }
  // Returns the loads that the shards reported with the last cost of all jobs, unplaced jobs last.
  [[nodiscard]] const std::vector<Cost>& load() const noexcept { return load_; }
  // Returns whether every shard has the classes of its jobs in the last plan.
  [[nodiscard]] bool told_all() const noexcept { return told_all_; }
  // Sends the shards the class of every job. False after a stop.
  [[nodiscard]] bool assign_all(std::span<const std::int32_t> assignment);

  void attach(Level& all) override;
  [[nodiscard]] std::vector<Index> rows_of(std::span<const Index> positions) const override;
  [[nodiscard]] bool price(const SolverContext& context, const PriceBox& box, RestrictedProblem& out,
                           CostRangeStats& seen) override;
  bool list_doubtful(std::span<const Cost> prices, Cost margin, RestrictedProblem& r) override;
  bool list_every(Index step, RestrictedProblem& r) override;
  bool list_escaping(std::span<const Slot> classes, std::span<const Cost> prices, Cost units,
                     RestrictedProblem& r) override;
  bool list_misplaced(std::span<const Cost> prices, RestrictedProblem& r) override;
  [[nodiscard]] Index listed_at(Index position) const override;
  void remove_perturbation(const KeyPerturber& perturber, RestrictedProblem& r) override;
  [[nodiscard]] Total total(std::span<const std::int32_t> assignment) override;
  [[nodiscard]] bool any_cost_below(double most) override;
  [[nodiscard]] double largest_cost() override;

 private:
  // Rows whose chunks are priced in one place: the whole chunks of a shard, or a chunk that several shards have in
  // part.
  struct Part {
    Index first = 0, n = 0;       // the rows priced there
    Index shard = -1;             // the shard that prices them, or -1: the coordinator
    std::unique_ptr<Shard> edge;  // the rows, where the coordinator prices them
    JobColumns columns;
  };

  // Sends the questions and stores the answers; false after a stop.
  bool ask_shards(std::vector<std::string> questions, std::vector<std::string>& answers);
  // Sends each part its question; question(part) is empty for parts that need no answer.
  bool ask_parts(const std::function<std::string(std::size_t part)>& question, std::vector<std::string>& answers);
  [[nodiscard]] MessageWriter question(Question kind) const;  // with the setting of the last pass
  void make_edges(std::span<const JobColumns> heads, std::span<const JobColumns> tails);
  // Lists jobs that were fixed in a class.
  bool list(std::vector<JobList>& lists, RestrictedProblem& r);
  // Lists the jobs of these answers; margins: they begin with the least margins of those that stay unlisted.
  bool list_answers(std::span<const std::string> answers, RestrictedProblem& r, bool margins);
  void hold(JobColumns columns, std::vector<Index> positions);

  const CostModel& model_;
  std::vector<Index> rows_, first_;  // of each shard
  AskShards ask_;
  const Options& options_;
  Stop& stop_;
  ShardStats& stats_;
  Index n_jobs_ = 0;
  Pool pool_;                // for chunks that the coordinator prices
  std::vector<Part> parts_;  // in the order of the jobs
  std::unique_ptr<GatheredCost> source_;
  Problem problem_;
  Level* level_ = nullptr;                      // of all jobs
  std::vector<Index> samples_;                  // positions
  std::vector<double> least_costs_;             // of each shard: a lower bound of its costs other than 0
  bool holds_samples_ = false;                  // the rows are those of samples, not the listed jobs
  std::string setting_;                         // of the last pass
  std::vector<double> limits_, least_margins_;  // (columns)
  Wide perturbation_ = 0;                       // added to the keys of unlisted jobs
  bool removed_ = false;                        // it was subtracted again
  KeyPerturber perturber_;
  Index every_ = 0;  // distance between listed jobs, in jobs
  std::vector<Cost> load_;
  bool told_all_ = false;
  std::vector<std::string> told_;  // the last `assign` of each shard, and its answer
  std::vector<std::string> told_answers_;
};

// Exact transport over shards: the solve of solve.cpp, of jobs that are not in memory.
//
// Steps.  The rows of all samples are gathered; they are solved at the coordinator. One pass over the shards counts the
// jobs with one candidate, and lists the others at the coordinator, where the restricted problem is repaired. Shards
// list more jobs where prices have left the box. Then each shard gets the classes of its listed jobs. Problems that are
// small enough to be solved in memory, or that have no samples, are gathered whole.
//
// Exactness.  Each step is that of a solve in memory (model/job_shards.hpp): the same bits for any number of shards.

// Solves; the shards' last question `assign` has the answer. rows: of each shard. Fields of the result that have an
// entry a job are empty.
[[nodiscard]] Result solve_shards(const CostModel& model, std::span<const Index> rows, std::span<const Cost> capacity,
                                  const AskShards& ask, const Options& options, Stop& stop, ShardStats& stats);

}  // namespace gridcompute::transport
