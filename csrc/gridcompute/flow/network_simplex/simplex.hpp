// Network simplex on a strongly feasible spanning tree.
//
// Problem.  Minimise sum cost * x over the reduced network (network.hpp): flow out minus flow in of each node is its
// supply, 0 <= x <= cap.
//
// Definitions.  A root node n joins every node by an artificial arc while nothing better is known: up (v -> root) at
// cost 0 if v has supply to send, down (root -> v) at cost `big` if it needs some. A spanning tree of n arcs is the
// basis; potentials make the reduced cost cost + pi[tail] - pi[head] of each tree arc 0. Node v keeps the room of its
// tree arc in both directions: `up` towards its parent, `down` from it. Arcs off the tree stand at 0 *in the direction
// stored*: one at its capacity is stored turned round, cost negated. So an arc can improve the total exactly if its
// reduced cost is negative, tree arcs price to 0, and pricing needs no state of arcs at all.
//
// Invariants (holds()).  (S1) `next` is a preorder of the tree, subtrees are contiguous: v .. last[v];
// (S2) up > 0 everywhere: each node can send more towards the root (strong feasibility); (S3) rooms and off-tree arcs
// make a flow that meets the supplies; (S4) tree arcs have reduced cost 0; (S5) while near_: arcs of negative reduced
// cost are in promising_.
//
// Steps.  Price a block of the order of sqrt(m) arcs, circularly; enter the least reduced cost of the first block that
// has a negative one, and then a few more of its candidates that are still good; how long the block is, and how many
// follow, depends on what pivots cost. The last arc of its cycle that blocks, seen from the apex in the direction of
// the push, leaves: that keeps S2 and so cannot cycle. Hang the cut-off subtree on the entering arc (one splice of the
// preorder a stem node) and shift its potentials, or those of all the rest if they are fewer.
//
// Nearly all pivots push nothing. By S2 the arc that blocks is then the first without room above the tail, and the way
// to the apex is of no interest: it is enough to know that the head is not below it. So the ends climb only until this
// is settled (cycle_of()), a few steps where the cycle has hundreds; no sizes or depths of subtrees are kept, which
// would have to be mended all the way; and which side of the cut is smaller is found by walking both at once.
//
// At the end, with flow left on artificial arcs of cost big: a search of the residual graph either proves a cut
// (no answer), or big was too small and grows.
//
// Complexity.  No polynomial bound on pivots; O(depth + nodes moved) each, less where nothing is pushed. What
// happens on real graphs: docs page.
//
// Range proof.  Costs within Range::kMaxCost, big within kMaxBig, sum of supplies and capacities of use within kMaxFlow
// (preprocess.cpp). Potentials are watched whenever they change: leaving kMaxPotential ends the run as Outgrown, to go
// on in the 64-bit twin from the same tree. There a path of n arcs, one of them artificial, stays within n * max|cost|
// + big <= 2^60 + 2^60.
//
// Source.  Cunningham, Math. Program. 11 (1976) 105 (strong feasibility); Kiraly and Kovacs, Acta Univ. Sapientiae
// Inform. 4 (2012) 67 (block search, preorder tree); Grigoriadis, Math. Program. Study 26 (1986) 83 (block pricing).
// Deviations.  Rooms live in the node records of the tree, so the walk to the apex touches one cache line a step;
// arcs at capacity are turned; pivots that push nothing skip the way to the apex; the smaller side of the cut is
// repriced; crash starts (crash_basis.hpp).
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <type_traits>

#include "gridcompute/base/array_block.hpp"
#include "gridcompute/base/stop.hpp"
#include "gridcompute/flow/network.hpp"
#include "gridcompute/flow/network_simplex/block_pricing.hpp"

namespace gridcompute::flow {

inline constexpr Index kNoBudget = std::numeric_limits<Index>::max();

struct PivotCounts {
  Index pivots = 0, degenerate = 0, repriced = 0, priced_blocks = 0;
  Index priced = 0;                   // arcs of these blocks
  Index walked = 0;                   // nodes on the ways round cycles
  Index looks = 0;                    // arcs priced one by one
  Index dual_pivots = 0, filled = 0;  // of repair()
};

template <class Int>
class Simplex {
 public:
  enum class End { optimal, infeasible, outgrown, stopped, spent };

  // From a basis: a forest, off-tree arcs at 0 or full. Flow is routed along it where it fits; a node whose arc has no
  // room left hangs on the root instead (S2). A cycle in `pred` is cut where it is met. No basis: the artificial tree.
  // `prices`: those of nodes that hang on the root, else 0 (or big, where they need units).
  explicit Simplex(Network<Int> net, const Basis& basis = {}, std::vector<Int> prices = {});
  Simplex(Simplex&&) noexcept = default;
  Simplex& operator=(Simplex&&) noexcept = default;
  // The same tree in another width.
  template <class Other>
  Simplex(Network<Int> net, const Simplex<Other>& other);

  // Ends as spent when effort() passes `budget`.
  End run(Stop& stop, Index budget = kNoBudget);
  // Steps done so far, each of about 5 ns: the same on every machine, unlike seconds.
  [[nodiscard]] Index effort() const noexcept {
    return counts_.repriced + counts_.walked + 16 * counts_.pivots + counts_.priced / 8 + counts_.looks / 4;
  }

  // compact.cpp: a tree at rest gives back what can be made anew, half of it. Until again() it is for basis(),
  // tree_arcs(), each_flow(), account() and supply() alone.
  void rest();
  [[nodiscard]] static Simplex again(const Simplex& resting);
  // dual_repair.cpp: an optimal tree on its way to another problem on the same arcs. recost() is for new costs, and
  // run() then makes it optimal again; reroom() is for new rooms and supplies, and repair() and run() then do.
  // False: the change is too large for this width. Where repair() gives up, replant() is what is left, and recost()
  // with it; how many changed arcs promise something.
  void recost(std::span<const Arc> arcs, std::span<const Int> cost);
  [[nodiscard]] bool reroom(std::span<const Arc> arcs, std::span<const Int> room, std::span<const Int> supply);
  [[nodiscard]] bool repair(Stop& stop);
  Index replant(std::span<const Arc> recosted, std::span<const Int> cost);

  // At rest: write(e, flow) for every arc, for those in the tree a second time.
  template <class Write>
  void each_flow(Write&& write) const {
    for (Arc e = 0; e < net_.m(); ++e) write(e, turned(e) ? cap(e) : Int{0});
    for (Node v = 0; v < net_.n; ++v)
      if (const Arc e = link_[at(v)].pred; e >= 0) write(e, flow_above(v));
  }
  // At rest: what the flow costs, and whether potentials prove an optimum, as far as the tree and arcs at capacity
  // tell. O(n + arcs at capacity): that arcs without flow promise nothing is the business of pricing.
  struct Account {
    std::optional<Wide> total;  // none where it does not fit
    bool proved = false;
  };
  [[nodiscard]] Account account() const;
  [[nodiscard]] std::span<const Int> potential() const { return potential_.first(at(net_.n)); }
  [[nodiscard]] Basis basis() const;  // at rest
  [[nodiscard]] Index arcs() const noexcept { return net_.m(); }
  [[nodiscard]] Index tree_arcs() const;  // without the artificial ones
  [[nodiscard]] std::span<const Int> supply() const noexcept { return supply_; }
  [[nodiscard]] Index cut_arcs() const noexcept { return cut_arcs_; }  // of the basis given, for want of room
  [[nodiscard]] Int unserved() const;                                  // flow left on artificial arcs
  [[nodiscard]] std::vector<Node> cut() const;  // after infeasible: nodes whose supply exceeds what can leave them
  [[nodiscard]] bool outgrown() const noexcept { return outgrown_; }
  [[nodiscard]] Index promising() const;  // arcs with room
  [[nodiscard]] const PivotCounts& counts() const noexcept { return counts_; }
  [[nodiscard]] bool holds() const;

 private:
  template <class Other>
  friend class Simplex;

  Simplex(const Simplex&) = default;  // its arrays are still the other's: carve() follows

  // What one loop touches lies together: the walk to the apex reads Step (16 bytes in the narrow width), a change of
  // potentials runs along next_, the rest is for splicing.
  struct Step {
    Node parent;
    std::uint32_t mark;  // of the last climb that came by
    Int up, down;
  };
  struct Link {
    Node last;
    Arc pred;  // arc to the parent, or kUp, kDown
  };
  struct Cycle {
    Node apex, leaving;  // leaving: the node below the leaving arc, or kNoNode where the entering arc itself blocks
    bool tail_side;      // on which side of the entering arc it lies
    Int room;
  };
  using Sum = std::conditional_t<sizeof(Int) == 4, std::int64_t, Wide>;  // of many flows
  static constexpr int kPivotsPerBlock = 4;
  static constexpr Node kNoNode = -1;
  static constexpr Arc kUp = -1, kDown = -2;  // artificial arcs: v -> root at cost 0, root -> v at cost big

  struct Break {
    Int units;  // too many (surplus) or too few
    bool surplus, broken;
  };
  struct Crossing {
    Int reduced;
    Arc arc;
  };

  void start_big();
  void carve();
  void lay_ends();
  void take_values();
  void plant(std::span<const Arc> pred);
  std::vector<Node> parents(std::span<const Arc> pred) const;
  void route(std::span<const Arc> pred, std::vector<Node>& parent, std::vector<Sum>& excess);
  [[nodiscard]] bool fits(Arc e, Node v, Sum excess) const;
  void hang(Node v, Int excess);
  void thread_tree(std::span<const Node> parent);
  void price_tree();
  struct Lift {
    Node top;
    Int by;
  };
  [[nodiscard]] bool lift(std::span<const Lift> subtrees);
  void watch(Int potential) noexcept { outgrown_ |= potential > kLimit || potential < -kLimit; }
  [[nodiscard]] Arc entering();
  void choose_order();
  void choose_pace();
  Arc price_next(Arc left);
  void price_beside(Node v);
  [[nodiscard]] Arc best_again();
  [[nodiscard]] Cycle cycle_of(Arc e);
  void forget_marks();
  [[nodiscard]] Cycle cycle_through(Arc e, Node apex);
  [[nodiscard]] bool list_smaller(Node top);
  [[nodiscard]] bool fills_artificial(const Cycle& cycle) const;
  void push(Arc e, const Cycle& cycle);
  void turn(Arc e);
  [[nodiscard]] Int cap(Arc e) const noexcept { return (*room_)[at(e)]; }
  [[nodiscard]] Int flow_above(Node v) const {  // of its tree arc, which is none of the root's own
    return net_.tail[at(link_[at(v)].pred)] == v ? node_[at(v)].down : node_[at(v)].up;
  }
  [[nodiscard]] Int reduced(Arc e) const noexcept {
    return cost_[at(e)] + potential_[at(tail(e))] - potential_[at(head(e))];
  }
  [[nodiscard]] bool turned(Arc e) const noexcept { return turned_[at(e)] != 0; }
  [[nodiscard]] Node tail(Arc e) const noexcept {
    if (!tail_.empty()) return tail_[at(e)];
    return turned(e) ? net_.head[at(e)] : net_.tail[at(e)];
  }
  [[nodiscard]] Node head(Arc e) const noexcept {
    if (!head_.empty()) return head_[at(e)];
    return turned(e) ? net_.tail[at(e)] : net_.head[at(e)];
  }
  // The node that hangs on this arc, or kNoNode.
  [[nodiscard]] Node hangs_on(Arc e) const noexcept {
    const Node t = net_.tail[at(e)], h = net_.head[at(e)];
    return link_[at(t)].pred == e ? t : link_[at(h)].pred == e ? h : kNoNode;
  }
  [[nodiscard]] bool in_tree(Arc e) const noexcept { return hangs_on(e) != kNoNode; }
  void exchange(Arc e, const Cycle& cycle, Node from, bool inside);
  void detach(Node top);
  void reroot(Node foot, Node top);
  void attach(Node foot, Node below);
  void shift(std::span<const Node> list, Int by);
  Int set_cost(Arc e, Int cost);
  [[nodiscard]] Break break_of(Node v) const;
  void suspect(Node v);
  void look_around(Node v);
  void look_below(Node top);
  [[nodiscard]] Arc entering_near();
  [[nodiscard]] bool mend(Node top, Index& work);
  [[nodiscard]] Index crossing(std::span<const Node> side, bool outwards, Arc leaving);
  [[nodiscard]] Node apex_of(Arc e);
  void carry(Arc e, Node apex, Int units);
  void hang_alone(Node top, bool inside);
  [[nodiscard]] std::vector<bool> reach() const;
  [[nodiscard]] bool separated(const std::vector<bool>& reached) const;

  static constexpr Int kLimit = Range<Int>::kMaxPotential;
  static constexpr Int kArtificialRoom = Range<Int>::kArtificialRoom;
  static constexpr Int kMostFlow = Range<Int>::kMaxFlow / 2 * 3 + 2;  // of an arc while nodes are broken

  Network<Int> net_;  // without its values, which are here:
  // The arrays: carve(). At rest only costs, turns and nodes. One array of arcs a block, all of a size: those that a
  // solve frees are just what a warm start after it asks for.
  Block of_tails_, of_heads_, of_costs_, of_turns_, of_nodes_, of_work_;
  std::span<Node> tail_, head_;  // as stored: turned where at capacity. Only once a pass needs them
  std::span<std::uint8_t> turned_;
  std::span<Int> cost_;
  std::shared_ptr<const Values<Int>> room_;  // shared with the tree before until it changes
  std::span<Int> supply_;
  std::span<Step> node_;
  std::span<Node> next_, prev_;
  std::span<Link> link_;
  std::span<Int> potential_;
  std::span<std::uint8_t> queued_, inside_;
  std::span<Node> below_, beside_;  // what list_smaller() finds
  Node listed_ = 0;
  Node root_;
  std::uint32_t mark_ = 0;
  Arc block_, cursor_ = 0, last_ = kNoArc;  // last_: that left, or entered, last
  Arc least_block_;
  int per_block_ = kPivotsPerBlock;  // pivots from one pass, at most
  PivotCounts paced_;                // when these were last chosen
  std::optional<Round> round_;       // where blocks are scattered
  Index looks_ = 0, good_looks_ = 0;
  Candidates<Int> found_;  // of the last block; `again_` more pivots may come from it
  Int least_fair_ = 0;
  int again_ = 0;
  Int big_ = 0;            // cost of kDown
  std::vector<Int> base_;  // what artificial arcs cost beside: after replant(), so that potentials stay, or as given
  bool outgrown_ = false;  // a potential has left kMaxPotential
  bool overfull_ = false;  // a broken node's flow has left kMostFlow
  Index cut_arcs_ = 0;
  std::vector<Node> broken_;  // each once: queued_
  std::vector<Crossing> crossing_;
  bool near_ = false;  // local_pricing.cpp
  std::vector<Arc> promising_;
  PivotCounts counts_;
};

}  // namespace gridcompute::flow
