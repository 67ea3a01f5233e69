// Arrays in a block of memory: allocated at the first call, found again after a copy of the block.
#pragma once

#include "gridcompute/base/array_block.hpp"

namespace gridcompute::flow {

// Calls layout(take), which calls take(array, count) for each array of the block in a fixed order: once to add up sizes
// where the block is empty, once to point the arrays into it.
template <class Layout>
void carve_into(Block& block, Layout&& layout) {
  const auto bytes = [&](Block::Carver take) {
    layout(take);
    return take.bytes();
  };
  if (block.empty()) block = Block(bytes(Block::Carver(nullptr)));
  (void)bytes(Block::Carver(&block));
}

}  // namespace gridcompute::flow
