// The Lagrangian oracle: finds the cheapest option of every job at given dual prices, without ever storing an option.
//
// Definitions. At dual prices y = (alpha, pi, gamma, nu), option (c, t) of job j costs
//   own + gang * [A_c(t + d) - A_c(t)] + data * gamma[origin][place][t] + nu[owner][model of c] * gang * d,
// A_c the running sum over hours of alpha[c][h] + energy[c][h] * pi[place][h]. V_j(y) is the least of that over allowed
// options and of value_j. The sum of V_j, less what the rows' limits are worth at y, is the dual function, a lower
// bound on every plan (grid/planner/match.py).
//
// Idea. Between jobs only a few things differ in the class-dependent part: family and work (through d), which
// memory suffices, whether a quota row of the owner has a price, and for the few largest gangs which classes ever have
// that many accelerators. Jobs equal in these share a *shape*. For a shape, with its distinct
// lengths d_1 < ... < d_L,
//   M[l][t][s] = min over its classes c at place s with d(c) <= d_l of A_c(t + d(c)) - A_c(t) + nu[model of c] * d(c)
// is built once per evaluation, and a job then reads its hours x places only:
//   min over t, s of gang * M[l(deadline - t)][t][s] + data * (gamma + price)[origin][t][s] + delay * (t - release),
// where l(r) counts the lengths <= r. Places are the lanes of a vector; the classes of a place are folded away. On the
// east-west scenario this is some 50 lane operations per job in place of 76 options of five memory reads each.
//
// Invariants (holds()). Jobs are sorted by shape, origin, release: shapes are ranges, so a chunk of jobs builds each of
// its tables once in its own scratch memory. The active jobs are a list of ascending positions. Chunks are cut by
// position alone and merged in order: same bits for any number of threads. Ties go to the lowest place, then hour,
// then class.
//
// Steps of an evaluation. (1) running sums A by layer (the a-th class of every place), and gamma + price; (2) for each
// chunk: for each shape met, its table; for each job, the lanes; (3) the load of the cheapest options, added up by
// chunk.
//
// Complexity. O(shapes * classes * hours + jobs * window * places / lanes) time; 96 bytes per job.
//
// Rounding. The value of an option is a sum of at most 2 * hours + 8 rounded terms; with P the largest |A|, its error
// is at most (2 * hours + 16) * u * (gang * P + |data * (gamma + price)| + ...), u = 2^-53. `margin` adds this over all
// jobs, with the error of the sum itself: total - margin is a true lower bound of the exact sum of V_j.
//
// Range proof. Gangs below 2^31, capacities below 2^31 and at most 2^31 jobs: integer load stays below 2^62; quota use
// adds hours <= 2^12 times that for jobs placed within capacity, and for an evaluation over n jobs is checked by
// construction: sum of gang * hours must stay below 2^62.
//
// Source. Fisher (1981), "The Lagrangian relaxation method", Management Science 27(1); folding equal columns before
// pricing is the usual aggregation of column generation.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/base/types.hpp"
#include "gridcompute/plan/instance.hpp"

namespace gridcompute::plan {

// Jobs packed for the Lagrangian oracle, and the common data of groups of jobs.
//
// Definitions.  A *row* is the hours that a job takes on each class; it depends on the family, the work and the memory.
// A *shape* is a row together with the owner whose quota rows price it, the kind and, for the few largest gangs, the
// gang: jobs of one shape have the same class-dependent costs up to the factor of the gang. A *layer* has the a-th
// class of every place, so that the places are the lanes of vectors. A *mask* is the set of places that residency and
// latency allow a job.

inline constexpr Index kMaxPlaces = 63;   // a mask is a 64-bit integer, and lanes are at most 64
inline constexpr Index kMaxHours = 4096;  // range proof of the oracle

// A job as the oracle reads it: 96 bytes.
struct PackedJob {
  double data, delay, value, migration;
  std::int32_t id;  // its row in the caller's table
  std::int32_t gang, weight;
  std::int32_t shape;
  std::int32_t origin, owner;
  std::int32_t placed_class, placed_start;
  std::int32_t release, deadline;
  std::int32_t mask;   // index of a distinct mask
  std::int32_t kind;   // its index among the prices of accelerators
  bool limited_links;  // some link in some hour is too narrow for its data
};

struct JobShape {
  std::int64_t gang = 0;      // > 0: classes that hold fewer in some hour are excluded there
  std::int32_t owner = -1;    // its quota price applies; -1 = none
  std::int32_t kind = 0;      // index of its jobs among the prices of accelerators
  std::int32_t shortest = 0;  // least hours over the classes, 0 = no class
  std::int32_t row = 0;
  std::size_t row_begin = 0;  // of the row in hours_by_class_
};

// The data that an oracle shares with its subsets: the instance as the oracle reads it, and the groups of jobs.
class JobGroups {
 protected:
  // Throws Error where there are too many places or hours.
  explicit JobGroups(const Instance& instance);

  [[nodiscard]] std::size_t account(std::int32_t owner, Index klass) const {
    return at(owner * models_ + model_[at(klass)]);
  }
  // Returns the quota rows in which jobs of `owner` count on class `klass`.
  [[nodiscard]] std::span<const std::int32_t> quota_rows(std::int32_t owner, Index klass) const {
    const std::size_t i = account(owner, klass);
    return std::span(quota_rows_).subspan(at(quota_ends_[i]), at(quota_ends_[i + 1] - quota_ends_[i]));
  }

  // Finds each job's shape and mask. Returns the jobs sorted by shape, origin, release, deadline.
  [[nodiscard]] std::vector<PackedJob> group(const Instance& instance, const JobTable& jobs);

  Index places_ = 0, hours_ = 0, kinds_ = 1, classes_ = 0, layers_ = 0, lanes_ = 0;
  std::vector<std::int32_t> place_, layer_;  // [class]
  std::vector<Slot> class_at_;               // [layer][lane], -1 = none
  std::vector<std::int64_t> capacity_;       // [class][hour]
  std::vector<double> energy_, power_, bandwidth_, transfer_price_, quota_;
  std::vector<std::int32_t> hours_by_class_;       // [row][class], 0 = excluded
  std::vector<double> hours_by_lane_;              // [row][layer][lane], the same
  std::vector<std::int32_t> lengths_;              // distinct hours of each row, ascending
  std::vector<std::size_t> lengths_end_;           // [row + 1]
  std::vector<std::int32_t> layers_of_length_;     // layers that have classes of each length of a row, ascending
  std::vector<std::size_t> layers_of_length_end_;  // [length of a row + 1]
  std::vector<std::uint64_t> masks_;               // distinct sets of places
  std::vector<double> mask_cost_;                  // [mask][lane]: 0 or inf
  std::vector<JobShape> shapes_;
  std::vector<std::uint8_t> priced_;  // [owner]
  Index models_ = 1;
  std::vector<std::int32_t> model_;       // [class]
  std::vector<std::int32_t> quota_rows_;  // by owner and model
  std::vector<std::int32_t> quota_ends_;  // [owner][model + 1], the first of all owners being 0
  std::vector<double> least_quota_;       // [owner][model]: the least limit among its rows

 private:
  struct RowTables;
  void read_quotas(const Instance& instance);
  [[nodiscard]] std::int32_t find_row(RowTables& tables, const Instance& instance, const JobTable& jobs, Index j,
                                      std::int32_t& longest);
};

// The two inner loops of the Lagrangian oracle, with places as lanes of vectors.

// Input of the search for a job's cheapest option. Rows have `lanes` entries; the mask excludes lanes beyond the last
// place.
struct OptionSearch {
  const double* table;                 // M: [length][hour][lane]
  const std::int32_t* lengths_within;  // [hours left]: number of distinct lengths that fit
  const double* transfer;              // [hour][lane]: price of a unit of data from the job's origin
  const double* bandwidth;             // [hour][lane], or nullptr if each link carries the data
  const double* mask;                  // [lane]: 0 or inf
  Index hours;
  std::int32_t first, last, deadline;  // hours in which it may start, inclusive; the hour by which it must end
  double gang, data, delay;
};

struct CheapestOption {
  double cost;
  std::int32_t place, hour;
};

// Returns the cheapest (hour, place), the lowest place, then hour among equals; place -1 and cost inf if there is none.
// lanes: 8, 16, 32 or 64.
[[nodiscard]] CheapestOption find_cheapest(const OptionSearch& job, Index lanes);

// Sets m[t][s] = min(m[t][s], ahead[t][s] - here[t][s] + nu[s] * length) for `starts` rows, in the lanes with
// hours[s] == length.
void fold_class(double* m, const double* ahead, const double* here, const double* hours, const double* nu,
                double length, Index starts, Index lanes);

struct OracleResult {
  double total = 0.0;     // sum of V_j
  double margin = 0.0;    // a bound on its rounding error
  double left_out = 0.0;  // sum of value_j over jobs that are left out
  Index placed = 0;
  Load load;
};

class LagrangianOracle : private JobGroups {
 public:
  // Reads all jobs. Throws Error for sizes that it cannot index.
  LagrangianOracle(const Instance& instance, const JobTable& jobs);

  // Makes the subset of `whole` with the given rows of the jobs table, each once. weight (one entry per row): the
  // number of jobs that it represents, which scales its cost and its use of rows in an evaluation, but not the capacity
  // that it needs to be placed. Takes a tenth of the time of an oracle of its own: shapes and masks are known.
  LagrangianOracle(const LagrangianOracle& whole, std::span<const std::int32_t> rows,
                   std::span<const std::int32_t> weight);

  // Evaluates the active jobs. klass and start (empty, or one entry per row of the jobs table) receive each active
  // job's cheapest option, -1 if it is left out.
  OracleResult price(const DualPrices& prices, Pool& pool, std::span<std::int32_t> klass,
                     std::span<std::int32_t> start) const;

  // Sets which of the jobs given at construction take part in evaluations (by row of the table); all do at first.
  void set_active(std::span<const std::uint8_t> active);

  [[nodiscard]] Index size() const noexcept { return static_cast<Index>(jobs_.size()); }
  [[nodiscard]] Index rows() const noexcept { return static_cast<Index>(position_.size()); }  // of the jobs table
  [[nodiscard]] Index active() const noexcept { return static_cast<Index>(active_.size()); }
  [[nodiscard]] Index shapes() const noexcept { return static_cast<Index>(shapes_.size()); }
  [[nodiscard]] Index places() const noexcept { return places_; }
  [[nodiscard]] Index hours() const noexcept { return hours_; }
  [[nodiscard]] Index classes() const noexcept { return classes_; }
  [[nodiscard]] Index kinds() const noexcept { return kinds_; }
  [[nodiscard]] Index owners() const noexcept { return static_cast<Index>(priced_.size()); }
  [[nodiscard]] Index models() const noexcept { return models_; }
  [[nodiscard]] Index quotas() const noexcept { return static_cast<Index>(quota_.size()); }
  [[nodiscard]] const std::vector<PackedJob>& jobs() const noexcept { return jobs_; }
  // Returns the position of a row of the jobs table, -1 if it is not in the subset.
  [[nodiscard]] std::int32_t position(Index row) const { return position_[at(row)]; }
  // Writes the least accelerator-hours of each job, by row of the table; 0 for jobs without any class or not in the
  // subset.
  void min_accelerator_hours(std::span<double> out) const;
  // Writes 1 for each job (by row of the table) that has an allowed option.
  void has_option(Pool& pool, std::span<std::uint8_t> out) const;
  // Returns whether the option is allowed, whatever else is placed.
  [[nodiscard]] bool allowed(const PackedJob& job, Index klass, Index hour) const;
  [[nodiscard]] bool holds() const;

 private:
  friend class ResidualCapacity;
  friend class PlacementState;
  friend class Exchanges;
  friend class EjectionChains;
  friend class RuinRecreate;
  struct PriceSums;
  struct ShapeTable;

  void index_jobs(std::size_t rows);
  void build_table(const PriceSums& sums, const JobShape& shape, std::span<const std::int32_t> positions,
                   ShapeTable& out) const;
  void fold_available(const PriceSums& sums, const JobShape& shape, std::int32_t length, Index first, Index starts,
                      double* m) const;
  [[nodiscard]] CheapestOption cheapest(const PriceSums& sums, const PackedJob& job, const JobShape& shape,
                                        const ShapeTable& table) const;
  void price_chunk(const PriceSums& sums, std::span<const std::int32_t> positions, OracleResult& out,
                   std::span<std::int32_t> klass, std::span<std::int32_t> start) const;
  [[nodiscard]] PriceSums price_sums(const DualPrices& prices) const;
  [[nodiscard]] Slot class_of(const PriceSums& sums, const PackedJob& job, const ShapeTable& table,
                              const CheapestOption& best) const;
  [[nodiscard]] std::pair<Slot, CheapestOption> choose(const PriceSums& sums, const PackedJob& job,
                                                       const ShapeTable& table) const;
  [[nodiscard]] double quota_price(const PriceSums& sums, const JobShape& shape, Index klass) const;
  // Returns whether the quota rows admit a gang of the shape on the class for its hours.
  [[nodiscard]] bool within_quota(const JobShape& shape, Index klass, std::int32_t hours) const;
  // Returns the cost of an allowed option, without migration.
  [[nodiscard]] double cost_of(const PriceSums& sums, const PackedJob& job, Index klass, Index hour) const;

  [[nodiscard]] bool priced(std::int32_t owner) const { return priced_[at(owner)] != 0; }
  [[nodiscard]] std::int32_t hours_on(const PackedJob& job, Index klass) const {
    return hours_by_class_[shapes_[at(job.shape)].row_begin + at(klass)];
  }

  std::vector<PackedJob> jobs_;                                                 // by shape, origin, release
  std::vector<std::int32_t> position_;                                          // [row of the table]
  std::vector<std::int32_t> active_;                                            // positions, ascending
  double gang_sum_ = 0.0, data_sum_ = 0.0, delay_sum_ = 0.0, value_sum_ = 0.0;  // over all jobs, for the margin
};

}  // namespace gridcompute::plan
