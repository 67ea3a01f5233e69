#include <algorithm>
#include <numeric>
#include <optional>
#include <string_view>

#include "gridcompute/base/error.hpp"
#include "gridcompute/flow/cost_scaling/cost_scaling.hpp"
#include "gridcompute/flow/network_simplex/simplex.hpp"
#include "gridcompute/flow/preprocess.hpp"
#include "gridcompute/flow/start/crash_basis.hpp"
#include "gridcompute/flow/start/scaled_start.hpp"
#include "gridcompute/flow/start/start_heuristics.hpp"
#include "gridcompute/flow/strong_components.hpp"
#include "gridcompute/flow/totals.hpp"
#include "gridcompute/flow/warm_start/basis_from_flow.hpp"
#include "gridcompute/flow/warm_start/difference.hpp"

namespace gridcompute::flow {

namespace {

// One solve: the caller's problem, its reduction, and what is handed back.
class Solve {
 public:
  Solve(const Problem& problem, const Kept* start, Stop& stop, std::optional<Index> budget = {})
      : p_(problem), start_(start), stop_(stop), given_budget_(budget) {}

  Result run(Method method) {
    guarded_ = method == Method::automatic;
    if (guarded_) r_.stats.chosen = "within budget";
    solve(method);
    r_.stats.seconds_solve = stop_.seconds() - r_.stats.seconds_build - r_.stats.seconds_start;
    if (!flow_.empty() || (!r_.kept.narrow && !r_.kept.wide))
      r_.kept.written = std::make_shared<const Values<std::int64_t>>(std::move(flow_));
    return std::move(r_);
  }

 private:
  const Topology& shape() const { return *r_.kept.topology; }

  void solve(Method method) {
    if (start_ != nullptr && method != Method::cost_scaling) {
      if (start_->narrow && resume(*start_->narrow)) return;
      if (start_->wide && resume(*start_->wide)) return;
    }
    survey_ = survey(p_);
    r_.kept.topology = topology(p_, survey_, start_ == nullptr ? nullptr : start_->topology);
    if (!survey_.balanced) {
      std::vector<Index> everything(at(p_.n));
      std::iota(everything.begin(), everything.end(), 0);
      return cut(std::move(everything), "balance");
    }
    if (const std::vector<Index> cycle = free_cycle(); !cycle.empty()) return unbounded(cycle);
    if (stop_.requested()) return stopped();
    r_.stats.seconds_build = stop_.seconds();
    if (method == Method::cost_scaling || (spent_ && scalable()))
      scale();
    else
      simplex();
  }

  // From the tree of an earlier answer, where only costs, capacities and supplies differ. False: not this way.
  template <class Int>
  bool resume(const Earlier<Int>& before) {
    if (!can_change(p_, *start_->topology, before)) return false;
    std::optional<Change<Int>> change = flow::change(p_, *start_->topology, before);
    if (!change) return before.cold.forest && sends_more(p_, before) ? begin_anew() : false;
    r_.stats.changed_costs = std::ssize(change->recosted);
    r_.stats.changed_capacities = std::ssize(change->reroomed);
    r_.stats.changed_supplies = std::ssize(change->resupplied);
    r_.kept.topology = start_->topology;
    if (const Node v = overtaxed(*change, *start_->topology); v >= 0) return plainly_infeasible(v);
    Simplex<Int> tree = Simplex<Int>::again(before.tree);
    r_.stats.seconds_build = stop_.seconds();
    stop_.stage("changes", 0.05);
    using End = typename Simplex<Int>::End;
    if (!take(tree, *change, before.cold)) return false;
    const Index budget = allowance((static_cast<Index>(p_.tail.size()) + p_.n) * kSteps);
    const End end = go_on(tree, before.cold, budget, stop_);
    if (end == End::spent) return tree.effort() > budget ? go_over(tree) : begin_anew();
    if (end == End::outgrown) return false;
    Stats& s = r_.stats;
    s.start = "basis";
    s.kept_tree_arcs = before.tree.tree_arcs() - tree.cut_arcs();
    s.cut_tree_arcs = tree.cut_arcs();
    tell(tree, end);
    tree.rest();
    total(sum_of(tree, end == End::optimal));
    keep(std::move(tree), std::move(change->given), change->negative, before.cold, end == End::optimal);
    return true;
  }

  // Rooms and supplies first, as long as costs are what the tree is optimal for, then costs. False: not this way.
  template <class Int>
  bool take(Simplex<Int>& tree, const Change<Int>& change, const Cold& cold) {
    bool mended = true;
    if (!change.reroomed.empty() || !change.resupplied.empty()) {
      if (!tree.reroom(change.reroomed, change.room, change.supply)) return false;
      stop_.stage("dual repair", 0.1);
      mended = tree.repair(stop_);
      if (tree.outgrown()) return false;
    }
    if (mended) {
      if (change.recosted.empty()) return true;
      tree.recost(change.recosted, change.cost);
      return worth_going_on(tree.promising(), std::ssize(p_.tail), cold.forest) || begin_anew();
    }
    if (cold.forest && change.most_supplies) return begin_anew();
    const Index promising = tree.replant(change.recosted, change.cost);
    return worth_planting(promising, p_.n, std::ssize(p_.tail)) || begin_anew();
  }

  // The changes are so many that the earlier tree is no better a start than none: only the order of arcs is kept.
  bool begin_anew() {
    anew_ = true;
    return false;
  }

  void simplex() { survey_.narrow() ? simplex_in<std::int32_t>() : simplex_in<std::int64_t>(); }

  template <class Int>
  void simplex_in() {
    Given<Int> g = given<Int>(p_, survey_);
    Network<Int> net = network(g, survey_, shape());
    if (plainly_infeasible(net)) return;
    Simplex<Int> tree = start_tree(std::move(net));
    const auto end = pivot(tree, g);
    if constexpr (sizeof(Int) == 4)
      if (end == Simplex<Int>::End::outgrown) return widen(tree);
    finish(std::move(tree), end, std::move(g));
  }

  void widen(const Simplex<std::int32_t>& tree) {
    Given<std::int64_t> g = given<std::int64_t>(p_, survey_);
    Simplex<std::int64_t> wide(network(g, survey_, shape()), tree);
    const auto end = pivot(wide, g);
    finish(std::move(wide), end, std::move(g));
  }

  // Where the start turns out to be a bad one, a better one takes its place.
  template <class Int>
  typename Simplex<Int>::End pivot(Simplex<Int>& tree, const Given<Int>& given) {
    const Index trial = flow::trial(p_.n, std::ssize(p_.tail));
    const auto end = tree.run(stop_, std::min(budget_, trial));
    if (end != Simplex<Int>::End::spent || tree.effort() > budget_) return end;
    if (hardly_serves(tree.unserved(), survey_.bound)) {
      Network<Int> net = network(given, survey_, shape());
      if (auto start = scaled_start(net, stop_, kPatience * trial)) {
        effort_ += tree.effort() + start->effort;
        tree = Simplex<Int>(std::move(net), start->basis, std::move(start->price));
        r_.stats.start = "scaled";
        r_.stats.kept_tree_arcs = r_.stats.cut_tree_arcs = 0;
      }
    }
    return tree.run(stop_, budget_);
  }

  template <class Int>
  Simplex<Int> start_tree(Network<Int> net) {
    stop_.stage("start tree", 0.05);
    const double before = stop_.seconds();
    const Index size = static_cast<Index>(net.m()) + net.n;
    budget_ = scalable() ? allowance(steps(size, survey_.kept, survey_.costly)) : kNoBudget;
    Basis basis = warm(net);
    const bool hot = !basis.pred.empty();
    if (!hot) basis = survey_.negative_costs ? full(net) : paths(net);
    Simplex<Int> tree(std::move(net), basis);
    if (hot) {
      const auto hung = std::count(basis.pred.begin(), basis.pred.end(), kNoArc);
      r_.stats.cut_tree_arcs = tree.cut_arcs();
      r_.stats.kept_tree_arcs = std::max<Index>(0, std::ssize(basis.pred) - hung - tree.cut_arcs());
    }
    r_.stats.seconds_start = stop_.seconds() - before;
    r_.stats.bits = static_cast<int>(8 * sizeof(Int));
    stop_.stage("network simplex", 0.1);
    return tree;
  }

  // Arcs of negative cost on cycles; infinite ones stay empty.
  template <class Int>
  Basis full(const Network<Int>& net) {
    Basis basis;
    basis.full = negative_on_cycles(net, survey_.bound);
    if (!basis.full.empty()) r_.stats.start = "full";
    return basis;
  }

  template <class Int>
  Basis paths(const Network<Int>& net) {
    if (const Node hub = hub_of(net); hub >= 0) {
      Forest star = star_on(net, hub);
      if (serves(net, hub, star)) {
        r_.stats.start = "star";
        return std::move(star.basis);
      }
    }
    if (!promises_forest(net)) return {};
    Forest forest = shortest_path_forest(net);
    if (!carries(net, forest)) return {};
    r_.stats.start = "forest";
    return std::move(forest.basis);
  }

  // The tree and flow of an earlier answer, as far as this network has their arcs; empty if there is none.
  template <class Int>
  Basis warm(const Network<Int>& net) {
    if (start_ == nullptr || anew_ || start_->topology->given_tail.size() != p_.tail.size() || p_.tail.empty())
      return {};
    Basis kept;
    if (start_->narrow) kept = start_->narrow->tree.basis();
    if (start_->wide) kept = start_->wide->tree.basis();
    const bool has_tree = kept.pred.size() == at(net.n);
    r_.stats.start = has_tree ? "basis" : "flow";
    if (has_tree && start_->topology == r_.kept.topology) return kept;
    Basis basis;
    const auto written = start_->flow();
    const std::span<const std::int64_t> flow(*written);
    basis.full.resize(shape().order.size());
    for (std::size_t k = 0; k < basis.full.size(); ++k) {
      const std::size_t e = at(shape().order[k]);
      const std::int64_t x = flow[e], l = p_.least(e);
      const std::uint64_t over = static_cast<std::uint64_t>(x) - static_cast<std::uint64_t>(l);
      basis.full[k] = (x > l) & (over >= (static_cast<std::uint64_t>(net.cap[k]) + 1) / 2);
    }
    basis.pred.assign(at(net.n), kNoArc);
    if (has_tree)
      adopt(kept.pred, basis);
    else
      add_free_arcs(p_, net, flow, basis);
    for (const Arc k : basis.pred)
      if (k != kNoArc) basis.full[at(k)] = 0;
    return basis;
  }

  // Tree arcs of another order, as far as they are here and still touch their node.
  void adopt(const std::vector<Arc>& pred, Basis& basis) {
    for (std::size_t v = 0; v < basis.pred.size(); ++v) {
      if (pred[v] == kNoArc) continue;
      const Arc e = start_->topology->order[at(pred[v])];
      const auto node = static_cast<Index>(v);
      if (p_.tail[at(e)] == node || p_.head[at(e)] == node) basis.pred[v] = shape().place[at(e)];
    }
  }

  [[nodiscard]] bool scalable() const { return survey_.most_cost <= CostScaling::largest_cost(p_.n); }

  [[nodiscard]] bool starts_on_paths() const {
    const std::string_view start = r_.stats.start;
    return start == "forest" || start == "star";
  }

  // Of the steps that structure grants, what this solve is held to.
  [[nodiscard]] Index allowance(Index by_structure) const {
    if (!guarded_) return kNoBudget;
    return given_budget_ ? *given_budget_ * (static_cast<Index>(p_.tail.size()) + p_.n) : by_structure;
  }

  // Network simplex has spent its budget: counts what it did, and the caller goes over to cost scaling.
  template <class Int>
  bool go_over(const Simplex<Int>& tree) {
    count(tree);
    spent_ = true;
    return false;
  }
  template <class Int>
  void finish(Simplex<Int>&& tree, typename Simplex<Int>::End end, Given<Int>&& given) {
    using End = typename Simplex<Int>::End;
    if (end == End::spent) {
      (void)go_over(tree);
      return scale();
    }
    if (end == End::outgrown)
      throw Error(ErrorKind::cost_range, "cost", -1, "costs and capacities left the range of 64 bits during the solve");
    tell(tree, end);
    const bool arcs_only = p_.lower.empty() && survey_.kept == std::ssize(p_.tail);  // no loops
    const bool plain = arcs_only && !survey_.unbounded_arcs && survey_.proper_costs;
    tree.rest();
    const std::optional<Wide> sum = sum_of(tree, end == End::optimal);
    if (!arcs_only) hand_back([&](auto&& write) { tree.each_flow(write); });
    total(arcs_only ? sum : total_cost(p_, flow_));
    const bool hot = r_.stats.kept_tree_arcs > 0;
    const Index spent = effort_ + tree.effort() + std::ssize(p_.tail) + p_.n;
    const Cold cold{hot ? kNoBudget : spent, starts_on_paths(), r_.stats.start == std::string_view("scaled")};
    keep(std::move(tree), std::move(given), survey_.negative, cold, plain && end == End::optimal);
  }

  template <class Int>
  void count(const Simplex<Int>& tree) {
    const PivotCounts& c = tree.counts();
    r_.stats.effort = effort_ + tree.effort();
    r_.stats.pivots = c.pivots;
    r_.stats.degenerate_pivots = c.degenerate;
    r_.stats.dual_pivots = c.dual_pivots;
    r_.stats.filled_arcs = c.filled;
    r_.stats.potential_updates = c.repriced;
    r_.stats.priced_blocks = c.priced_blocks;
  }

  template <class Int>
  void tell(const Simplex<Int>& tree, typename Simplex<Int>::End end) {
    using End = typename Simplex<Int>::End;
    count(tree);
    r_.stats.method = "network_simplex";
    r_.stats.bits = static_cast<int>(8 * sizeof(Int));
    r_.stats.unserved = static_cast<Index>(tree.unserved());
    if (end == End::infeasible) take(tree.cut());
    const std::span<const Int> potential = tree.potential();
    r_.potential.assign(potential.begin(), potential.end());
    conclude(end == End::optimal, end == End::infeasible);
  }

  template <class Int>
  void keep(Simplex<Int>&& tree, Given<Int>&& given, std::int64_t negative, const Cold& cold, bool resumable) {
    auto made = std::make_shared<const Earlier<Int>>(std::move(tree), std::move(given), negative, cold, resumable);
    if constexpr (sizeof(Int) == 4)
      r_.kept.narrow = std::move(made);
    else
      r_.kept.wide = std::move(made);
  }

  void scale() {
    if (survey_.most_cost > CostScaling::largest_cost(p_.n))
      throw Error(ErrorKind::cost_range, "cost", -1,
                  "cost: found " + std::to_string(survey_.most_cost) + " in size, needed at most " +
                      std::to_string(CostScaling::largest_cost(p_.n)) + " with " + std::to_string(p_.n) +
                      " nodes for cost_scaling; network_simplex takes more");
    stop_.stage("cost scaling", 0.05);
    const auto net = network(given<std::int64_t>(p_, survey_), survey_, shape());
    CostScaling scaling(net);
    const CostScaling::End end = scaling.run(stop_);
    const ScalingCounts& c = scaling.counts();
    if (guarded_) r_.stats.chosen = "budget spent";
    r_.stats.method = "cost_scaling";
    r_.stats.bits = 64;
    r_.stats.phases = c.phases;
    r_.stats.pushes = c.pushes;
    r_.stats.relabels = c.relabels;
    r_.stats.global_updates = c.global_updates;
    r_.stats.refinements = c.refinements;
    r_.stats.fixed_arcs = c.fixed_arcs;
    r_.stats.unserved = static_cast<Index>(std::min<Wide>(scaling.unserved(), std::numeric_limits<Index>::max()));
    if (end == CostScaling::End::infeasible) take(scaling.cut());
    const Solution<std::int64_t> found = scaling.solution();
    hand_back([&](auto&& write) {
      for (std::size_t k = 0; k < found.flow.size(); ++k) write(static_cast<Arc>(k), found.flow[k]);
    });
    r_.potential = found.potential;
    total();
    if (end == CostScaling::End::optimal && !proves_optimal(p_, shape(), flow_, r_.potential)) unproved();
    conclude(end == CostScaling::End::optimal, end == CostScaling::End::infeasible);
  }

  void take(const std::vector<Node>& cut) { r_.cut.assign(cut.begin(), cut.end()); }
  void conclude(bool optimal, bool infeasible) {
    if (optimal)
      r_.status = Status::optimal;
    else if (infeasible)
      r_.status = Status::infeasible;
    else
      r_.status = stop_.why() == Stop::Why::time_limit ? Status::time_limit : Status::stopped;
  }

  // each(write) calls write(arc, flow) for all arcs in their order.
  template <class Each>
  void hand_back(Each&& each) {
    flow_.resize(p_.tail.size());
    if (shape().order.size() != flow_.size()) rest();
    each([&](Arc k, std::int64_t x) {
      const std::size_t e = at(shape().order[at(k)]);
      flow_[e] = x + p_.least(e);
    });
  }

  // Loops stand where their cost wants them; others at their lower bound.
  void rest() {
    flow_.resize(p_.tail.size());
    for (std::size_t e = 0; e < flow_.size(); ++e)
      flow_[e] = p_.tail[e] == p_.head[e] && p_.cost[e] < 0 ? p_.capacity[e] : p_.least(e);
  }

  // What the flow of a tree at rest costs. An optimum that its own potentials do not prove is never answered.
  template <class Int>
  std::optional<Wide> sum_of(const Simplex<Int>& tree, bool optimal) {
    const auto account = tree.account();
    if (optimal && !account.proved) unproved();
    return account.total;
  }
  void total() { total(total_cost(p_, flow_)); }
  void total(std::optional<Wide> sum) {
    if (!sum) throw Error(ErrorKind::cost_range, "cost", -1, "cost: the total does not fit 127 bits");
    r_.objective = *sum;
  }

  [[noreturn]] static void unproved() {
    throw Error(ErrorKind::internal, "", -1, "min_cost_flow: the potentials do not prove the flow");
  }

  // Without a solve.
  void cut(std::vector<Index>&& nodes, const char* seen) {
    r_.status = Status::infeasible;
    r_.cut = std::move(nodes);
    r_.stats.method = seen;
    stay();
  }

  template <class Int>
  bool plainly_infeasible(const Network<Int>& net) {
    const Node v = overtaxed(net);
    return v >= 0 && plainly_infeasible(v);
  }

  // An earlier tree is kept for the next: lines that are cut come back.
  bool plainly_infeasible(Node overtaxed) {
    if (start_ != nullptr && start_->topology == r_.kept.topology)
      r_.kept.narrow = start_->narrow, r_.kept.wide = start_->wide;
    cut({overtaxed}, "capacity");
    return true;
  }

  std::vector<Index> free_cycle() {
    for (std::size_t e = 0; e < p_.tail.size(); ++e)
      if (p_.tail[e] == p_.head[e] && p_.capacity[e] == kInfinite && p_.cost[e] < 0) return {static_cast<Index>(e)};
    if (!survey_.unbounded_arcs) return {};
    stop_.stage("negative cycles", 0.02);
    return infinite_negative_cycle(p_, shape(), stop_);
  }

  // Unbounded if there is a flow at all: the same network without costs.
  void unbounded(const std::vector<Index>& cycle) {
    const std::vector<std::int64_t> free(p_.cost.size(), 0);
    Problem feasible = p_;
    feasible.cost = free;
    const Method method = guarded_ ? Method::automatic : Method::network_simplex;
    Result r = Solve(feasible, nullptr, stop_).run(method);
    flow_ = *r.kept.flow();
    r.kept.narrow = nullptr, r.kept.wide = nullptr;  // for other costs
    r_ = std::move(r);
    total();
    if (r_.status != Status::optimal) return;
    r_.status = Status::unbounded;
    r_.cycle = cycle;
  }

  void stopped() {
    stay();
    conclude(false, false);
  }

  // The answer of no solve: arcs at rest, potentials of 0, what that costs and how much it leaves unserved.
  void stay() {
    rest();
    r_.potential.assign(at(p_.n), 0);
    total();
    r_.stats.unserved = unserved_units(p_, shape(), flow_);
  }

  const Problem& p_;
  const Kept* start_;
  Stop& stop_;
  std::optional<Index> given_budget_;
  bool guarded_ = false;      // the simplex runs on a budget
  Index budget_ = kNoBudget;  // in steps
  bool spent_ = false;
  Index effort_ = 0;   // of trees that were given up
  bool anew_ = false;  // the earlier tree is left aside
  Survey survey_;
  Result r_;
  Values<std::int64_t> flow_;
};

}  // namespace

Result solve(const Problem& problem, Method method, const Kept* start, Stop& stop, std::optional<Index> budget) {
  check_sizes(problem);
  return Solve(problem, start, stop, budget).run(method);
}

}  // namespace gridcompute::flow
