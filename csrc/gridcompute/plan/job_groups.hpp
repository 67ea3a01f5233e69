// Jobs packed for the Lagrangian oracle, and the common data of groups of jobs.
//
// Definitions.  A *row* is the hours that a job takes on each class; it depends on the family, the work and the memory.
// A *shape* is a row together with the owner whose quota rows price it, the kind and, for the few largest gangs, the
// gang: jobs of one shape have the same class-dependent costs up to the factor of the gang. A *layer* has the a-th
// class of every place, so that the places are the lanes of vectors. A *mask* is the set of places that residency and
// latency allow a job.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gridcompute/plan/instance.hpp"

namespace gridcompute::plan {

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
    return static_cast<std::size_t>(owner * models_ + model_[static_cast<std::size_t>(klass)]);
  }
  // Returns the quota rows in which jobs of `owner` count on class `klass`.
  [[nodiscard]] std::span<const std::int32_t> quota_rows(std::int32_t owner, Index klass) const {
    const std::size_t i = account(owner, klass);
    return std::span(quota_rows_)
        .subspan(static_cast<std::size_t>(quota_ends_[i]),
                 static_cast<std::size_t>(quota_ends_[i + 1] - quota_ends_[i]));
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

}  // namespace gridcompute::plan
