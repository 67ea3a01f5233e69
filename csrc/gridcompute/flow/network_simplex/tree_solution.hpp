// The spanning tree solution of network simplex: flow, potentials and costs of a basis (T, L, U).
//
// Definitions.  T is the spanning tree (spanning_tree.hpp), L the arcs at 0, U the arcs at their capacity. The flow of
// the tree arcs follows from L, U and the supplies; the potentials follow from the costs of the tree arcs, whose
// reduced cost cost + potential[tail] - potential[head] is 0. Arcs of U are *stored reversed*, with their cost negated:
// off the tree every arc then stands at 0 in the direction stored, is eligible to enter exactly if its reduced cost is
// negative, and pricing needs no state of arcs at all. Arcs of capacity 0 are stored as loops with a cost of at least
// 0, so they are never eligible. Artificial arcs: kUp (v -> root) at cost 0, kDown (root -> v) at big_cost(), both plus
// the artificial cost of the node, where there is one.
//
// Invariants (holds()).  (T1) SpanningTree::holds(); (T2) up > 0 for every node: each can send more towards the root
// (strongly feasible tree); (T3) residual capacities and arcs of U make a flow that meets the supplies; (T4) tree arcs
// have reduced cost 0; (T5) while changes are tracked, every arc of negative reduced cost is in eligible().
//
// Range proof.  Costs within FlowRange::kMaxCost, big_cost() within kMaxBig, supplies and capacities in use within
// kMaxFlow (preprocess.cpp). Every new potential is checked: overflowed() says that one left kMaxPotential, and the
// 64-bit twin then goes on from the same tree. There a path of n arcs, one of them artificial, stays within
// n * max|cost| + big_cost() <= 2^60 + 2^60.
//
// Source.  Ahuja, Magnanti, Orlin, Network Flows (1993) 11.2 to 11.5.
// Deviations.  Arcs of U are stored reversed; the smaller side of the cut is repriced.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

#include "gridcompute/flow/network.hpp"
#include "gridcompute/flow/network_simplex/spanning_tree.hpp"
#include "gridcompute/flow/tuning.hpp"

namespace gridcompute::flow {

// Pricing of many arcs at once: the hot loop of network simplex, vector code with gathers.
//
// An arc is eligible to enter the tree if its reduced cost cost + potential[tail] - potential[head] is negative. Each
// of kPricingLanes lanes keeps the best of its arcs, so one pass gives up to sixteen good arcs in the time of one. Ties
// go to the first arc.

inline constexpr Arc kPricingLanes = 16;  // a vector of 16 narrow costs is one or two registers

template <class Int>
struct ArcPrices {
  const Int* cost;
  const Node *tail, *head;
  const Int* potential;
};

// The best arc of each lane (arcs l, l + kPricingLanes, .. of a block); reduced_cost is 0 where none is eligible.
template <class Int>
struct BlockCandidates {
  std::array<Int, kPricingLanes> reduced_cost{};
  std::array<Arc, kPricingLanes> arc{};
};

// Prices arcs [first, first + count).
void price_block(const ArcPrices<std::int32_t>& prices, Arc first, Arc count, BlockCandidates<std::int32_t>& best);
void price_block(const ArcPrices<std::int64_t>& prices, Arc first, Arc count, BlockCandidates<std::int64_t>& best);

// An order of all arcs in groups of kPricingLanes (the last perhaps shorter) in which arcs of one tail are far apart.
// Pricing in this order takes up to a fifth longer than in that of the arrays.
struct ScatteredOrder {
  explicit ScatteredOrder(Arc arcs);
  Arc m, groups, step;
  Arc next = 0;  // group
};

// Prices the next `count` groups.
void price_scattered(const ArcPrices<std::int32_t>& prices, ScatteredOrder& order, Arc count,
                     BlockCandidates<std::int32_t>& best);
void price_scattered(const ArcPrices<std::int64_t>& prices, ScatteredOrder& order, Arc count,
                     BlockCandidates<std::int64_t>& best);

struct PivotCounts {
  Index pivots = 0, degenerate = 0;
  Index repriced = 0;  // nodes whose potential changed
  Index walked = 0;    // tree arcs on cycles
  Index priced_blocks = 0, priced_arcs = 0;
  Index listed_arcs = 0;                   // arcs priced one by one
  Index dual_pivots = 0, bound_flips = 0;  // of dual repair
};

template <class Int>
class TreeSolution {
 public:
  using Tree = SpanningTree<Int>;
  using Cycle = typename Tree::Cycle;
  using Sum = std::conditional_t<sizeof(Int) == 4, std::int64_t, Wide>;  // of many flows

  // From a basis: flow is routed along its forest where it fits; a node whose tree arc has no residual capacity left
  // gets an artificial arc instead (T2). A cycle in basis.tree_arc is cut where it is met. `artificial_cost`: of each
  // node, or empty.
  TreeSolution(Network<Int> net, const Basis& basis, std::vector<Int> artificial_cost, const FlowTuning& tuning);
  // Copies the basis of another width.
  template <class Other>
  TreeSolution(Network<Int> net, const TreeSolution<Other>& other);
  TreeSolution(TreeSolution&&) noexcept = default;
  TreeSolution& operator=(TreeSolution&&) noexcept = default;

  // Frees the half of the memory that can be computed again. Until resumed(), only the functions under "Answers" work.
  void compact();
  // Copies a compacted solution, ready for changes, with changes tracked.
  [[nodiscard]] static TreeSolution resumed(const TreeSolution& compacted, const FlowTuning& tuning);

  // ---- The network and the basis
  [[nodiscard]] Node n() const noexcept { return net_.n; }
  [[nodiscard]] Arc m() const noexcept { return net_.m(); }
  [[nodiscard]] const Network<Int>& network() const noexcept { return net_; }  // without the values moved here
  [[nodiscard]] Tree& tree() noexcept { return tree_; }
  [[nodiscard]] const Tree& tree() const noexcept { return tree_; }
  [[nodiscard]] Int capacity(Arc e) const noexcept { return (*capacity_)[at(e)]; }
  [[nodiscard]] std::span<const Int> supply() const noexcept { return supply_; }
  [[nodiscard]] std::span<const Int> potential() const noexcept { return potential_.first(at(net_.n)); }
  [[nodiscard]] bool at_upper(Arc e) const noexcept { return at_upper_[at(e)] != 0; }
  // Return the ends in the direction stored.
  [[nodiscard]] Node tail(Arc e) const noexcept {
    if (!tail_.empty()) return tail_[at(e)];
    return at_upper(e) ? net_.head[at(e)] : net_.tail[at(e)];
  }
  [[nodiscard]] Node head(Arc e) const noexcept {
    if (!head_.empty()) return head_[at(e)];
    return at_upper(e) ? net_.tail[at(e)] : net_.head[at(e)];
  }
  [[nodiscard]] Int reduced_cost(Arc e) const noexcept {
    return cost_[at(e)] + potential_[at(tail(e))] - potential_[at(head(e))];
  }
  // Returns the node whose tree arc this is, or kNoNode.
  [[nodiscard]] Node node_above(Arc e) const noexcept {
    const Node t = net_.tail[at(e)], h = net_.head[at(e)];
    return tree_.arc(t) == e ? t : tree_.arc(h) == e ? h : kNoNode;
  }
  // Returns the input of the pricing kernels; computes the stored ends first where there are none yet.
  [[nodiscard]] ArcPrices<Int> prices();
  [[nodiscard]] Arc last_pivot_arc() const noexcept { return last_pivot_arc_; }  // that left or entered last, or kNoArc
  [[nodiscard]] bool overflowed() const noexcept { return overflowed_; }

  // ---- Pivots
  // Moves an arc off the tree to its other bound.
  void flip_bound(Arc e);
  void push(Arc e, Node apex, Int units) noexcept { tree_.push(tail(e), head(e), apex, units); }
  // Exchanges the leaving arc of the cycle for `e`. `from`: the end of the leaving arc in whose direction it has
  // residual capacity, the direction to store; `inside`: what list_smaller_side() returned.
  void exchange(Arc e, const Cycle& cycle, Node from, bool inside);
  // Gives a subtree that no units can leave, and none have to, an artificial arc.
  void attach_to_root(Node top, bool inside);
  // Returns whether the pivot would fill an artificial arc. Such arcs may leave empty; a full one had too little
  // capacity for this width.
  [[nodiscard]] bool fills_artificial_arc(const Cycle& cycle) const noexcept;
  // Computes all potentials from the costs of the tree arcs. Ends tracking.
  void compute_potentials();
  // Raises the cost of the artificial arcs after an optimum with flow on them; false: the width allows no more.
  [[nodiscard]] bool raise_big_cost();

  // ---- Changes of the problem
  // Sets costs; potentials follow.
  void set_costs(std::span<const Arc> arcs, std::span<const Int> cost);
  // Replaces supplies, and capacities unless `capacity` is empty, without a change of any flow (dual_repair.hpp).
  void replace(std::span<const Int> supply, RawVector<Int>&& capacity);
  [[nodiscard]] RawVector<Int> copy_capacities() const { return *capacity_; }
  // Builds the tree again after a dual repair that gave up, with new costs: arcs stay in the tree as far as their flow
  // fits and their reduced cost is 0. Returns how many of `arcs` are eligible.
  Index rebuild(std::span<const Arc> arcs, std::span<const Int> cost);

  // While changes are tracked, arcs whose reduced cost may have become negative are listed.
  [[nodiscard]] bool tracked() const noexcept { return tracked_; }
  void stop_tracking() noexcept { tracked_ = false; }
  [[nodiscard]] std::vector<Arc>& eligible() noexcept { return eligible_; }
  [[nodiscard]] Index eligible_arcs() const;  // the length of the list, or counted over all arcs

  // ---- Answers
  // Calls write(e, flow) for every arc, for those in the tree a second time with the right value.
  template <class Write>
  void for_each_flow(Write&& write) const {
    for (Arc e = 0; e < net_.m(); ++e) write(e, at_upper(e) ? capacity(e) : Int{0});
    for (Node v = 0; v < net_.n; ++v)
      if (const Arc e = tree_.arc(v); e >= 0) write(e, tree_flow(v));
  }
  struct Verification {
    std::optional<Wide> total_cost;  // none where it does not fit
    bool optimal = false;
  };
  // Computes the total cost, and checks feasibility, complementary slackness of U and strong duality. O(n + |U|).
  // Pricing has established that no arc of L is eligible.
  [[nodiscard]] Verification verify() const;
  [[nodiscard]] Basis basis() const;
  [[nodiscard]] Index tree_arcs() const;                                       // without artificial ones
  [[nodiscard]] Index dropped_arcs() const noexcept { return dropped_arcs_; }  // of the start: they lack capacity
  [[nodiscard]] Int unserved() const;                                          // flow left on kDown arcs
  [[nodiscard]] bool separates(const std::vector<bool>& reachable) const;
  // Return the nodes that still have units to send and all nodes that the residual graph reaches from them.
  [[nodiscard]] std::vector<bool> reachable_from_excess() const;
  [[nodiscard]] std::vector<Node> cut() const;  // these nodes as a list
  [[nodiscard]] bool holds() const;

  PivotCounts counts;

 private:
  template <class Other>
  friend class TreeSolution;

  struct PotentialChange {
    Node top;  // of a subtree
    Int by;
  };

  TreeSolution(const TreeSolution&) = default;  // spans still point into the other's blocks: carve() follows

  void carve();
  void move_values_in();
  void store_ends();
  void start_big_cost();
  void route_basis(std::span<const Arc> tree_arc);
  [[nodiscard]] std::vector<Node> parents(std::span<const Arc> tree_arc) const;
  void route_flow(std::span<const Arc> tree_arc, std::vector<Node>& parent, std::vector<Sum>& excess);
  [[nodiscard]] bool fits(Arc e, Node v, Sum excess) const noexcept;
  [[nodiscard]] Int artificial_cost(Node v, Arc e) const noexcept {
    return (artificial_cost_.empty() ? 0 : artificial_cost_[at(v)]) + (e == Tree::kDown ? big_cost_ : 0);
  }
  [[nodiscard]] Int tree_flow(Node v) const noexcept {  // of its tree arc, no artificial one
    return net_.tail[at(tree_.arc(v))] == v ? tree_.node(v).down : tree_.node(v).up;
  }
  void check_range(Int potential) noexcept { overflowed_ |= potential > kMaxPotential || potential < -kMaxPotential; }
  void shift_potentials(bool inside, Int by);
  [[nodiscard]] bool shift_subtrees(std::span<const PotentialChange> subtrees);
  Int set_cost(Arc e, Int cost);
  void track_arcs_of(Node v);
  void track_subtree(Node top);

  static constexpr Int kMaxPotential = FlowRange<Int>::kMaxPotential;

  Network<Int> net_;
  const FlowTuning* tuning_;
  Tree tree_;
  // One array of arcs per block, all of one size: a warm start reuses the blocks that a solve frees.
  Block tails_, heads_, costs_, uppers_, nodes_;
  std::span<Node> tail_, head_;  // as stored; empty until a pricing pass needs them
  std::span<std::uint8_t> at_upper_;
  std::span<Int> cost_;                             // as stored
  std::shared_ptr<const RawVector<Int>> capacity_;  // shared with the solution before until it changes
  std::span<Int> supply_, potential_;
  Arc last_pivot_arc_ = kNoArc;
  Int big_cost_ = 0;
  std::vector<Int> artificial_cost_;  // of each node, added to that of its artificial arc; empty: 0
  bool overflowed_ = false;
  Index dropped_arcs_ = 0;
  bool tracked_ = false;
  std::vector<Arc> eligible_;
};

}  // namespace gridcompute::flow
