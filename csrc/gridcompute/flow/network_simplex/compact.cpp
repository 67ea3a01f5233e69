// Where the arrays of a tree lie, its copies, and its order.
#include <algorithm>

#include "gridcompute/flow/network_simplex/simplex.hpp"

namespace gridcompute::flow {

namespace {

// lay(take) takes the arrays of a block in turn: made if there is none, else found again.
template <class Lay>
void lay_into(Block& block, Lay&& lay) {
  const auto bytes = [&](Block::Carver take) {
    lay(take);
    return take.bytes();
  };
  if (block.empty()) block = Block(bytes(Block::Carver(nullptr)));
  (void)bytes(Block::Carver(&block));
}

// An assignment of {} would keep the memory.
template <class... Vectors>
void free_all(Vectors&... vectors) {
  ((vectors = Vectors()), ...);
}

}  // namespace

// Lays the arrays into their blocks; of blocks that are there, finds the arrays again.
template <class Int>
void Simplex<Int>::carve() {
  const std::size_t m = at(net_.m()), n = at(net_.n) + 1;
  lay_into(of_costs_, [&](auto& take) { take(cost_, m); });
  lay_into(of_turns_, [&](auto& take) { take(turned_, m); });
  lay_into(of_nodes_, [&](auto& take) {
    take(node_, n), take(link_, n), take(next_, n), take(prev_, n), take(potential_, n), take(supply_, n - 1);
  });
  lay_into(of_work_, [&](auto& take) { take(queued_, n), take(inside_, n), take(below_, n), take(beside_, n); });
  std::ranges::fill(queued_, 0);
  std::ranges::fill(inside_, 0);
}

// An arc without room, which no tree has, may promise nothing: it lies as a loop, its cost not negative.
template <class Int>
void Simplex<Int>::lay_ends() {
  of_tails_ = {}, of_heads_ = {};
  lay_into(of_tails_, [&](auto& take) { take(tail_, turned_.size()); });
  lay_into(of_heads_, [&](auto& take) { take(head_, turned_.size()); });
  for (Arc e = 0; e < net_.m(); ++e) {
    const Node t = net_.tail[at(e)], h = net_.head[at(e)];
    const bool none = cap(e) == 0;
    tail_[at(e)] = turned(e) && !none ? h : t;
    head_[at(e)] = turned(e) || none ? t : h;
    if (none && cost_[at(e)] < 0) turn(e);
  }
}

template <class Int>
void Simplex<Int>::take_values() {
  room_ = std::make_shared<const Values<Int>>(std::move(net_.cap));
  std::ranges::copy(net_.supply, supply_.begin());
  std::ranges::fill(node_, Step{});
  free_all(net_.cap, net_.supply, net_.cost);
}

template <class Int>
void Simplex<Int>::rest() {
  of_tails_ = {}, of_heads_ = {}, of_work_ = {};
  tail_ = {}, head_ = {};
  queued_ = {}, inside_ = {}, below_ = {}, beside_ = {};
  free_all(base_, broken_, crossing_, promising_);
}

template <class Int>
Simplex<Int> Simplex<Int>::again(const Simplex& resting) {
  Simplex out(resting);
  out.carve();
  out.counts_ = out.paced_ = {};
  out.block_ = out.least_block_;
  out.per_block_ = kPivotsPerBlock;
  out.cut_arcs_ = 0;
  out.again_ = 0;
  out.last_ = kNoArc;
  out.round_ = {};
  out.looks_ = out.good_looks_ = 0;
  out.near_ = true;
  return out;
}

// Parents, preorder, lasts; children in ascending order.
template <class Int>
void Simplex<Int>::thread_tree(std::span<const Node> parent) {
  const Node n = net_.n;
  std::vector<Node> child(at(n) + 1, kNoNode), sibling(at(n), kNoNode);
  for (Node v = n - 1; v >= 0; --v) {
    const auto p = at(parent[at(v)]);
    node_[at(v)].parent = parent[at(v)];
    sibling[at(v)] = child[p];
    child[p] = v;
  }
  node_[at(root_)] = {kNoNode, 0, kArtificialRoom, kArtificialRoom};
  next_[at(root_)] = root_;
  prev_[at(root_)] = root_;
  link_[at(root_)] = {root_, kUp};
  Node end = root_;
  for (Node v = child[at(root_)]; v != kNoNode;) {
    next_[at(end)] = v;
    prev_[at(v)] = end;
    end = v;
    if (child[at(v)] != kNoNode) {
      v = child[at(v)];
      continue;
    }
    link_[at(v)].last = v;
    while (v != root_ && sibling[at(v)] == kNoNode) {
      v = node_[at(v)].parent;
      link_[at(v)].last = end;
    }
    v = v == root_ ? kNoNode : sibling[at(v)];
  }
  next_[at(end)] = root_;
  prev_[at(root_)] = end;
  link_[at(root_)].last = end;
}

template class Simplex<std::int32_t>;
template class Simplex<std::int64_t>;

}  // namespace gridcompute::flow
