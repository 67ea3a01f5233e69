// Loops over rows and columns of keys, written for the compiler's vector code: blocks without a hit are skipped whole.
#pragma once

#include "gridcompute/base/types.hpp"

namespace gridcompute::live::kernels {

// Writes the classes with row + base <= limit, ascending, into out (room for n + 1); returns their number. `all`: every
// class.
Index classes_within(const Cost* row, const Cost* base, Index n, Cost limit, bool all, Slot* out);

// Writes the classes with row - here <= threshold likewise.
Index classes_below(const Cost* row, const Cost* threshold, Index n, Cost here, Slot* out);

// Writes the classes with sketch <= here + limit likewise; the caller has rounded `here` and the limits up by as much
// as the sketch, and these sums, may be off.
Index classes_near(const float* sketch, const float* limit, Index n, float here, Slot* out);

// Returns min(row + price) over all classes.
Cost least_reduced(const Cost* row, const Cost* price, Index n);

// Relaxes the arcs of one node: for each of n classes with length < kForbidden, `there` = base + length + price (less
// the price if `minus`); where that is below its distance it becomes its distance and its open label, and `from` its
// predecessor. Returns whether any is below `least`.
bool relax_all(const Cost* length, const Cost* price, bool minus, Index n, Cost base, Cost least, Cost from,
               Cost* distance, Cost* open, Cost* predecessor);

// Returns the first class with the least label; -1: none is below kForbidden.
Index nearest(const Cost* open, Index n);

// Quantises costs within the stated max_abs_cost, +inf to kForbidden, and writes for each key whether it equals its
// cost. The resolution is a power of two.
void quantise(const double* cost, Index n, double resolution, Cost* out, std::uint8_t* exact);

}  // namespace gridcompute::live::kernels
