// Integer types, each with the reason for its width.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

namespace gridcompute {

// Counts and positions of jobs, arcs and matrix entries: a matrix may have more than 2^31 entries.
using Index = std::int64_t;

// A slot class, a node of the residual graph: classes are few, and candidate lists are read far more often than
// they are written, so half the bytes is nearly half the time. Bindings refuse 2^31 - 16 classes and more.
using Slot = std::int32_t;

// A quantised cost, a price, a reduced cost. Sums of at most (n_slots + 3) costs stay below 2^61: see kCostLimit.
using Cost = std::int64_t;

// Totals over all jobs: 2^31 jobs x 2^61 needs 92 bits.
__extension__ using Wide = __int128;

// The proof that no price overflows. Prices of the restricted problem differ along a shortest residual path of at
// most n_slots + 2 arcs, each of which moves a job between two classes and so changes the price by at most the
// spread of one row, 2 * max|c|. With |c| <= kCostLimit / (2 * (n_slots + 4)) every price, reduced cost and label
// stays within 2^61, and the sum of any four of them within 2^63.
inline constexpr Cost kCostLimit = Cost{1} << 61;

// The cost of a forbidden pair. A price added to it neither wraps nor comes near an allowed cost.
inline constexpr Cost kForbidden = std::numeric_limits<Cost>::max() / 2;

inline constexpr Slot kNone = -1;  // no slot

inline constexpr double kInf = std::numeric_limits<double>::infinity();

// Converts an index to the index type of containers.
[[nodiscard]] constexpr std::size_t at(Index k) noexcept { return static_cast<std::size_t>(k); }

// Returns the largest |cost| of a problem of n_slots classes. A multiple of 2^8, and so exact as a double: no other
// cost, rounded up to a double, equals it.
[[nodiscard]] constexpr Cost largest_cost(Index n_slots) noexcept {
  return kCostLimit / (2 * (n_slots + 4)) / 256 * 256;
}

}  // namespace gridcompute
