// The questions that the coordinator sends to shards, and the parts of questions and answers (message.hpp).
//
// Every question has all data that its answer depends on except for the shard's own rows: a shard that has lost its
// results, or that another process rebuilt, runs the last pricing pass again and answers the same.
//
// Rows between two shards.  A chunk of a pricing pass (restricted_problem.hpp) may begin in one shard and end in a
// later one. Its rows are sent to the coordinator once, which prices it as a shard of its own.
#pragma once

#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "gridcompute/transport/model/integer_keys.hpp"
#include "gridcompute/transport/model/objective.hpp"
#include "gridcompute/transport/model/solver_context.hpp"
#include "gridcompute/transport/restricted/restricted_problem.hpp"
#include "gridcompute/transport/shards/job_columns.hpp"

namespace gridcompute::transport {

// To be increased with every change of the content of a question or an answer, or of the meaning of its bytes: answers
// are kept in files from one call to the next (shards/shard_worker.py).
inline constexpr int kShardProtocol = 3;

enum class Question : std::int32_t {
  open,         // rows of samples, of chunks that the shard has in part, ranges, and a bound below its costs
  scan,         // a pricing pass
  list_near,    // jobs with a margin up to a new limit
  list_rows,    // jobs by their position
  list_escape,  // jobs of some classes that leave them at least cost
  list_wrong,   // jobs that are not in their cheapest class
  costs_below,  // whether any cost is at most this
  assign,       // the class of each job, and what it costs
  largest       // the largest cost
};

// The parameters of a pricing pass.
struct PassSetting {
  double resolution = 1;
  Perturbation ties;
  bool inexact = false, share = false;
  PriceBox box;
  TermsScope scope;

  static auto parts(auto& s) { return std::tie(s.resolution, s.ties, s.inexact, s.share, s.box, s.scope); }
};
// Throw unless these are of a problem of this model with n_jobs: what follows may compute with them without overflow.
void require_prices(std::span<const Cost> prices, const CostModel& model);
void require_fits(const TermsScope& scope, const CostModel& model, Index n_jobs);
void require_fits(const PassSetting& pass, const CostModel& model, Index n_jobs);

// Returns the keys of rows, for a pass.
[[nodiscard]] IntegerKeys keys_of(const Problem& problem, double resolution, Perturbation ties);

// Jobs with their rows, ascending.
struct JobList {
  std::vector<Index> position;
  std::vector<std::int32_t> place;  // the class, or ~(group of the answer)
  std::vector<float> margin;
  JobColumns columns;

  void write(MessageWriter& out) const;
  // Throws unless these are jobs of [first, first + n), in classes of the model or the given number of groups.
  [[nodiscard]] static JobList read(MessageReader& in, const CostModel& model, Index first, Index n, Index groups);
};

// The unlisted jobs of a shard.
struct UnlistedJobs {
  Wide perturbation = 0;              // the sum that was added to their keys
  std::vector<double> least_margins;  // (columns), +inf where there are none

  void join(const UnlistedJobs& others);
  static auto parts(auto& u) { return std::tie(u.perturbation, u.least_margins); }
};

// Reads the answer to `scan` of the jobs [first, first + n); throws where its parts do not fit.
void read_scan(MessageReader& in, const CostModel& model, Index first, Index n, PricedChunk& chunk,
               UnlistedJobs& others, JobList& listed);

// The answer to `assign`.
struct AssignedCosts {
  std::vector<Cost> load;             // (columns)
  std::vector<double> before, after;  // costs of the jobs in chunks that the shard has in part
  std::vector<Total> totals;          // of each whole chunk

  static auto parts(auto& a) { return std::tie(a.load, a.before, a.totals, a.after); }
  // first, n: the shard's rows among the n_jobs of all shards. Throws where the parts do not fit.
  [[nodiscard]] static AssignedCosts read(std::string_view bytes, const CostModel& model, Index first, Index n,
                                          Index n_jobs);
};

// Rows of a shard: [begin, end) are in chunks of its own, the others in chunks that it shares with neighbouring shards.
struct OwnChunks {
  Index begin = 0, end = 0;
};
// first, n: the shard's rows among the n_jobs of all shards; size: rows of a chunk.
[[nodiscard]] OwnChunks own_chunks(Index first, Index n, Index n_jobs, Index size);

}  // namespace gridcompute::transport
