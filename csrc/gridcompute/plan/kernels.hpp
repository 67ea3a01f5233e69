// The two loops where a price pass spends its time, over places as lanes of vectors of 64 bytes.
#pragma once

#include <cstdint>

#include "gridcompute/base/types.hpp"

namespace gridcompute::options {

// What a job's scan reads. Rows have `lanes` entries; lanes beyond the last place are closed by the mask.
struct Scan {
  const double* table;                 // M: [length][hour][lane]
  const std::int32_t* lengths_within;  // [room]: how many distinct lengths fit into that many hours
  const double* transfer;              // [hour][lane]: price of a unit of data from the job's origin
  const double* bandwidth;             // [hour][lane], or nullptr if every link carries the data
  const double* mask;                  // [lane]: 0 or inf
  Index hours;
  std::int32_t first, last, deadline;  // hours to start in, inclusive; the hour to end by
  double gang, data, delay;
};

struct Best {
  double cost;
  std::int32_t place, hour;
};

// The cheapest (hour, place), lowest place then hour among equals. lanes: 8, 16, 32 or 64.
[[nodiscard]] Best scan(const Scan& job, Index lanes);

// m[t][s] = min(m[t][s], ahead[t][s] - here[t][s] + add) for `starts` rows, in the lanes with hours[s] == length.
void fold(double* m, const double* ahead, const double* here, const double* hours, double length, double add,
          Index starts, Index lanes);

}  // namespace gridcompute::options
