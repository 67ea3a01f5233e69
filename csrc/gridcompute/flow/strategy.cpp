// The strategy of min-cost flow. Thresholds: tuning.hpp.
//
// Engines, three: the network simplex (network_simplex/), its dual repair of a warm start (dual_repair.hpp), cost
// scaling (cost_scaling/).
//
// Decision table (from top to bottom; the first line whose condition holds):
//
// condition                                      engine                    work budget             next on failure
// -----------------------------------------------------------------------------------------------------------------
// supplies do not sum to 0                       none: all nodes are a cut -                       -
// one node's arcs are too narrow for it          none: the node is a cut   -                       -
// a cycle of negative cost without capacities    network simplex at cost 0 as its problem's        infeasible
//   exists                                         (is there a flow?)
// method cost_scaling                            cost scaling              none                    -
// a start with a tree for the same graph, no     network simplex, resumed: that of a solve from    a cold network
//   lower bounds, self-loops, infinite negative    dual repair, then       nothing, checked at a   simplex; cost
//   arcs                                           primal pivots           quarter and half of it  scaling if the
//                                                                                                  method's is spent
// any other start                                network simplex from its  method's                cost scaling
//                                                  basis or flow
// otherwise                                      network simplex, cold     method's                cost scaling
//
// Budget of the method: network_simplex none; automatic by simplex_budget() (none where costs are beyond the range of
// cost scaling).
//
// Starts of a cold network simplex:
//
// condition                                      start
// -----------------------------------------------------------------------------------------------------------------
// arcs of negative cost on cycles                saturated: these arcs at their upper bound, artificial tree
// other arcs of negative cost                    artificial tree
// a hub that nearly all nodes fit on             star on the hub
// predicted to fit, and fits                     shortest path forest
// otherwise                                      artificial tree
// any of them, too many units unserved after     one phase of cost scaling; where that takes more than its budget,
//   trial_work()                                   the simplex continues from its own tree
//
// Width: 32 bits where the ranges fit (network.hpp), else 64; a solve that leaves 32 bits goes on in 64 from its
// tree.
#include <algorithm>
#include <numeric>
#include <optional>
#include <string_view>

#include "gridcompute/base/error.hpp"
#include "gridcompute/flow/cost_scaling.hpp"
#include "gridcompute/flow/network_simplex/dual_repair.hpp"
#include "gridcompute/flow/network_simplex/network_simplex.hpp"
#include "gridcompute/flow/preprocess.hpp"
#include "gridcompute/flow/problem.hpp"
#include "gridcompute/flow/start.hpp"
#include "gridcompute/flow/warm_start.hpp"

namespace gridcompute::flow {

std::optional<Wide> total_cost(const MinCostFlow& p, std::span<const std::int64_t> flow) {
  Wide sum = 0;
  bool over = false;
  for (std::size_t e = 0; e < flow.size(); ++e)
    over |= __builtin_add_overflow(sum, static_cast<Wide>(flow[e]) * p.cost[e], &sum);
  return over ? std::nullopt : std::optional(sum);
}

Index unserved_units(const MinCostFlow& p, const Topology& t, std::span<const std::int64_t> flow) {
  std::vector<Wide> left(p.supply.begin(), p.supply.end());
  for (std::size_t e = 0; e < flow.size(); ++e) {
    left[at(t.caller_tail[e])] -= flow[e];
    left[at(t.caller_head[e])] += flow[e];
  }
  Wide units = 0;
  for (const Wide excess : left) units += std::max<Wide>(excess, 0);
  return static_cast<Index>(std::min<Wide>(units, std::numeric_limits<Index>::max()));
}

bool proves_optimal(const MinCostFlow& p, const Topology& t, std::span<const std::int64_t> flow,
                    std::span<const std::int64_t> potential) {
  std::vector<Wide> left(p.supply.begin(), p.supply.end());
  bool holds = true;
  for (std::size_t e = 0; e < flow.size(); ++e) {
    const std::size_t tail = at(t.caller_tail[e]), head = at(t.caller_head[e]);
    const Wide reduced = static_cast<Wide>(p.cost[e]) + potential[tail] - potential[head];
    const bool low = flow[e] > p.lower_bound(e), high = flow[e] < p.capacity[e];
    holds &= flow[e] >= p.lower_bound(e) && flow[e] <= p.capacity[e];
    holds &= !(reduced < 0 && high) && !(reduced > 0 && low);
    left[tail] -= flow[e], left[head] += flow[e];
  }
  return holds && std::ranges::all_of(left, [](Wide units) { return units == 0; });
}

namespace {

// One solve: the caller's problem, its reduction, and the result.
class MinCostFlowSolver {
 public:
  MinCostFlowSolver(const MinCostFlow& problem, const WarmStart* start, Stop& stop, std::optional<Index> work_per_size,
                    const FlowTuning& tuning)
      : p_(problem), start_(start), stop_(stop), work_per_size_(work_per_size), tuning_(tuning) {}

  FlowResult run(FlowMethod method) {
    on_budget_ = method == FlowMethod::automatic;
    if (on_budget_) r_.stats.reason = "within budget";
    solve(method);
    r_.stats.work_units = stop_.work();
    r_.stats.seconds_solve = stop_.seconds() - r_.stats.seconds_build - r_.stats.seconds_start;
    if (!flow_.empty() || (!r_.warm_start.narrow && !r_.warm_start.wide))
      r_.warm_start.stored_flow = std::make_shared<const RawVector<std::int64_t>>(std::move(flow_));
    return std::move(r_);
  }

 private:
  const Topology& topology() const { return *r_.warm_start.topology; }

  void solve(FlowMethod method) {
    if (start_ != nullptr && method != FlowMethod::cost_scaling) {
      if (start_->narrow && resume(*start_->narrow)) return;
      if (start_->wide && resume(*start_->wide)) return;
    }
    summary_ = summarize(p_);
    stop_.count(std::ssize(p_.tail) + p_.n);
    r_.warm_start.topology = build_topology(p_, summary_, start_ == nullptr ? nullptr : start_->topology);
    if (!summary_.balanced) {
      std::vector<Index> all(at(p_.n));
      std::iota(all.begin(), all.end(), 0);
      return return_cut(std::move(all), "balance");
    }
    if (const std::vector<Index> cycle = find_infinite_negative_cycle(); !cycle.empty()) return solve_unbounded(cycle);
    if (stop_.requested()) return return_stopped();
    r_.stats.seconds_build = stop_.seconds();
    if (method == FlowMethod::cost_scaling || (budget_spent_ && in_range_of_cost_scaling()))
      run_cost_scaling();
    else
      run_network_simplex();
  }

  // ---------------------------------------------------------------- warm starts

  // Resumes the tree of an earlier answer where only costs, capacities and supplies differ; false if it does not help.
  template <class Int>
  bool resume(const WarmStartState<Int>& before) {
    if (!may_resume(p_, *start_->topology, before)) return false;
    std::optional<ProblemDifference<Int>> diff = difference(p_, *start_->topology, before, tuning_);
    if (!diff) return before.cold.from_forest && supplies_outgrow(p_, before) ? discard_tree() : false;
    r_.stats.changed_costs = std::ssize(diff->cost_arcs);
    r_.stats.changed_capacities = std::ssize(diff->capacity_arcs);
    r_.stats.changed_supplies = std::ssize(diff->supply_nodes);
    r_.warm_start.topology = start_->topology;
    if (const Node v = single_node_cut(*diff, *start_->topology); v >= 0) return return_single_node_cut(v);
    auto simplex = NetworkSimplex<Int>::resumed(before.simplex, tuning_);
    r_.stats.seconds_build = stop_.seconds();
    stop_.stage("changes", 0.05);
    using End = typename NetworkSimplex<Int>::End;
    if (!apply(*diff, simplex.solution(), before.cold)) return false;
    const Index budget = budget_or_none((static_cast<Index>(p_.tail.size()) + p_.n) * tuning_.work_per_size);
    const End end = run_within_cold_work(simplex, before.cold, budget, stop_, tuning_);
    if (end == End::budget_spent) return simplex.work() > budget ? leave_network_simplex(simplex) : discard_tree();
    if (end == End::overflow) return false;
    FlowStats& s = r_.stats;
    s.start = "basis";
    s.kept_tree_arcs = before.simplex.solution().tree_arcs() - simplex.solution().dropped_arcs();
    s.dropped_tree_arcs = simplex.solution().dropped_arcs();
    report(simplex, end);
    simplex.compact();
    set_objective(verified_cost(simplex.solution(), end == End::optimal));
    keep(std::move(simplex), std::move(diff->data), diff->negative_capacity, before.cold, end == End::optimal);
    return true;
  }

  // Applies capacities and supplies first, while the tree is optimal for its costs, then costs. False: the tree does
  // not help.
  template <class Int>
  bool apply(const ProblemDifference<Int>& diff, TreeSolution<Int>& tree, const ColdSolveRecord& cold) {
    bool feasible = true;
    if (!diff.capacity_arcs.empty() || !diff.supply_nodes.empty()) {
      DualRepair<Int> repair(tree, tuning_);
      if (!repair.set_capacities_and_supplies(diff.capacity_arcs, diff.capacity, diff.supply)) return false;
      stop_.stage("dual repair", 0.1);
      feasible = repair.run(stop_);
      if (tree.overflowed()) return false;
    }
    if (feasible) {
      if (diff.cost_arcs.empty()) return true;
      tree.set_costs(diff.cost_arcs, diff.cost);
      return keep_tree(tuning_, tree.eligible_arcs(), std::ssize(p_.tail), cold.from_forest) || discard_tree();
    }
    if (cold.from_forest && diff.most_supply_moved) return discard_tree();
    const Index eligible = tree.rebuild(diff.cost_arcs, diff.cost);
    return keep_rebuilt_tree(tuning_, eligible, p_.n, std::ssize(p_.tail)) || discard_tree();
  }

  // Gives up the earlier tree: it is no better a start than none. The order of arcs is kept.
  bool discard_tree() {
    tree_discarded_ = true;
    return false;
  }

  // Returns the basis of an earlier answer, as far as this network has its arcs; empty if there is none.
  template <class Int>
  Basis warm_basis(const Network<Int>& net) {
    if (start_ == nullptr || tree_discarded_ || start_->topology->caller_tail.size() != p_.tail.size() ||
        p_.tail.empty())
      return {};
    Basis kept;
    if (start_->narrow) kept = start_->narrow->simplex.solution().basis();
    if (start_->wide) kept = start_->wide->simplex.solution().basis();
    const bool has_tree = kept.tree_arc.size() == at(net.n);
    r_.stats.start = has_tree ? "basis" : "flow";
    if (has_tree && start_->topology == r_.warm_start.topology) return kept;
    Basis basis;
    const auto stored = start_->flow();
    const std::span<const std::int64_t> flow(*stored);
    basis.at_upper.resize(topology().original.size());
    for (std::size_t k = 0; k < basis.at_upper.size(); ++k) {  // the nearer bound
      const std::size_t e = at(topology().original[k]);
      const std::int64_t x = flow[e], l = p_.lower_bound(e);
      const std::uint64_t over = static_cast<std::uint64_t>(x) - static_cast<std::uint64_t>(l);
      basis.at_upper[k] = (x > l) & (over >= (static_cast<std::uint64_t>(net.capacity[k]) + 1) / 2);
    }
    basis.tree_arc.assign(at(net.n), kNoArc);
    if (has_tree)
      translate_tree(kept.tree_arc, basis);
    else
      add_free_arcs(p_, net, flow, basis);
    for (const Arc k : basis.tree_arc)
      if (k != kNoArc) basis.at_upper[at(k)] = 0;
    return basis;
  }

  // Translates tree arcs from the earlier order of arcs, those that still touch their node.
  void translate_tree(const std::vector<Arc>& tree_arc, Basis& basis) {
    for (std::size_t v = 0; v < basis.tree_arc.size(); ++v) {
      if (tree_arc[v] == kNoArc) continue;
      const Arc e = start_->topology->original[at(tree_arc[v])];
      const auto node = static_cast<Index>(v);
      if (p_.tail[at(e)] == node || p_.head[at(e)] == node) basis.tree_arc[v] = topology().sorted[at(e)];
    }
  }

  // ---------------------------------------------------------------- network simplex

  void run_network_simplex() {
    summary_.fits_narrow() ? run_network_simplex_in<std::int32_t>() : run_network_simplex_in<std::int64_t>();
  }

  template <class Int>
  void run_network_simplex_in() {
    ArcData<Int> data = arc_data<Int>(p_, summary_, tuning_);
    Network<Int> net = build_network(data, summary_, topology());
    if (const Node v = single_node_cut(net); v >= 0) return (void)return_single_node_cut(v);
    NetworkSimplex<Int> simplex = start_simplex(std::move(net));
    const auto end = run_with_trial(simplex, data);
    if constexpr (sizeof(Int) == 4)
      if (end == NetworkSimplex<Int>::End::overflow) return widen(simplex);
    finish(std::move(simplex), end, std::move(data));
  }

  void widen(const NetworkSimplex<std::int32_t>& simplex) {
    ArcData<std::int64_t> data = arc_data<std::int64_t>(p_, summary_, tuning_);
    NetworkSimplex<std::int64_t> wide(build_network(data, summary_, topology()), simplex);
    const auto end = run_with_trial(wide, data);
    finish(std::move(wide), end, std::move(data));
  }

  // Runs to the end. A start is replaced by one from cost scaling where it leaves too many units unserved after
  // trial_work(), or is not done after a budget of several start_budget_unit().
  template <class Int>
  typename NetworkSimplex<Int>::End run_with_trial(NetworkSimplex<Int>& simplex, const ArcData<Int>& data) {
    using End = typename NetworkSimplex<Int>::End;
    const Index size = std::ssize(p_.tail) + p_.n;
    const Index unit = start_budget_unit(tuning_, p_.n, size);
    auto end = simplex.run(stop_, std::min(budget_, trial_work(tuning_, size)));
    if (end != End::budget_spent || simplex.work() > budget_) return end;
    if (!start_has_failed(tuning_, static_cast<Index>(simplex.solution().unserved()), summary_.flow_bound)) {
      end = simplex.run(stop_, std::min(budget_, tuning_.late_trial * unit));
      if (end != End::budget_spent || simplex.work() > budget_) return end;
    }
    Network<Int> net = build_network(data, summary_, topology());
    if (auto start = cost_scaling_start(net, stop_, tuning_.scaled_start_work * unit, tuning_)) {
      work_ += simplex.work() + start->work;
      simplex = NetworkSimplex<Int>(std::move(net), start->basis, std::move(start->price), tuning_);
      r_.stats.start = "cost_scaling";
      r_.stats.kept_tree_arcs = r_.stats.dropped_tree_arcs = 0;
    }
    return simplex.run(stop_, budget_);
  }

  template <class Int>
  NetworkSimplex<Int> start_simplex(Network<Int> net) {
    stop_.stage("start tree", 0.05);
    const double before = stop_.seconds();
    const Index size = static_cast<Index>(net.m()) + net.n;
    budget_ = in_range_of_cost_scaling()
                  ? budget_or_none(simplex_budget(tuning_, size, summary_.proper_arcs, summary_.arcs_with_cost))
                  : kNoBudget;
    Basis basis = warm_basis(net);
    const bool warm = !basis.tree_arc.empty();
    if (!warm) basis = summary_.negative_costs ? saturated_basis(net) : path_basis(net);
    NetworkSimplex<Int> simplex(std::move(net), basis, {}, tuning_);
    if (warm) {
      const Index artificial = std::count(basis.tree_arc.begin(), basis.tree_arc.end(), kNoArc);
      const Index dropped = simplex.solution().dropped_arcs();
      r_.stats.dropped_tree_arcs = dropped;
      r_.stats.kept_tree_arcs = std::max<Index>(0, std::ssize(basis.tree_arc) - artificial - dropped);
    }
    r_.stats.seconds_start = stop_.seconds() - before;
    r_.stats.bits = static_cast<int>(8 * sizeof(Int));
    stop_.stage("network simplex", 0.1);
    return simplex;
  }

  // Returns the basis with arcs of negative cost on cycles at their upper bound; infinite ones stay at 0.
  template <class Int>
  Basis saturated_basis(const Network<Int>& net) {
    Basis basis;
    basis.at_upper = negative_arcs_on_cycles(net, summary_.flow_bound);
    if (!basis.at_upper.empty()) r_.stats.start = "saturated";
    return basis;
  }

  template <class Int>
  Basis path_basis(const Network<Int>& net) {
    if (const Node hub = find_hub(net); hub >= 0) {
      CrashBasis star = hub_star(net, hub);
      if (use_star(net, hub, star, tuning_)) {
        r_.stats.start = "star";
        return std::move(star.basis);
      }
    }
    if (!try_forest(net, tuning_)) return {};
    CrashBasis forest = shortest_path_forest(net, tuning_);
    if (!use_forest(net, forest, tuning_)) return {};
    r_.stats.start = "forest";
    return std::move(forest.basis);
  }

  template <class Int>
  void finish(NetworkSimplex<Int>&& simplex, typename NetworkSimplex<Int>::End end, ArcData<Int>&& data) {
    using End = typename NetworkSimplex<Int>::End;
    if (end == End::budget_spent) {
      (void)leave_network_simplex(simplex);
      return run_cost_scaling();
    }
    if (end == End::overflow)
      throw Error(ErrorKind::cost_range, "cost", -1, "costs and capacities left the range of 64 bits during the solve");
    report(simplex, end);
    const bool plain = p_.lower.empty() && summary_.proper_arcs == std::ssize(p_.tail);  // no self-loops either
    const bool resumable = plain && !summary_.infinite_negative_arcs && summary_.costs_fit_wide;
    simplex.compact();
    const std::optional<Wide> cost = verified_cost(simplex.solution(), end == End::optimal);
    if (!plain) set_flow([&](auto&& write) { simplex.solution().for_each_flow(write); });
    set_objective(plain ? cost : total_cost(p_, flow_));
    const bool warm = r_.stats.kept_tree_arcs > 0;
    const Index spent = work_ + simplex.work() + std::ssize(p_.tail) + p_.n;
    const std::string_view start = r_.stats.start;
    const ColdSolveRecord cold{warm ? kNoBudget : spent, start == "forest" || start == "star", start == "cost_scaling"};
    keep(std::move(simplex), std::move(data), summary_.negative_capacity, cold, resumable && end == End::optimal);
  }

  // Counts what network simplex did when its budget is spent; the caller goes over to cost scaling.
  template <class Int>
  bool leave_network_simplex(const NetworkSimplex<Int>& simplex) {
    count(simplex);
    budget_spent_ = true;
    return false;
  }

  template <class Int>
  void count(const NetworkSimplex<Int>& simplex) {
    const PivotCounts& c = simplex.solution().counts;
    r_.stats.work = work_ + simplex.work();
    r_.stats.pivots = c.pivots;
    r_.stats.degenerate_pivots = c.degenerate;
    r_.stats.dual_pivots = c.dual_pivots;
    r_.stats.bound_flips = c.bound_flips;
    r_.stats.potential_updates = c.repriced;
    r_.stats.priced_blocks = c.priced_blocks;
  }

  // Fills statistics, potentials, status and cut.
  template <class Int>
  void report(const NetworkSimplex<Int>& simplex, typename NetworkSimplex<Int>::End end) {
    using End = typename NetworkSimplex<Int>::End;
    count(simplex);
    r_.stats.method = "network_simplex";
    r_.stats.bits = static_cast<int>(8 * sizeof(Int));
    r_.stats.unserved = static_cast<Index>(simplex.solution().unserved());
    if (end == End::infeasible) set_cut(simplex.solution().cut());
    const std::span<const Int> potential = simplex.solution().potential();
    r_.potential.assign(potential.begin(), potential.end());
    set_status(end == End::optimal, end == End::infeasible);
  }

  template <class Int>
  void keep(NetworkSimplex<Int>&& simplex, ArcData<Int>&& data, std::int64_t negative_capacity,
            const ColdSolveRecord& cold, bool resumable) {
    auto state = std::make_shared<const WarmStartState<Int>>(std::move(simplex), std::move(data), negative_capacity,
                                                             cold, resumable);
    if constexpr (sizeof(Int) == 4)
      r_.warm_start.narrow = std::move(state);
    else
      r_.warm_start.wide = std::move(state);
  }

  // ---------------------------------------------------------------- cost scaling

  [[nodiscard]] bool in_range_of_cost_scaling() const { return summary_.max_cost <= CostScaling::largest_cost(p_.n); }

  // Returns the work limit of this solve: `by_size` unless the caller set one.
  [[nodiscard]] Index budget_or_none(Index by_size) const {
    if (!on_budget_) return kNoBudget;
    return work_per_size_ ? *work_per_size_ * (static_cast<Index>(p_.tail.size()) + p_.n) : by_size;
  }

  void run_cost_scaling() {
    if (!in_range_of_cost_scaling())
      throw Error(ErrorKind::cost_range, "cost", -1,
                  "cost: found " + std::to_string(summary_.max_cost) + " in size, needed at most " +
                      std::to_string(CostScaling::largest_cost(p_.n)) + " with " + std::to_string(p_.n) +
                      " nodes for cost_scaling; network_simplex takes more");
    stop_.stage("cost scaling", 0.05);
    const auto net = build_network(arc_data<std::int64_t>(p_, summary_, tuning_), summary_, topology());
    CostScaling scaling(net, tuning_);
    const CostScaling::End end = scaling.run(stop_);
    const CostScalingCounts& c = scaling.counts();
    if (on_budget_) r_.stats.reason = "budget spent";
    r_.stats.method = "cost_scaling";
    r_.stats.bits = 64;
    r_.stats.phases = c.phases;
    r_.stats.pushes = c.pushes;
    r_.stats.relabels = c.relabels;
    r_.stats.global_updates = c.global_updates;
    r_.stats.fixed_arcs = c.fixed_arcs;
    r_.stats.unserved = static_cast<Index>(std::min<Wide>(scaling.unserved(), std::numeric_limits<Index>::max()));
    if (end == CostScaling::End::infeasible) set_cut(scaling.cut());
    const FlowAndPotentials<std::int64_t> found = scaling.solution();
    set_flow([&](auto&& write) {
      for (std::size_t k = 0; k < found.flow.size(); ++k) write(static_cast<Arc>(k), found.flow[k]);
    });
    r_.potential = found.potential;
    set_objective(total_cost(p_, flow_));
    if (end == CostScaling::End::optimal && !proves_optimal(p_, topology(), flow_, r_.potential)) throw_unproved();
    set_status(end == CostScaling::End::optimal, end == CostScaling::End::infeasible);
  }

  // ---------------------------------------------------------------- the result

  void set_cut(const std::vector<Node>& cut) { r_.cut.assign(cut.begin(), cut.end()); }

  void set_status(bool optimal, bool infeasible) {
    if (optimal)
      r_.status = FlowStatus::optimal;
    else if (infeasible)
      r_.status = FlowStatus::infeasible;
    else
      r_.status = stop_.why() == Stop::Why::time_limit ? FlowStatus::time_limit : FlowStatus::stopped;
  }

  // Sets the flow of the caller's arcs; for_each(write) calls write(arc, flow) for all sorted arcs.
  template <class ForEach>
  void set_flow(ForEach&& for_each) {
    flow_.resize(p_.tail.size());
    if (topology().original.size() != flow_.size()) set_flow_at_bounds();
    for_each([&](Arc k, std::int64_t x) {
      const std::size_t e = at(topology().original[at(k)]);
      flow_[e] = x + p_.lower_bound(e);
    });
  }

  // Sets self-loops to the bound where their cost is least, other arcs to their lower bound.
  void set_flow_at_bounds() {
    flow_.resize(p_.tail.size());
    for (std::size_t e = 0; e < flow_.size(); ++e)
      flow_[e] = p_.tail[e] == p_.head[e] && p_.cost[e] < 0 ? p_.capacity[e] : p_.lower_bound(e);
  }

  // Returns the cost of a tree's flow. An optimum that its own potentials do not prove is never returned.
  template <class Int>
  std::optional<Wide> verified_cost(const TreeSolution<Int>& tree, bool optimal) {
    const auto verification = tree.verify();
    if (optimal && !verification.optimal) throw_unproved();
    return verification.total_cost;
  }

  void set_objective(std::optional<Wide> cost) {
    if (!cost) throw Error(ErrorKind::cost_range, "cost", -1, "cost: the total does not fit 127 bits");
    r_.objective = *cost;
  }

  [[noreturn]] static void throw_unproved() {
    throw Error(ErrorKind::internal, "", -1, "min_cost_flow: the potentials do not prove the flow");
  }

  void return_cut(std::vector<Index>&& nodes, const char* method) {
    r_.status = FlowStatus::infeasible;
    r_.cut = std::move(nodes);
    r_.stats.method = method;
    set_unsolved();
  }

  // The earlier tree is kept for the next solve: arcs without capacity may get some again.
  bool return_single_node_cut(Node v) {
    if (start_ != nullptr && start_->topology == r_.warm_start.topology)
      r_.warm_start.narrow = start_->narrow, r_.warm_start.wide = start_->wide;
    return_cut({v}, "capacity");
    return true;
  }

  void return_stopped() {
    set_unsolved();
    set_status(false, false);
  }

  // Returns the answer without a solve: flow at bounds, potentials of 0, their cost and the supply left unserved.
  void set_unsolved() {
    set_flow_at_bounds();
    r_.potential.assign(at(p_.n), 0);
    set_objective(total_cost(p_, flow_));
    r_.stats.unserved = unserved_units(p_, topology(), flow_);
  }

  std::vector<Index> find_infinite_negative_cycle() {
    for (std::size_t e = 0; e < p_.tail.size(); ++e)
      if (p_.tail[e] == p_.head[e] && p_.capacity[e] == kInfinite && p_.cost[e] < 0) return {static_cast<Index>(e)};
    if (!summary_.infinite_negative_arcs) return {};
    stop_.stage("negative cycles", 0.02);
    return infinite_negative_cycle(p_, topology(), stop_);
  }

  // The problem is unbounded if there is any feasible flow: solves the same network without costs.
  void solve_unbounded(const std::vector<Index>& cycle) {
    const std::vector<std::int64_t> no_cost(p_.cost.size(), 0);
    MinCostFlow feasibility = p_;
    feasibility.cost = no_cost;
    const FlowMethod method = on_budget_ ? FlowMethod::automatic : FlowMethod::network_simplex;
    FlowResult r = MinCostFlowSolver(feasibility, nullptr, stop_, {}, tuning_).run(method);
    flow_ = *r.warm_start.flow();
    r.warm_start.narrow = nullptr, r.warm_start.wide = nullptr;  // for other costs
    r_ = std::move(r);
    set_objective(total_cost(p_, flow_));
    if (r_.status != FlowStatus::optimal) return;
    r_.status = FlowStatus::unbounded;
    r_.cycle = cycle;
  }

  const MinCostFlow& p_;
  const WarmStart* start_;
  Stop& stop_;
  std::optional<Index> work_per_size_;
  const FlowTuning& tuning_;
  bool on_budget_ = false;    // FlowMethod::automatic
  Index budget_ = kNoBudget;  // of network simplex, in work units
  bool budget_spent_ = false;
  Index work_ = 0;               // of trees that were given up
  bool tree_discarded_ = false;  // the earlier tree
  ProblemSummary summary_;
  FlowResult r_;
  RawVector<std::int64_t> flow_;  // of the caller's arcs; empty where it follows from the tree
};

}  // namespace

FlowResult solve(const MinCostFlow& problem, FlowMethod method, const WarmStart* start, Stop& stop,
                 std::optional<Index> work_per_size, const FlowTuning& tuning) {
  check_sizes(problem);
  return MinCostFlowSolver(problem, start, stop, work_per_size, tuning).run(method);
}

}  // namespace gridcompute::flow
