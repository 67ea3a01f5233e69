// The ranges of the two integer widths of network simplex and of the start from cost scaling.
//
// 32 bits hold a network whose costs, artificial costs and flows stay below these bounds; potentials are checked
// whenever they change, and the 64-bit twin goes on from the same tree where they leave kMaxPotential.
#pragma once

#include <cstdint>

namespace gridcompute::flow {

template <class Int>
struct FlowRange;

template <>
struct FlowRange<std::int32_t> {
  static constexpr std::int32_t kMaxCost = 1 << 24;             // |cost| of an arc
  static constexpr std::int32_t kMaxBig = 1 << 27;              // cost of an artificial arc
  static constexpr std::int32_t kMaxPotential = 1 << 29;        // |reduced cost| <= 2^24 + 2 * 2^29 < 2^31
  static constexpr std::int32_t kMaxFlow = 1 << 28;             // sum of all supplies, and so the flow of any arc
  static constexpr std::int32_t kArtificialCapacity = 1 << 30;  // above all flow
};

template <>
struct FlowRange<std::int64_t> {
  static constexpr std::int64_t kMaxCost = std::int64_t{1} << 58;       // each as above
  static constexpr std::int64_t kMaxBig = std::int64_t{1} << 60;        // |reduced cost| <= 2^58 + 2 * 2^61 < 2^63
  static constexpr std::int64_t kMaxPotential = std::int64_t{1} << 61;  // of a node
  static constexpr std::int64_t kMaxFlow = std::int64_t{1} << 60;       // of all supplies
  static constexpr std::int64_t kArtificialCapacity = std::int64_t{1} << 62;  // above all flow
};

}  // namespace gridcompute::flow
