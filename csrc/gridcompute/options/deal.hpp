// Deals the members of groups out to options: the rounding of a fractional split to whole gangs.
//
// Each group has some options with an amount (of accelerators) each. Members come in the order given; each takes the
// option of its group with the most amount left, lowest first among equals, and lowers it by its gang. Every option
// ends within one gang of its amount, and with large gangs first within a small one. O(members * options of a group).
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "gridcompute/base/types.hpp"

namespace gridcompute::options {

inline void deal(std::span<const double> amount, std::span<const std::int64_t> first,
                 std::span<const std::int64_t> size, std::span<const std::int64_t> group,
                 std::span<const std::int64_t> order, std::span<const double> gang, std::span<std::int64_t> choice) {
  std::vector<double> left(amount.begin(), amount.end());
  for (const std::int64_t j : order) {
    const auto member = static_cast<std::size_t>(j), g = static_cast<std::size_t>(group[member]);
    const auto begin = left.begin() + first[g];
    const auto fullest = std::max_element(begin, begin + size[g]);
    choice[member] = fullest - begin;
    *fullest -= gang[member];
  }
}

}  // namespace gridcompute::options
