// The price pass: every job's cheapest option at given prices, without ever storing an option.
//
// Definitions. At prices y, option (c, t) of job j costs
//   own + gang * [A_c(t + d) - A_c(t)] + data * gamma[origin][place][t] + nu[owner] * gang * d,
// A_c the running sum over hours of alpha[c][h] + energy[c][h] * pi[place][h]. V_j(y) is the least of that over open
// options and of value_j. The sum of V_j, less what the rows' limits are worth at y, is the bound
// (grid/planner/match.py).
//
// The idea. Between jobs only a few things differ in the class-dependent part: family and work (through d), which
// memory suffices, whether the owner's quota has a price, and for the few largest gangs which classes ever hold
// them. Jobs equal in these share a *shape*. For a shape, with its distinct lengths d_1 < ... < d_L,
//   M[l][t][s] = min over its classes c at place s with d(c) <= d_l of A_c(t + d(c)) - A_c(t) + nu * d(c)
// is built once a pass, and a job then looks at its hours x places only:
//   min over t, s of gang * M[l(deadline - t)][t][s] + data * (gamma + price)[origin][t][s] + delay * (t - release),
// where l(r) counts the lengths <= r. Places are the lanes of a vector; the classes of a place are folded away. On the
// east-west scenario that is some 50 lane operations a job in place of 76 options of five memory reads each.
//
// Invariants. Jobs are kept sorted by shape, origin, release: shapes are ranges, so a chunk of jobs builds each of
// its tables once in its own scratch. The subset of live jobs is a list of ascending positions. Chunks are cut by
// position alone and merged in order: same bits for any number of threads. Ties go to the lowest place, then hour,
// then class.
//
// Steps of a pass. (1) running sums A by layer (the a-th class of every place), and gamma + price; (2) for each
// chunk: for each shape met, its table; for each job, the lanes; (3) use of the winners, added up by chunk.
//
// Complexity. O(shapes * classes * hours + jobs * window * places / lanes) time; 96 bytes a job.
//
// Rounding. The value of an option is a sum of at most 2 * hours + 8 rounded terms; with P the largest |A|, its error
// is at most (2 * hours + 16) * u * (gang * P + |data * (gamma + price)| + ...). `margin` adds this over all jobs,
// with the error of the sum itself: total - margin is a true lower bound of the exact sum of V_j.
//
// Range. Gangs below 2^31, capacities below 2^31 and at most 2^31 jobs: integer use stays below 2^62; quota use
// adds hours <= 2^12 times that for jobs placed within capacity, and for a pass over n jobs is checked by
// construction: sum of gang * hours must stay below 2^62.
//
// Source. Lagrangian pricing of a multicommodity assignment, as in Fisher (1981), "The Lagrangian relaxation method",
// Management Science 27(1); folding equal columns before pricing is the usual aggregation of column generation.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/plan/instance.hpp"
#include "gridcompute/plan/kernels.hpp"

namespace gridcompute::options {

inline constexpr Index kMostPlaces = 63;

// A job as the passes read it.
struct Job {
  double data, delay, value, migration;
  std::int32_t id;  // its row in the caller's table
  std::int32_t gang, weight;
  std::int32_t shape;
  std::int32_t origin, owner;
  std::int32_t placed_class, placed_start;
  std::int32_t release, deadline;
  std::int32_t mask;  // row of the table of distinct place masks
  bool wide;          // some link in some hour is too narrow for its data
};

struct Shape {
  std::int64_t gang = 0;      // > 0: classes that hold fewer in some hour are closed there
  std::int32_t owner = -1;    // whose quota price applies; -1 = none
  std::int32_t shortest = 0;  // least d, 0 = no class
  std::int32_t row = 0;       // which hours by class are its own
  std::size_t at = 0;         // where they begin
};

struct Pass {
  double total = 0.0;     // sum of V_j
  double margin = 0.0;    // what rounding may have added to it, at most
  double left_out = 0.0;  // sum of value_j over jobs that stay out
  Index placed = 0;
  Use use;
};

// What a market shares with its parts: the world as passes read it, and what jobs have in common.
class Groups {
 protected:
  explicit Groups(const World& world);

  Index places_ = 0, hours_ = 0, classes_ = 0, layers_ = 0, lanes_ = 0;
  std::vector<std::int32_t> place_, layer_;  // [class]
  std::vector<Slot> class_at_;               // [layer][lane], -1 = none
  std::vector<std::int64_t> capacity_;       // [class][hour]
  std::vector<double> energy_, power_, bandwidth_, transfer_price_, quota_;
  std::vector<std::int32_t> hours_by_class_;  // [row of shapes][class], 0 = closed
  std::vector<double> hours_by_lane_;         // [row of shapes][layer][lane], the same
  std::vector<std::int32_t> lengths_;         // distinct hours of each row, ascending
  std::vector<std::size_t> lengths_end_;      // [row + 1]
  std::vector<std::int32_t> with_length_;     // layers that have classes of each such length, ascending
  std::vector<std::size_t> with_length_end_;  // [length of a row + 1]
  std::vector<std::uint64_t> masks_;          // distinct sets of places
  std::vector<double> mask_cost_;             // [mask][lane]: 0 or inf
  std::vector<Shape> shapes_;
  std::vector<std::uint8_t> priced_;  // [owner]
};

class Market : private Groups {
 public:
  // Reads all jobs. Throws Error for sizes it cannot index.
  Market(const World& world, const Jobs& jobs);

  // The part of `whole` that has only the given rows of the jobs table, each once. weight (one entry a row) is how
  // many jobs like it each stands for: it scales all that the job costs and takes in a pass, but not what it needs to
  // be placed. Costs a tenth of a market of its own: shapes and masks are known.
  Market(const Market& whole, std::span<const std::int32_t> rows, std::span<const std::int32_t> weight);

  // One pass over live jobs. klass and start (empty, or one entry a row of the jobs table) receive each live job's
  // cheapest option, -1 for out.
  Pass price(const Prices& prices, Pool& pool, std::span<std::int32_t> klass, std::span<std::int32_t> start) const;

  // Which of the jobs given at construction take part in passes from now on; all at first.
  void keep(std::span<const std::uint8_t> live);

  [[nodiscard]] Index size() const noexcept { return static_cast<Index>(jobs_.size()); }
  [[nodiscard]] Index rows() const noexcept { return static_cast<Index>(position_.size()); }  // of the jobs table
  [[nodiscard]] Index live() const noexcept { return static_cast<Index>(live_.size()); }
  [[nodiscard]] Index shapes() const noexcept { return static_cast<Index>(shapes_.size()); }
  [[nodiscard]] Index places() const noexcept { return places_; }
  [[nodiscard]] Index hours() const noexcept { return hours_; }
  [[nodiscard]] Index classes() const noexcept { return classes_; }
  [[nodiscard]] Index owners() const noexcept { return static_cast<Index>(quota_.size()); }
  [[nodiscard]] const std::vector<Job>& jobs() const noexcept { return jobs_; }
  // Position of a row of the jobs table, -1 if it is not among the subset.
  [[nodiscard]] std::int32_t position(Index row) const { return position_[static_cast<std::size_t>(row)]; }
  // Least accelerator-hours of each job, by row of the table; 0 for jobs without any class, or not in the subset.
  void sizes(std::span<double> out) const;
  // 1 for each job (by row of the table) that has an open option at all.
  void reachable(Pool& pool, std::span<std::uint8_t> out) const;
  [[nodiscard]] bool holds() const;

 private:
  friend class Room;
  friend class Exchange;
  struct Running;  // sums of prices, per pass
  struct Scratch;

  void group(const World& world, const Jobs& jobs);
  void index(std::size_t rows);
  // For the jobs at positions, all of the shape.
  void table(const Running& run, const Shape& shape, std::span<const std::int32_t> positions, Scratch& out) const;
  void fold_open(const Running& run, const Shape& shape, std::int32_t length, Index first, Index starts,
                 double* m) const;
  [[nodiscard]] Best cheapest(const Running& run, const Job& job, const Shape& shape, const Scratch& tables) const;
  void chunk(const Running& run, std::span<const std::int32_t> positions, Pass& out, std::span<std::int32_t> klass,
             std::span<std::int32_t> start) const;
  [[nodiscard]] Running running(const Prices& prices) const;
  [[nodiscard]] Slot class_of(const Running& run, const Job& job, const Scratch& tables, const Best& best) const;
  [[nodiscard]] std::pair<Slot, Best> choice(const Running& run, const Job& job, const Scratch& tables) const;
  [[nodiscard]] double nu_of(const Running& run, const Shape& shape) const;
  // Of an option that fits, without migration.
  [[nodiscard]] double cost_of(const Running& run, const Job& job, Index klass, Index hour) const;
  // Is the option open, whatever else is placed?
  [[nodiscard]] bool fits(const Job& job, Index klass, Index hour) const;

  [[nodiscard]] bool priced(std::int32_t owner) const { return priced_[static_cast<std::size_t>(owner)] != 0; }
  [[nodiscard]] std::int32_t hours_on(const Job& job, Index klass) const {
    return hours_by_class_[shapes_[static_cast<std::size_t>(job.shape)].at + static_cast<std::size_t>(klass)];
  }

  std::vector<Job> jobs_;                                                    // by shape, origin, release
  std::vector<std::int32_t> position_;                                       // [row of the table]
  std::vector<std::int32_t> live_;                                           // positions, ascending
  double gangs_ = 0.0, data_sum_ = 0.0, delay_sum_ = 0.0, value_sum_ = 0.0;  // over all jobs, for the margin
};

}  // namespace gridcompute::options
