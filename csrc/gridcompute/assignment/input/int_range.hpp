// The integers of the assignment core: 32 bits where costs allow, 64 otherwise, one template for both.
//
// Range proof. With b = 32 or 64 bits, let U = 2^(b-4). Rows are shifted so that each cost is 0..U (a row's shift
// changes no assignment, only its dual). Every change of a column price is followed by a check that it stays within
// -U..U; the change that would leave it ends the solve with PriceOverflow, and the 64-bit core takes over. So
//   cost - price     <= 2U = 2^(b-3)                of allowed pairs,
//   kForbidden - price in 3U..5U < 2^(b-1)           of forbidden pairs, above every allowed one,
// and nothing wraps. On a complete matrix the check never fails for a spread up to U/2: while some column is free
// at its starting price p, a matched pair (i, j) satisfies c_ij - v_j <= c_if - p (+ epsilon), hence v_j >= p - U/2
// - epsilon. Path labels add up costs over whole paths; they are 64-bit in both cores and bounded by n differences of
// two reduced costs only where forbidden pairs force detours; labels are checked for that.
//
// Floating-point costs become integers as the floor of cost * 2^k (exact whenever that product is an integer).
#pragma once

#include <cstdint>
#include <exception>

#include "gridcompute/base/types.hpp"

namespace gridcompute::assignment {

template <class V>
struct IntRange {
  static constexpr int kBits = static_cast<int>(sizeof(V)) * 8;  // of V
  static constexpr V kLimit = V{1} << (kBits - 4);               // U: the largest cost, the largest |price|
  static constexpr V kForbidden = V{1} << (kBits - 2);           // stands for the cost of a forbidden pair
  static constexpr V kForbiddenReduced = 2 * kLimit + 1;         // reduced costs from here on belong to forbidden pairs
};

// Thrown where a price would leave -U..U; the next wider integers are tried then.
struct PriceOverflow : std::exception {
  [[nodiscard]] const char* what() const noexcept override { return "assignment prices exceed their range"; }
};

}  // namespace gridcompute::assignment
