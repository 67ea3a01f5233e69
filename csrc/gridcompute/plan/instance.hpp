// Jobs x (class, start hour) under coupling rows: the problem, its dual prices, and the use of the rows by placed jobs.
//
// Problem. A job j runs whole (gang_j accelerators of one class c, for d(j,c) consecutive hours from hour t) or not
// at all, which costs value_j. Option (c, t) of job j is allowed if class c runs its family and has the memory, its
// place is in the residency mask and within latency of the origin, release_j <= t, t + d <= deadline_j, the class
// never has fewer than gang_j accelerators in those hours, the link carries data_j in hour t and each quota row of the
// owner admits gang_j * d by itself. (Options that no integral plan can use are left out: this tightens the bound.)
//   d(j,c)   = max(1, ceil(work_j / throughput[family_j][c] - 1e-9))
//   own cost = data_j * price[origin_j][place] + delay_j * (t - release_j)
//              + migration_j if the job was placed before and this is not that very option
//   uses       gang_j accelerators of c and gang_j * energy[c][h] energy of its place in each hour h it runs, data_j of
//              link (origin, place) in hour t unless origin = place, gang_j * d of each quota row of its owner on the
//              model of c.
// The coupling rows are capacity by class and hour (an accelerator may cost jobs of some *kinds* more than others, for
// rows that count gangs in other ways), energy by place and hour, links by origin, place and hour, and quota rows.
// Quotas may form a tree and depend on *models* (types of accelerators): the use of a class of a model by an owner's
// job counts in a list of rows, the owner's own and those above it. Energy is one more shared resource here: its cost
// is the caller's to model.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gridcompute/base/types.hpp"

namespace gridcompute::plan {

// Tolerance when hours are rounded up: 3 h of work at throughput 0.3 are 10 hours, not 11.
inline constexpr double kHoursTolerance = 1e-9;

// One entry per job. Jobs are at most 2^31: positions are stored in 32 bits.
struct JobTable {
  std::span<const std::int32_t> gang;
  std::span<const double> work;
  std::span<const std::int32_t> family;
  std::span<const double> memory;
  std::span<const double> data;
  std::span<const std::int32_t> origin;
  std::span<const std::int32_t> release;
  std::span<const std::int32_t> deadline;
  std::span<const double> latency;
  std::span<const std::int64_t> residency;
  std::span<const double> value;
  std::span<const double> delay;
  std::span<const std::int32_t> owner;
  std::span<const std::int32_t> placed_class;
  std::span<const std::int32_t> placed_start;
  std::span<const double> migration;
  std::span<const std::int32_t> kind = {};  // which prices of accelerators it pays, below Instance::kinds; empty: 0
};

// The data that all jobs share; row-major.
struct Instance {
  Index places = 0, hours = 0, kinds = 1;
  std::span<const std::int32_t> place;     // [class]
  std::span<const std::int64_t> capacity;  // [class][hour]
  std::span<const double> memory;          // [class]
  std::span<const double> throughput;      // [family][class]
  std::span<const double> energy;          // [class][hour], of one busy accelerator
  std::span<const double> power;           // [place][hour]: the most that jobs may draw, inf where it can never bind
  std::span<const double> bandwidth;       // [origin][place][hour], inf = no limit
  std::span<const double> transfer_price;  // [origin][place]
  std::span<const double> latency;         // [origin][place]
  std::span<const double> quota;           // [row], inf = no limit
  std::span<const std::uint8_t> priced;    // [owner]: some quota row of the owner may have a price
  // The quota rows of each owner and model; empty: there is one model, and row i is owner i's.
  Index models = 1;
  std::span<const std::int32_t> model;       // [class]; empty: 0
  std::span<const std::int32_t> quota_rows;  // concatenated over owners and models
  std::span<const std::int32_t> quota_ends;  // [owner][model]: end of its rows in quota_rows

  [[nodiscard]] Index classes() const noexcept { return static_cast<Index>(place.size()); }
};

// Dual prices of the coupling rows: any finite numbers. The caller chooses their signs.
struct DualPrices {
  std::span<const double> capacity;  // alpha [kind][class][hour], of one accelerator for a job of that kind
  std::span<const double> energy;    // pi [place][hour]
  std::span<const double> link;      // gamma [origin][place][hour]
  std::span<const double> quota;     // nu [owner][model], summed over its rows; read only where the owner is priced
};

// The use of the coupling rows by placed jobs. The integers are exact in any order of summation.
struct Load {
  std::vector<std::int64_t> accelerators;  // [kind][class][hour]
  std::vector<double> data;                // [origin][place][hour]
  std::vector<std::int64_t> quota;         // [owner][model], accelerator-hours
};

}  // namespace gridcompute::plan
