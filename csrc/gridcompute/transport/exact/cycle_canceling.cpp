#include "gridcompute/transport/exact/cycle_canceling.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <numeric>
#include <type_traits>
#include <utility>

#include "gridcompute/base/simd.hpp"
#include "gridcompute/transport/model/objective.hpp"
#include "gridcompute/transport/restricted/column_generation.hpp"

namespace gridcompute::transport {

namespace {

constexpr Index kNearChunk = 256;  // jobs

// Counts the allowed classes with row + price <= limit.
GRIDCOMPUTE_CLONES Index count_within(const double* row, const double* prices, Index n, double limit) {
  std::int64_t count = 0;
  for (Index s = 0; s < n; ++s)
    count += static_cast<std::int64_t>(row[s] + prices[s] <= limit) & static_cast<std::int64_t>(row[s] < kInf);
  return count;
}

// Writes these classes to `out`, ascending; returns their number.
GRIDCOMPUTE_CLONES Index list_within(const double* row, const double* prices, Index n, double limit,
                                     Slot* GRIDCOMPUTE_RESTRICT out) {
  constexpr Index kBlock = 16;  // classes tested at once, in two to eight vectors
  Index count = 0;
  for (Index b = 0; b < n; b += kBlock) {
    const Index end = std::min(n, b + kBlock);
    std::int64_t any = 0;
    for (Index s = b; s < end; ++s)
      any |= static_cast<std::int64_t>(row[s] + prices[s] <= limit) & static_cast<std::int64_t>(row[s] < kInf);
    if (any == 0) continue;
    for (Index s = b; s < end; ++s) {
      out[count] = static_cast<Slot>(s);
      count += static_cast<Index>(row[s] + prices[s] <= limit) & static_cast<Index>(row[s] < kInf);
    }
  }
  return count;
}

// Reads one job's costs, as stored and as doubles.
template <class T>
class CostRow {
 public:
  explicit CostRow(const CostSource& source)
      : source_(source),
        matrix_(source.float64()),
        costs_(matrix_ != nullptr ? 0 : room()),
        reals_(std::is_same_v<T, double> ? 0 : room()) {}

  const double* read(Index job) {
    const Rows one{nullptr, job, 1};
    if constexpr (std::is_same_v<T, double>) {
      if (matrix_ != nullptr) return row_ = matrix_ + job * source_.n_slots();
      source_.reals(one, costs_.data());
      return row_ = costs_.data();
    } else {
      source_.integers(one, costs_.data());
      row_ = costs_.data();
      for (std::size_t s = 0; s < costs_.size(); ++s)
        reals_[s] = costs_[s] == kForbidden && source_.forbids() ? kInf : static_cast<double>(costs_[s]);
      return reals_.data();
    }
  }
  [[nodiscard]] Dyadic cost(Slot s) const { return Dyadic::of(row_[s]); }

 private:
  [[nodiscard]] std::size_t room() const { return at(source_.n_slots()) + 1; }

  const CostSource& source_;
  const double* matrix_;
  const T* row_ = nullptr;  // the row read last
  std::vector<T> costs_;
  std::vector<double> reals_;
};

double cost_of_leaving_out(const Problem& problem, Index job) {
  return problem.unplaced != nullptr ? problem.unplaced[job * problem.unplaced_stride] : kInf;
}

// Shortest row that is listed without being counted first (classes).
constexpr Index kCountedClasses = 64;

template <class T>
void list_rows(const PricedMatching& of, std::span<const Index> jobs, NearClassesChunk& part, std::span<Dyadic> own) {
  constexpr double kRounding = 0x1p-49, kLeast = 0x1p-1070;  // of the sums below, each with a factor of 16
  const auto n_slots = static_cast<Slot>(of.prices.size());
  CostRow<T> row(*of.problem.cost);
  std::vector<Slot> near(of.prices.size() + 1);
  for (const Index i : jobs) {
    const double* costs = row.read(i);
    const double out = cost_of_leaving_out(of.problem, i);
    const Slot here = of.at[i];
    const double now = here < 0 ? out : costs[here] + of.prices[here];
    if (!own.empty()) own[i] = here < 0 ? Dyadic::of(out) : row.cost(here);
    // A sum has relative error 2^-53, and one beyond the doubles is infinite: the limit admits every class that may be
    // near.
    const double most = now + of.margin, limit = most + (std::fabs(most) + std::fabs(now)) * kRounding + kLeast;
    const bool out_too = out < kInf && out <= limit;
    // Counting a short row is faster than listing it, and most jobs have one near class.
    if (n_slots <= kCountedClasses && count_within(costs, of.prices.data(), n_slots, limit) + (out_too ? 1 : 0) < 2)
      continue;
    const Index count = list_within(costs, of.prices.data(), n_slots, limit, near.data());
    if (count + (out_too ? 1 : 0) < 2) continue;
    const std::size_t before = part.slot.size();
    for (const Slot s : std::span(near.data(), at(count))) {
      part.slot.push_back(s);
      part.cost.push_back(row.cost(s));
    }
    if (out_too) part.slot.push_back(n_slots), part.cost.push_back(Dyadic::of(out));
    part.close(i, before);
  }
}

}  // namespace

void NearClassesChunk::close(Index job, std::size_t before) {
  if (slot.size() - before < 2) {
    slot.resize(before), cost.resize(before);
    return;
  }
  jobs.push_back(job);
  size.push_back(slot.size() - before);
}

NearClasses join_near_classes(double margin, std::span<NearClassesChunk> parts, std::vector<Dyadic> own) {
  NearClasses out;
  out.margin = margin;
  out.own = std::move(own);
  if (parts.size() == 1) {
    NearClassesChunk& all = parts.front();
    out.begin.reserve(all.size.size() + 1);
    for (const std::size_t size : all.size) out.begin.push_back(out.begin.back() + size);
    out.jobs = std::move(all.jobs), out.slot = std::move(all.slot), out.cost = std::move(all.cost);
    return out;
  }
  for (const NearClassesChunk& part : parts) {
    out.jobs.insert(out.jobs.end(), part.jobs.begin(), part.jobs.end());
    for (const std::size_t size : part.size) out.begin.push_back(out.begin.back() + size);
    out.slot.insert(out.slot.end(), part.slot.begin(), part.slot.end());
    out.cost.insert(out.cost.end(), part.cost.begin(), part.cost.end());
  }
  return out;
}

void list_near_classes(const PricedMatching& of, std::span<const Index> jobs, NearClassesChunk& part,
                       std::span<Dyadic> own) {
  of.problem.cost->real() ? list_rows<double>(of, jobs, part, own) : list_rows<Cost>(of, jobs, part, own);
}

std::optional<NearClasses> find_near_classes(const PricedMatching& of, std::size_t most, Pool& pool, Stop& stop) {
  const Index n = of.problem.cost->n_jobs();
  std::vector<NearClassesChunk> parts;
  std::vector<Dyadic> own(at(n));
  std::atomic<std::size_t> pairs = 0;
  stop.count(n * of.problem.cost->n_slots());
  const bool whole = pool.for_parts(
      parts, n, kNearChunk,
      [&](auto& part, Index begin, Index end) {
        if (pairs > most) return;
        std::vector<Index> jobs(at(end - begin));
        std::iota(jobs.begin(), jobs.end(), begin);
        list_near_classes(of, jobs, part, own);
        pairs += part.slot.size();
      },
      &stop);
  if (!whole || pairs > most) return std::nullopt;
  return join_near_classes(of.margin, parts, std::move(own));
}

// Margin within which a class is near (roundings a class).
constexpr double kNearMargins = 8;

double default_margin(double rounding, std::span<const double> prices) {
  constexpr double kDouble = 0x1p-52;  // relative error of a price as a double
  double dearest = 0;
  for (const double p : prices) dearest = std::max(dearest, p);
  return kNearMargins * static_cast<double>(prices.size() + 4) * (rounding + dearest * kDouble);
}

namespace {

constexpr int kSpareBits = 40;  // headroom for sums of 2^32 numbers and differences of four

// Residual graph over classes, "unplaced" and the hub; its arcs are moves of the jobs with two or more near classes.
// K: words of a length.
template <int K>
class ClassResidualGraph {
 public:
  enum class End { none, cycle, stopped };

  ClassResidualGraph(const Problem& problem, const NearClasses& near, const Result& result,
                     std::span<const double> prices, int low)
      : near_(near),
        low_(low),
        out_(static_cast<Slot>(prices.size())),
        hub_(out_ + 1),
        capacity_(problem.capacity),
        load_(result.load),
        listed_(near.jobs.size()),
        node_(prices.size() + 2) {
    arcs_.reserve(near.slot.size());
    for (Slot s = 0; s < out_; ++s) node_[s].price.add(Dyadic::of(prices[s]), low_);
    for (std::size_t j = listed_.size(); j-- > 0;) {
      const Slot here = result.assignment[near.jobs[j]], s = here < 0 ? out_ : here;
      const auto first = near.slot.begin() + static_cast<std::ptrdiff_t>(near.begin[j]),
                 last = near.slot.begin() + static_cast<std::ptrdiff_t>(near.begin[j + 1]);
      const auto own = std::find(first, last, s);
      if (own == last) complete_ = false;
      listed_[j].own = static_cast<std::size_t>((own == last ? first : own) - near.slot.begin());
      add_job(static_cast<std::int32_t>(j), s);
    }
    for (Slot s = 0; s <= out_; ++s) (void)rebuild_arcs(s);
  }

  // Computes shortest distances from all nodes at once, or finds the first negative cycle met.
  End search(Index& work, Stop& stop) {
    constexpr Index kPollEvery = 64;  // nodes between two polls of the stop
    if (!complete_) return End::stopped;
    queue_.resize(node_.size());
    std::iota(queue_.begin(), queue_.end(), Slot{0});
    head_ = 0, waiting_ = queue_.size();
    for (Node& v : node_) v.distance = {}, v.parent = {}, v.waits = true;
    Index counted = work;
    for (Index k = 1; waiting_ > 0; ++k) {
      if (work < 0 || (k % kPollEvery == 0 && stop.poll(std::exchange(counted, work) - work))) return End::stopped;
      const Slot v = queue_[head_];
      head_ = head_ + 1 == queue_.size() ? 0 : head_ + 1;
      --waiting_;
      node_[v].waits = false;
      if (v == hub_) {
        work -= K * static_cast<Index>(out_);
        for (Slot s = 0; s <= out_; ++s)
          if (relax({hub_, s, -1, 0}, node_[s].price)) return End::cycle;
        continue;
      }
      const ArcRange arcs = node_[v].arcs;
      work -= K * static_cast<Index>(arcs.size + 1);
      if (v == out_ || load_[v] < capacity_[v]) {
        FixedPoint<K> length;
        length -= node_[v].price;
        if (relax({v, hub_, -1, 0}, length)) return End::cycle;
      }
      for (std::size_t at = arcs.begin; at < arcs.begin + arcs.size; ++at)
        if (relax(arcs_[at].step, arcs_[at].length)) return End::cycle;
    }
    return End::none;
  }

  // Moves one unit along the cycle found.
  void cancel(Index& work) {
    for (const Step& step : cycle_) {
      if (step.job < 0) continue;
      remove_job(step.job, step.from);
      add_job(step.job, step.to);
      listed_[step.job].own = step.entry;
      if (step.from < out_) --load_[step.from];
      if (step.to < out_) ++load_[step.to];
    }
    for (const Step& step : cycle_)
      if (step.from != hub_) work -= K * rebuild_arcs(step.from);
  }

  // After a search without a cycle: returns by how much distances differ, the hub's not counted.
  [[nodiscard]] FixedPoint<K> spread() const {
    const auto [least, most] = std::minmax_element(
        node_.begin(), node_.end() - 1, [](const Node& a, const Node& b) { return a.distance < b.distance; });
    FixedPoint<K> out = most->distance;
    return out -= least->distance;
  }
  // Returns whether a price changed, and the price that proves the matching.
  [[nodiscard]] bool moved(Slot s) const { return !(node_[s].distance == node_[hub_].distance); }
  [[nodiscard]] FixedPoint<K> price(Slot s) const {
    FixedPoint<K> out = node_[s].price;
    out -= node_[s].distance;
    return out += node_[hub_].distance;
  }
  // Returns the entry of near.cost at which a listed job is.
  [[nodiscard]] std::size_t own(std::size_t j) const { return listed_[j].own; }
  [[nodiscard]] const std::vector<Cost>& load() const { return load_; }

 private:
  struct Step {
    Slot from = kNone, to = kNone;
    std::int32_t job = -1;  // position among the listed jobs; -1: an arc of the hub
    std::size_t entry = 0;  // of the job at `to`
  };
  struct Arc {
    Step step;
    FixedPoint<K> length;
  };
  struct ArcRange {
    std::size_t begin = 0, size = 0;
  };
  struct Node {                     // a class, "unplaced", or the hub
    FixedPoint<K> price, distance;  // 0 for "unplaced" and the hub
    Step parent;
    ArcRange arcs;               // in arcs_
    std::int32_t first = kNone;  // first job of its list
    std::int32_t found = -1;     // scratch of rebuild_arcs(): position of an arc to it; -1 between uses
    bool waits = false;          // in the queue
  };
  struct ListedJob {
    std::size_t own = 0;        // entry of near.cost of the class it is in
    std::int32_t next = kNone;  // next job of the same class
  };

  void add_job(std::int32_t job, Slot s) { listed_[job].next = std::exchange(node_[s].first, job); }
  void remove_job(std::int32_t job, Slot s) {
    std::int32_t* at = &node_[s].first;
    while (*at != job) at = &listed_[*at].next;
    *at = listed_[job].next;
  }

  // Relaxes an arc; true if it closes a cycle in the parent graph, which is then negative.
  bool relax(const Step& step, const FixedPoint<K>& length) {
    FixedPoint<K> there = node_[step.from].distance;
    there += length;
    Node& to = node_[step.to];
    if (!(there < to.distance)) return false;
    for (Slot v = step.from; v != step.to; v = node_[v].parent.from) {
      if (node_[v].parent.from != kNone) continue;
      to.distance = there;
      to.parent = step;
      if (!std::exchange(to.waits, true)) {
        const std::size_t end = head_ + waiting_++;
        queue_[end < queue_.size() ? end : end - queue_.size()] = step.to;
      }
      return false;
    }
    cycle_.assign(1, step);
    for (Slot v = step.from; v != step.to; v = node_[v].parent.from) cycle_.push_back(node_[v].parent);
    return true;
  }

  // Recomputes the arcs out of a class or "unplaced"; returns the number of pairs read.
  Index rebuild_arcs(Slot a) {
    const std::size_t begin = arcs_.size();  // the old arcs stay allocated, unreferenced
    Index pairs = 0;
    for (std::int32_t j = node_[a].first; j != kNone; j = listed_[j].next) {
      FixedPoint<K> here = node_[a].price;
      here.add(near_.cost[listed_[j].own], low_);
      pairs += static_cast<Index>(near_.begin[j + 1] - near_.begin[j]);
      for (std::size_t e = near_.begin[j]; e < near_.begin[j + 1]; ++e) {
        const Slot b = near_.slot[e];
        if (b == a) continue;
        FixedPoint<K> length = node_[b].price;
        length.add(near_.cost[e], low_);
        length -= here;
        std::int32_t& at = node_[b].found;
        if (at < 0) {
          at = static_cast<std::int32_t>(arcs_.size() - begin);
          arcs_.push_back({{a, b, j, e}, length});
        } else if (Arc& arc = arcs_[begin + static_cast<std::size_t>(at)]; length < arc.length) {
          arc = {{a, b, j, e}, length};
        }
      }
    }
    node_[a].arcs = {begin, arcs_.size() - begin};
    for (std::size_t at = begin; at < arcs_.size(); ++at) node_[arcs_[at].step.to].found = -1;
    return pairs;
  }

  const NearClasses& near_;
  int low_;
  Slot out_, hub_;
  const Cost* capacity_;
  bool complete_ = true;           // every job lists the class it is in
  std::vector<Cost> load_;         // (classes)
  std::vector<ListedJob> listed_;  // (jobs listed)
  std::vector<Node> node_;         // (classes, out, hub)
  std::vector<Arc> arcs_;
  std::vector<Step> cycle_;
  std::vector<Slot> queue_;  // ring buffer
  std::size_t head_ = 0, waiting_ = 0;
};

// Returns a power of two to which prices may be rounded within the margin, or 0.
double grid_of(double margin) {
  constexpr double kParts = 0x1p-3;  // of the margin: a rounded price moves by at most half of this
  int exponent = 0;
  std::frexp(margin * kParts, &exponent);
  return margin < kInf ? std::ldexp(0.5, exponent) : 0;
}

// Returns the exponents of all numbers that sums combine.
ExponentRange window_of(const NearClasses& near, std::span<const double> prices) {
  ExponentRange out;
  out.add(Dyadic::of(grid_of(near.margin)));
  for (const Dyadic& x : near.own) out.add(x);
  for (const Dyadic& x : near.cost) out.add(x);
  for (const double p : prices) out.add(Dyadic::of(p));
  return out;
}

struct CancelContext {
  const Problem& problem;
  const NearClasses& near;
  int low;  // lowest exponent of the sums
  Kept kept;
  Pool& pool;
  Stop& stop;
};

// Writes assignment and load.
template <int K>
void move_jobs(const NearClasses& near, const ClassResidualGraph<K>& residual, Result& result) {
  const auto n_slots = static_cast<Slot>(result.prices.size());
  for (std::size_t j = 0; j < near.jobs.size(); ++j) {
    const Slot s = near.slot[residual.own(j)];
    result.assignment[near.jobs[j]] = s < n_slots ? s : -1;
  }
  result.load = residual.load();
}

// Writes prices rounded up; returns by how much that lowers the dual bound.
template <int K>
FixedPoint<K> write_prices(const CancelContext& of, const ClassResidualGraph<K>& residual, Result& result) {
  const auto n = static_cast<Index>(result.assignment.size());
  FixedPoint<K> less, beyond;
  for (std::size_t s = 0; s < result.prices.size(); ++s) {
    if (!residual.moved(static_cast<Slot>(s))) continue;
    const FixedPoint<K> price = residual.price(static_cast<Slot>(s));
    result.prices[s] = std::min(price.up(of.low), std::numeric_limits<double>::max());
    FixedPoint<K> more;
    more.add(Dyadic::of(result.prices[s]), of.low);
    more -= price;
    if (more.negative()) {  // beyond the doubles: the least key + price of a job falls by no more than this
      more.negate();
      if (beyond < more) beyond = more;
    } else {
      less += more *= static_cast<std::uint64_t>(std::min<Cost>(of.problem.capacity[s], n));
    }
  }
  return less += beyond *= static_cast<std::uint64_t>(n);
}

// Writes the remainders: rows of doubles whose sum with the prices is exact.
template <int K>
void write_remainders(const CancelContext& of, const ClassResidualGraph<K>& residual, Result& result) {
  constexpr double kMost = std::numeric_limits<double>::max();
  std::vector<FixedPoint<K>> rest(result.prices.size());
  for (std::size_t s = 0; s < rest.size(); ++s) {
    if (!residual.moved(static_cast<Slot>(s))) continue;
    rest[s] = residual.price(static_cast<Slot>(s));
    rest[s].subtract(Dyadic::of(result.prices[s]), of.low);
  }
  const auto zero = [](const FixedPoint<K>& x) { return x.zero(); };
  while (!std::all_of(rest.begin(), rest.end(), zero)) {
    std::vector<double>& row = result.remainders.emplace_back();
    for (FixedPoint<K>& x : rest) {
      row.push_back(std::clamp(x.nearest(of.low), -kMost, kMost));
      x.subtract(Dyadic::of(row.back()), of.low);
    }
  }
}

// Computes the exact sum that all jobs pay, and the sum of its terms' magnitudes.
template <int K>
struct Paid {
  FixedPoint<K> sum;
  double size = 0;

  void add(Dyadic x, int low) {
    sum.add(x, low);
    size += std::fabs(x.value());
  }
};

// Writes objective and bound from exact sums, and the status they prove.
template <int K>
void write_exact_sums(const CancelContext& of, const Paid<K>& paid, const FixedPoint<K>& bound, Result& result) {
  constexpr double kClose = 0x1p-30;  // the tolerance that the status promises, as in strategy.cpp
  const int low = of.low;
  const FixedPoint<K>& objective = paid.sum;
  const std::optional<Wide> whole = result.integral ? objective.ceiling(low) : std::nullopt, least = bound.ceiling(low);
  result.integral = whole && least;
  result.exact = result.integral ? *whole == *least : bound == objective;
  if (result.integral) {  // every plan has integral cost
    result.exact_objective = *whole;
    result.exact_bound = *least;
    result.objective = static_cast<double>(*whole);
    result.bound = static_cast<double>(*least);
  } else {
    result.bound = bound.down(low);
    result.exact = result.exact && std::fabs(objective.nearest(low)) < kInf && std::fabs(result.bound) < kInf;
    result.objective = result.exact ? result.bound : std::max(objective.nearest(low), result.bound);
  }
  const bool proved = result.exact || bound == objective || objective.up(low) - result.bound <= kClose * paid.size;
  result.status = proved ? Status::optimal : Status::feasible;
}

// Writes the result proved by a residual graph without negative cycles; returns the exact cost.
template <int K>
Paid<K> write_result(const CancelContext& of, const ClassResidualGraph<K>& residual, Result& result) {
  Paid<K> paid;
  std::size_t next = 0;  // position among the listed jobs
  for (std::size_t k = 0; k < of.near.own.size(); ++k) {
    const bool listed = next < of.near.jobs.size() && of.near.jobs[next] == static_cast<Index>(k);
    paid.add(listed ? of.near.cost[residual.own(next++)] : of.near.own[k], of.low);
  }
  move_jobs(of.near, residual, result);
  FixedPoint<K> bound = paid.sum;
  bound -= write_prices(of, residual, result);
  write_exact_sums(of, paid, bound, result);
  return paid;
}

// Writes the objective where the sum that all jobs pay is unknown; prices and bound stay.
void write_cost(const CancelContext& of, Result& result) {
  const Total total = total_cost(of.problem, result.assignment, of.pool);
  result.integral = total.integral;
  result.exact_objective = total.whole;
  result.objective = std::max(total.value(), result.bound);
  result.exact = false;
}

// Returns whether no search is needed: no job has two near classes, and prices are complementary to the loads.
bool needs_no_search(const CancelContext& of, const Result& result) {
  if (!of.near.jobs.empty()) return false;
  for (std::size_t s = 0; s < result.prices.size(); ++s)
    if (result.prices[s] > 0 && result.load[s] < of.problem.capacity[s]) return false;
  return true;
}

// Tries prices rounded to a grid: optimal prices are seldom unique, and those of a grid are doubles that may prove the
// optimum without remainders.
template <int K>
void round_prices(const CancelContext& of, std::span<const double> before, const Paid<K>& paid, Index work,
                  Result& result) {
  const double grid = grid_of(of.near.margin);
  if (!(grid > 0)) return;
  std::vector<double> prices(before.size());
  for (std::size_t s = 0; s < prices.size(); ++s) {
    prices[s] = grid * std::nearbyint(before[s] / grid);
    if (!(prices[s] < kInf)) return;
  }
  ClassResidualGraph<K> residual(of.problem, of.near, result, prices, of.low);
  if (residual.search(work, of.stop) != ClassResidualGraph<K>::End::none) return;
  for (std::size_t s = 0; s < prices.size(); ++s)
    if (residual.moved(static_cast<Slot>(s))) return;
  result.prices = std::move(prices);
  write_exact_sums(of, paid, paid.sum, result);
}

template <int K>
CancelOutcome cancel_with_words(const CancelContext& of, Index work, Result& result) {
  if (needs_no_search(of, result)) {
    result.status = Status::optimal;
    result.remainders.clear();
    if (of.kept != Kept::prices && !of.near.own.empty()) {
      Paid<K> paid;
      for (const Dyadic& x : of.near.own) paid.add(x, of.low);
      write_exact_sums(of, paid, paid.sum, result);
    }
    return CancelOutcome::optimal;
  }
  ClassResidualGraph<K> residual(of.problem, of.near, result, result.prices, of.low);
  using End = typename ClassResidualGraph<K>::End;
  Index cancelled = 0;
  for (;; ++cancelled) {
    const End end = residual.search(work, of.stop);
    if (end == End::stopped) return CancelOutcome::given_up;
    if (end == End::none) break;
    if (of.kept != Kept::nothing) return CancelOutcome::improvable;
    residual.cancel(work);
  }
  if (residual.spread().up(of.low) > of.near.margin) return CancelOutcome::margin_left;
  result.stats.negative_cycles += cancelled;
  result.status = Status::optimal;
  if (of.kept == Kept::prices) return CancelOutcome::optimal;
  if (!of.near.own.empty()) {
    const std::vector<double> before = result.prices;
    result.remainders.clear();
    const Paid<K> paid = write_result(of, residual, result);
    if (!result.exact) round_prices(of, before, paid, work, result);
    if (!result.exact) {
      write_remainders(of, residual, result);
      write_exact_sums(of, paid, paid.sum, result);
    }
  } else if (cancelled > 0) {
    move_jobs(of.near, residual, result);
    write_cost(of, result);
  }
  return CancelOutcome::optimal;
}

}  // namespace

CancelOutcome cancel_cycles(const Problem& problem, const NearClasses& near, Kept kept, Index work, Pool& pool,
                            Stop& stop, Result& result) {
  const ExponentRange window = window_of(near, result.prices);
  const CancelContext of{problem, near, window.lowest(), kept, pool, stop};
  const int bits = window.bits() + kSpareBits;
  if (bits < 2 * 64) return cancel_with_words<2>(of, work, result);
  if (bits < 6 * 64) return cancel_with_words<6>(of, work, result);
  return cancel_with_words<36>(of, work, result);
}

namespace {

// Pairs of jobs and classes up to which prices are lowered.
constexpr std::size_t kLoweredPairs = 1 << 18;
// Ratio of the largest price to all that is paid, from which prices are lowered.
constexpr double kLoweredExcess = 0x1p20;

// Replaces prices far above all costs that jobs pay by the least prices that prove the optimum. Where capacity just
// suffices, prices may be as high as any cost of leaving a job unplaced, and too coarse as doubles.
void lower_prices(const Problem& problem, const NearClasses& near, Index work, const Tuning& tuning, Pool& pool,
                  Stop& stop, Result& result) {
  const auto dearest = [](const Result& of) {
    return of.prices.empty() ? 0.0 : *std::max_element(of.prices.begin(), of.prices.end());
  };
  double paid = 0;
  for (const Dyadic& x : near.own) paid += std::fabs(x.value());
  if (near.own.empty() || dearest(result) <= kLoweredExcess * paid || (paid == 0 && result.remainders.empty())) return;
  Result least = result;
  std::ranges::fill(least.prices, 0.0);
  const std::optional<NearClasses> all =
      find_near_classes({problem, least.assignment, least.prices, kInf, tuning}, kLoweredPairs, pool, stop);
  if (!all || cancel_cycles(problem, *all, Kept::nothing, work, pool, stop, least) != CancelOutcome::optimal) return;
  if (dearest(least) < dearest(result)) result = std::move(least);
}

}  // namespace

// Steps of cycle canceling on all costs, beside those a cost.
constexpr Index kCancelSteps = 1 << 22;
// Steps a cost of cycle canceling on all costs.
constexpr Index kCancelStepsCost = 8;
// Near classes of all jobs, of 24 bytes, at most (pairs).
constexpr std::size_t kNearPairs = 1 << 22;
// Near classes that are few, so that cycles are canceled at once (pairs).
constexpr Index kFewPairs = 1 << 12;
// Share of the costs that counts as few near classes, before another method is tried (1 / share).
constexpr Index kFewPairsShare = 4;

CancelOutcome cancel_rounding_cycles(const Problem& problem, double rounding, Kept kept, Effort effort,
                                     const Tuning& tuning, Pool& pool, Stop& stop, Result& result) {
  const Index cells = problem.cost->n_jobs() * (problem.cost->n_slots() + 1);
  const auto few = at(std::max(kFewPairs, cells / kFewPairsShare));
  const std::size_t most = effort == Effort::little ? std::min(few, kNearPairs) : kNearPairs;
  const Index work = kCancelSteps + kCancelStepsCost * cells;
  for (const double margin : {default_margin(rounding, result.prices), kInf}) {
    const PricedMatching of{problem, result.assignment, result.prices, margin, tuning};
    const std::optional<NearClasses> near = find_near_classes(of, most, pool, stop);
    if (!near) return CancelOutcome::given_up;
    const CancelOutcome end = cancel_cycles(problem, *near, kept, work, pool, stop, result);
    if (end == CancelOutcome::optimal && kept != Kept::prices)
      lower_prices(problem, *near, work, tuning, pool, stop, result);
    if (end != CancelOutcome::margin_left) return end;
  }
  return CancelOutcome::given_up;
}

namespace {

constexpr Index kListChunk = 1 << 14;  // jobs or groups
// Range proof: a key and a price, below 2^61 each, and this margin stay below 2^63. Beyond, rounding has left little of
// the costs.
constexpr double kMostMargin = 0x1p40;
// A margin in keys covers that in costs: twice it, and eight roundings of keys and prices to whole numbers.
constexpr double kKeys = 2, kRoundings = 8;

Dyadic cost_at(const Problem& problem, Index job, Slot s) {
  const CostSource& source = *problem.cost;
  if (s == source.n_slots()) return Dyadic::of(problem.unplaced[job * problem.unplaced_stride]);
  return source.real() ? Dyadic::of(source.real_at(job, s)) : Dyadic::of(source.integer_at(job, s));
}

// Returns a margin in costs as one in keys; nullopt where rounding has left too little of the costs.
std::optional<Cost> margin_in_keys(double margin, const IntegerKeys& keys) {
  const double most = kKeys * margin * keys.per_cost() + kRoundings * (1 + std::ldexp(1.0, keys.perturbation().shift) +
                                                                       static_cast<double>(keys.perturbation().spread));
  return most < kMostMargin ? std::optional<Cost>(static_cast<Cost>(most)) : std::nullopt;
}

// Jobs in doubt, or with two near classes, at most (1 / share of jobs).
constexpr Index kDoubtfulShare = 32;
// Jobs in doubt that are always allowed.
constexpr Index kDoubtfulJobs = 1 << 10;

// Finds the near classes on candidate lists; with `own` also the cost of each job. nullopt where too many jobs have
// several near classes or may have.
std::optional<NearClasses> find_near_classes_on_lists(const SolverContext& context, const Level& all,
                                                      const RestrictedProblem& r, std::span<const Cost> prices,
                                                      const PricedMatching& of, bool own) {
  const std::optional<Cost> allowed = margin_in_keys(of.margin, context.keys);
  if (!allowed) return std::nullopt;
  const Cost margin = *allowed;
  const Index most = std::max(kDoubtfulJobs, all.jobs() / kDoubtfulShare);
  std::vector<Index> doubtful = ViolationFinder(margin).find(context, r, prices).jobs;
  if (static_cast<Index>(doubtful.size()) > most) return std::nullopt;
  // Groups with two or more near candidates.
  std::vector<char> choice(r.size.size(), 0);
  context.pool.for_chunks(r.groups(), kListChunk, [&](Index, Index begin, Index end) {
    for (Index g = begin; g < end; ++g) {
      const Cost limit = r.cheapest(g, prices) + margin;
      Index near = 0;
      for (Index c = r.begin[g]; c < r.begin[g] + r.size[g]; ++c) near += r.key[c] + prices[r.slot[c]] <= limit ? 1 : 0;
      choice[g] = near > 1 ? 1 : 0;
    }
  });
  std::vector<NearClassesChunk> parts;
  std::vector<Dyadic> paid(own ? at(all.n) : 0);
  std::atomic<Index> listed = 0;
  const bool whole = context.pool.for_parts(
      parts, all.n, kListChunk,
      [&](auto& part, Index begin, Index end) {
        auto next = std::lower_bound(doubtful.begin(), doubtful.end(), begin);
        for (Index k = begin; k < end && listed <= most; ++k) {
          if (own) paid[k] = cost_at(of.problem, k, of.at[k] < 0 ? static_cast<Slot>(of.prices.size()) : of.at[k]);
          if (next != doubtful.end() && *next == k) {
            list_near_classes(of, {&*next++, 1}, part, {});
            continue;
          }
          const std::int32_t g = ~r.place_of[k];
          if (r.place_of[k] >= 0 || choice[g] == 0) continue;
          const Cost limit = r.cheapest(g, prices) + margin;
          const std::size_t before = part.slot.size();
          for (Index c = r.begin[g]; c < r.begin[g] + r.size[g]; ++c) {
            if (r.key[c] + prices[r.slot[c]] > limit) continue;
            part.slot.push_back(r.slot[c]);
            part.cost.push_back(cost_at(of.problem, k, r.slot[c]));
          }
          part.close(k, before);
          ++listed;
        }
      },
      &context.stop);
  if (!whole || listed > most) return std::nullopt;
  return join_near_classes(of.margin, parts, std::move(paid));
}

}  // namespace

// Costs up to which reading all of them is faster than lists.
constexpr Index kListsLeastCosts = 1 << 16;

void list_jobs_of_cycles(const SolverContext& context, const Level& all, std::span<const Cost> prices, double rounding,
                         RestrictedProblem& r) {
  if (all.shards == nullptr || !(rounding > 0) || all.jobs() * context.keys.columns() <= kListsLeastCosts) return;
  const std::vector<double> of_classes = prices_as_doubles(prices, context.keys.per_cost());
  if (const auto margin = margin_in_keys(default_margin(rounding, of_classes), context.keys))
    list_doubtful_jobs(all, prices, *margin, r);
}

// Costs beyond which the objective is not summed exactly.
constexpr Index kExactObjectiveCosts = 1 << 22;
// Steps of cycle canceling on lists.
constexpr Index kCancelListSteps = 1 << 24;

void cancel_cycles_on_lists(const SolverContext& context, const Level& all, const RestrictedProblem& r,
                            std::span<const Cost> prices, Kept kept, Result& result) {
  const Problem& problem = context.keys.problem();
  const Index costs = all.jobs() * context.keys.columns();
  if (costs <= kListsLeastCosts || result.status != Status::optimal) return;
  result.listed = true;
  const double margin = default_margin(result.rounding, result.prices);
  const PricedMatching of{problem, result.assignment, result.prices, margin, context.tuning};
  // The cost of all jobs is unknown here where some are in shards.
  const bool own = costs <= kExactObjectiveCosts && problem.shards == nullptr && problem.cost->singles();
  const std::optional<NearClasses> near = find_near_classes_on_lists(context, all, r, prices, of, own);
  if (!near) return;
  const CancelOutcome end = cancel_cycles(problem, *near, kept, kCancelListSteps, context.pool, context.stop, result);
  if (end == CancelOutcome::improvable) result.status = Status::feasible;
  if (end == CancelOutcome::optimal || end == CancelOutcome::improvable) result.rounding = -1;
}

}  // namespace gridcompute::transport
