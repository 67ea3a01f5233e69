// How large keys and prices may be in the two integer types that the exchange graph is computed in.
#pragma once

#include <cstdint>

#include "gridcompute/base/types.hpp"

namespace gridcompute::transport {

// Range proof: keys up to kKey and prices up to kPrice; the sum of one of each, and of two differences of such sums,
// stays within the type, below kForbid and kSettled.
template <class T>
struct KeyRange;
template <>
struct KeyRange<std::int32_t> {  // proved above
  static constexpr std::int32_t kForbid = 1 << 29, kPrice = 1 << 28, kKey = 1 << 27, kSettled = 1 << 30;
};
template <>
struct KeyRange<Cost> {  // proved above
  static constexpr Cost kForbid = Cost{1} << 60, kPrice = Cost{1} << 59, kKey = Cost{1} << 58, kSettled = Cost{1} << 61;
};

}  // namespace gridcompute::transport
