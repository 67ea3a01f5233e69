// The two inner loops of the Lagrangian oracle, with places as lanes of vectors.
#pragma once

#include <cstdint>

#include "gridcompute/base/types.hpp"

namespace gridcompute::plan {

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

}  // namespace gridcompute::plan
