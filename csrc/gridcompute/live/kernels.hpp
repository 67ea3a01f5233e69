// The looks at rows and columns of keys: plain loops for the compiler's vectors, the few hits picked out of whole
// blocks.
#pragma once

#include "gridcompute/base/types.hpp"

namespace gridcompute::matcher::listing {

// The classes with row + base <= reach, ascending, into out (room for n + 1); how many. `all`: every class.
Index within(const Cost* row, const Cost* base, Index n, Cost reach, bool all, Slot* out);
// Those with row - here <= threshold.
Index below(const Cost* row, const Cost* threshold, Index n, Cost here, Slot* out);
// min(row + price), over all classes.
Cost least(const Cost* row, const Cost* price, Index n);

// Keys of costs within the range that was told, kForbidden for +inf; and whether each key is its cost. The resolution
// is a power of two.
void keys_of(const double* cost, Index n, double resolution, Cost* out, std::uint8_t* exact);

}  // namespace gridcompute::matcher::listing
