// The parameters of the policy "price", in one table.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace gridcompute::packing {

// One parameter set for every workload. It was chosen on the published cluster's workloads default, multigpu20,
// gpushare40, gpuspec33 and cpu100 with the arrivals of seeds 42 and 43 alone; other seeds and workloads only report.
struct Tuning {
  std::int64_t lists = 24;            // sampled futures of which a fill value is the mean; half sorted, half not
  std::int64_t sorted_lists = 12;     // of these, sorted by price
  std::int64_t fill_percent = 400;    // demand of a sampled future, in percent of the node's devices
  std::int64_t need_percent = 110;    // of what is expected to come, this much is reserved,
  std::int64_t spread_percent = 200;  // and this many standard deviations
  std::int64_t ramp_percent = 100;    // unused slots between which the charge rises: percent of the spread
  std::int64_t charge_percent = 100;  // what a destroyed reserved slot costs, in percent of its price
  std::int64_t bonus_permille = 0;    // for every size of several devices that still fits, of its price
  std::int64_t batch_pods = 64;       // placed together of a larger call
  std::int64_t list_percent = 30;     // the same charge for lists of models and a single device
};

struct TuningEntry {
  std::string_view name;
  std::int64_t Tuning::* value;
  std::int64_t low, high;
};

inline constexpr std::array kTuning{
    TuningEntry{"lists", &Tuning::lists, 1, 256},
    TuningEntry{"sorted_lists", &Tuning::sorted_lists, 0, 256},
    TuningEntry{"fill_percent", &Tuning::fill_percent, 10, 1000},
    TuningEntry{"need_percent", &Tuning::need_percent, 0, 1000},
    TuningEntry{"spread_percent", &Tuning::spread_percent, 0, 1000},
    TuningEntry{"ramp_percent", &Tuning::ramp_percent, 1, 1000},
    TuningEntry{"charge_percent", &Tuning::charge_percent, 0, 1000},
    TuningEntry{"bonus_permille", &Tuning::bonus_permille, 0, 1000},
    TuningEntry{"batch_pods", &Tuning::batch_pods, 1, 1 << 20},
    TuningEntry{"list_percent", &Tuning::list_percent, 0, 1000},
};

}  // namespace gridcompute::packing
