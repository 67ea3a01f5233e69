// Where the arrays of a tree lie, and its copies.
#include <algorithm>

#include "gridcompute/flow/simplex.hpp"

namespace gridcompute::flow {

// Lays the arrays into one piece of memory, and takes the values of net_ there; of an old piece, finds them again.
template <class Int>
void Simplex<Int>::carve() {
  const std::size_t m = at(net_.m()), n = at(net_.n) + 1;
  const auto lay = [&](Block::Carver take) {
    take(tail_, m), take(head_, m), take(cost_, m), take(cap_, m);
    take(node_, n), take(link_, n), take(next_, n), take(prev_, n), take(potential_, n), take(supply_, n - 1);
    take(queued_, n), take(inside_, n), take(below_, n), take(beside_, n);
    return take.bytes();
  };
  const bool fresh = memory_.empty();
  if (fresh) memory_ = Block(lay(Block::Carver(nullptr)));
  lay(Block::Carver(&memory_));
  if (!fresh) return;
  std::ranges::copy(net_.cap, cap_.begin());
  std::ranges::copy(net_.supply, supply_.begin());
  std::ranges::fill(node_, Step{});
  std::ranges::fill(queued_, 0);
  std::ranges::fill(inside_, 0);
  net_.cap = {}, net_.supply = {};
}

template <class Int>
Simplex<Int> Simplex<Int>::again(const Simplex& earlier) {
  Simplex out(earlier);
  out.carve();
  out.counts_ = {};
  out.cut_arcs_ = 0;
  out.again_ = 0;
  out.touched_.clear();
  out.track_ = true;
  return out;
}

template class Simplex<std::int32_t>;
template class Simplex<std::int64_t>;

}  // namespace gridcompute::flow
