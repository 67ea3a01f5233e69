#include "gridcompute/transport/small/near_assignment.hpp"

#include <algorithm>
#include <cassert>
#include <limits>
#include <numeric>
#include <utility>

#include "gridcompute/transport/auction.hpp"
#include "gridcompute/transport/multilevel/stratified_sampling.hpp"

namespace gridcompute::transport {

namespace {

// Jobs or rows between two polls of the stop.
constexpr Index kNearPollEvery = 256;
// No further tight arc of a class.
constexpr std::int32_t kNoArc = -1;
// In place of the job of an arc: a search begins at the class, no arc leads to it.
constexpr std::int32_t kNoJob = std::numeric_limits<std::int32_t>::min();

class NearAssignment {
 public:
  NearAssignment(const IntegerKeys& keys, const Level& level, Pool& pool, Stop& stop, CostRangeStats& seen,
                 Stats& stats, const Tuning& tuning);

  bool run(std::span<const Cost> given, SmallProblemResult& out);

 private:
  struct Node {
    Cost price, label;
    std::int32_t depth;  // arcs of the shortest path: least among those of the same label
    std::int32_t arc;    // the current one of its tight arcs, or kNoArc
    bool settled;
  };
  struct Item {
    Cost label;
    std::int32_t depth;
    std::int32_t id;  // a class, the hub, ~job for the list of a job, or ~(job + n) for the classes outside it
    bool operator<(const Item& than) const noexcept {
      return label != than.label ? label > than.label : depth != than.depth ? depth > than.depth : id > than.id;
    }
  };
  // An arc that gives its head the least label and depth: from the class of a job by an entry of its list, or from or
  // to the hub.
  struct TightArc {
    std::int32_t job;  // or ~class, or ~hub
    std::int32_t entry, next;
  };
  struct JobMargin {
    Cost margin, key;
    std::int32_t job;
    Slot to;
    bool operator<(const JobMargin& than) const noexcept {
      return margin != than.margin ? margin < than.margin : job > than.job;
    }
  };

  bool begin(std::span<const Cost> given);
  [[nodiscard]] bool prices_plausible() const;
  bool run_auction();
  bool assign_all();
  void assign(std::int32_t job, Slot s, Cost own);
  void unassign(std::int32_t job);
  bool run_bids();
  bool bid_class(Slot a, std::vector<Slot>& next);
  void fill_unused_slots();
  bool run_paths();
  bool search(Cost left);
  void relax(Slot t, Cost label, std::int32_t depth, std::int32_t job, std::int32_t entry);
  void push(Item item);
  void settle(Slot s);
  void relax_job(std::int32_t job);
  Cost blocking_flow();
  bool find_path(Slot target);
  [[nodiscard]] Slot tail(const TightArc& arc) const { return arc.job < 0 ? ~arc.job : class_of_[arc.job]; }
  [[nodiscard]] bool admissible(const TightArc& arc, Slot head) const;
  void augment();
  void write_result(SmallProblemResult& out) const;
  void write_stopped_result(SmallProblemResult& out);
  [[nodiscard]] Cost excess(Slot s) const { return load_[s] - filled_[s]; }
  [[nodiscard]] Cost unused(Slot s) const { return capacity_[s] - filled_[s]; }
  [[nodiscard, maybe_unused]] bool holds() const;

  Index n_;
  Slot columns_, hub_;
  std::span<const Cost> capacity_;
  Stop& stop_;
  Stats& stats_;
  const Tuning& tuning_;
  const IntegerKeys& keys_;
  LazyCandidateLists lists_;
  Cost spare_;
  bool assigned_ = false;    // the start prices were accepted
  std::vector<Cost> price_;  // (columns + 1): prices, and 0 for the padding of lists
  std::vector<Slot> class_of_;
  std::vector<Cost> own_;    // key of each job in its class
  std::vector<Cost> other_;  // lower bound on key + price of each job in other classes, at prices that rise
  std::vector<std::int32_t> position_;
  std::vector<std::vector<std::int32_t>> members_;
  std::vector<JobMargin> margins_;
  std::vector<Cost> load_, filled_;   // (columns + 1); the hub's: sum of filled, and what it has to be
  std::vector<Node> node_;            // (columns + 1) classes and hub
  std::vector<TightArc> tight_arcs_;  // of one search
  std::vector<Slot> touched_, settled_, deficits_, path_;
  std::vector<Item> heap_;
  Index work_ = 0, counted_ = 0;  // counted_: of work_, by the stop
};

NearAssignment::NearAssignment(const IntegerKeys& keys, const Level& level, Pool& pool, Stop& stop,
                               CostRangeStats& seen, Stats& stats, const Tuning& tuning)
    : n_(level.n),
      columns_(keys.columns()),
      hub_(columns_),
      capacity_(level.capacity),
      stop_(stop),
      stats_(stats),
      tuning_(tuning),
      keys_(keys),
      lists_(keys, level.n, pool, stop, seen, stats),
      spare_(-n_),
      price_(at(columns_) + 1, 0),
      class_of_(at(n_), kNone),
      own_(class_of_.size()),
      other_(class_of_.size()),
      position_(class_of_.size()),
      members_(at(columns_)),
      load_(price_.size(), 0),
      filled_(price_.size(), 0) {
  for (const Cost u : capacity_) spare_ += u;
}

bool NearAssignment::run(std::span<const Cost> given, SmallProblemResult& out) {
  if (spare_ < 0 || !begin(given)) return false;
  if ((assigned_ || (!stop_.requested() && run_auction() && lists_.read_all(price_) && assign_all())) && run_bids() &&
      run_paths()) {
    assert(holds());
    write_result(out);
  } else if (stop_.requested()) {
    write_stopped_result(out);
  }
  return out.solved;
}

// Jobs misplaced at the caller's prices, at most (1 / share of jobs).
constexpr Index kNearMisplacedShare = 4;

// Reads the first lists: at the start prices, assigning the jobs, if these leave few jobs misplaced; else at price 0.
bool NearAssignment::begin(std::span<const Cost> given) {
  if (!given.empty()) {
    const Cost least = spare_ > 0 ? *std::min_element(given.begin(), given.end()) : 0;
    for (Slot s = 0; s < columns_; ++s) price_[s] = given[s] - least;
  }
  if (!given.empty() && prices_plausible()) {
    if (!lists_.read_all(price_)) return false;
    assigned_ = assign_all();
    if (stop_.requested()) return true;
    Cost misplaced = 0;
    for (Slot s = 0; s < columns_; ++s)
      misplaced += std::max(load_[s] - capacity_[s], price_[s] > 0 ? capacity_[s] - load_[s] : 0);
    assigned_ = assigned_ && kNearMisplacedShare * misplaced <= n_;
    if (assigned_) return ++stats_.warm_levels > 0;
    for (auto& members : members_) members.clear();
    std::fill(load_.begin(), load_.end(), 0);
  }
  std::fill(price_.begin(), price_.end(), 0);
  return lists_.read_all(price_);
}

// One in this many is sampled to test the caller's prices (jobs).
constexpr Index kNearSampleStep = 16;

// Tests the start prices on a sample of jobs: returns whether few of them find their cheapest class full.
bool NearAssignment::prices_plausible() const {
  std::vector<Cost> row(at(columns_)), load(price_.size(), 0);
  CostRangeStats ignored;
  const KeyRowReader rows(keys_, ignored);
  Index n_full = 0, n_sampled = 0;
  for (Index i = 0; i < n_; i += kNearSampleStep, ++n_sampled) {
    rows.load(i, row.data());
    const auto full = [&](Slot s) { return load[s] >= capacity_[s]; };
    Slot best = 0;
    for (Slot s = 1; s < columns_; ++s) {
      const Cost less = row[best] + price_[best] - row[s] - price_[s];
      if (less > 0 || (less == 0 && full(best) && !full(s))) best = s;
    }
    n_full += full(best) ? 1 : 0;
    ++load[best];
  }
  return kNearMisplacedShare * n_full <= n_sampled;
}

// Bids a job of the auction, over its phases.
constexpr Index kNearBids = 12;

bool NearAssignment::run_auction() {
  const std::vector<Cost> weights(at(n_), 1);
  std::vector<Cost> capacity(capacity_.begin(), capacity_.end());
  capacity.push_back(0);  // the padding of lists
  auction::AuctionState state(lists_, weights, capacity, tuning_);
  Cost epsilon = state.first_epsilon();
  Index bids_left = kNearBids * n_;
  for (int k = 0; k < tuning_.auction_phases; ++k) {
    if (k > 0) {
      state.lower_prices(epsilon);
      lists_.lower_bounds(std::max<Cost>(1, tuning_.auction_fall) * epsilon);
      epsilon = std::max<Cost>(1, epsilon / tuning_.auction_factor);
    }
    if (state.run_phase(epsilon, bids_left, stop_)) continue;
    if (!stop_.requested()) ++stats_.auction_cutoffs;
    break;
  }
  std::copy(state.prices().begin(), state.prices().end() - 1, price_.begin());
  const Cost least = spare_ > 0 ? *std::min_element(price_.begin(), price_.end() - 1) : 0;
  for (Slot s = 0; s < columns_; ++s) price_[s] -= least;
  lists_.lower_bounds(least);
  return !stop_.requested();
}

// Assigns each job to its cheapest class; of equal ones on its list the first with residual capacity.
bool NearAssignment::assign_all() {
  for (Index i = 0; i < n_; ++i) {
    if (i % kNearPollEvery == 0 && stop_.poll(kNearPollEvery * lists_.length())) return false;
    const auction::TwoBest b = lists_.best(i, price_);
    if (b.first >= kForbidden) return false;
    const auto list = lists_[i];
    const auto cheapest = [&](Index k) { return list.cost[k] + price_[list.col[k]] == b.first; };
    const auto free = [&](Index k) { return load_[list.col[k]] < capacity_[list.col[k]]; };
    Index at = 0;
    while (at < list.size && !(cheapest(at) && free(at))) ++at;
    for (at = at == list.size ? 0 : at; !cheapest(at);) ++at;
    assign(static_cast<std::int32_t>(i), list.col[at], list.cost[at]);
  }
  return true;
}

void NearAssignment::assign(std::int32_t job, Slot s, Cost own) {
  class_of_[job] = s;
  own_[job] = own;
  other_[job] = -AssignmentRange::kForbidden;
  position_[job] = static_cast<std::int32_t>(members_[s].size());
  members_[s].push_back(job);
  ++load_[s];
}

void NearAssignment::unassign(std::int32_t job) {
  std::vector<std::int32_t>& from = members_[class_of_[job]];
  from[position_[job]] = from.back();
  position_[from.back()] = position_[job];
  from.pop_back();
  --load_[class_of_[job]];
}

// Lists a job read by bids at epsilon 0, after which paths take over.
constexpr Index kNearLists = 5;

bool NearAssignment::run_bids() {
  std::vector<Slot> queue, next;
  for (Slot s = 0; s < columns_; ++s)
    if (load_[s] > capacity_[s]) queue.push_back(s);
  for (Index looks = kNearLists * n_; !queue.empty() && looks > 0;) {
    next.clear();
    for (const Slot s : queue) {
      if (looks <= 0 || load_[s] <= capacity_[s]) continue;
      const auto members = static_cast<Index>(members_[s].size());
      if (stop_.poll(members * lists_.length())) return false;
      looks -= members;
      if (!bid_class(s, next)) return false;
    }
    queue.swap(next);
    std::sort(queue.begin(), queue.end());
  }
  return true;
}

// One bid at epsilon 0: class a keeps the jobs with the largest margins, raises its price to the least margin kept, and
// sends the others to their second-best classes. Classes that become over-full are appended to `next`.
bool NearAssignment::bid_class(Slot a, std::vector<Slot>& next) {
  margins_.clear();
  for (const std::int32_t job : members_[a]) {
    const TwoCheapest other = lists_.two_cheapest_exact(job, price_, a);
    const auto list = lists_[job];
    if (other.first >= AssignmentRange::kForbiddenReduced) {
      margins_.push_back({kUnreached, 0, job, kNone});
    } else {
      margins_.push_back({other.first - own_[job] - price_[a], list.cost[other.at], job, list.col[other.at]});
    }
  }
  std::sort(margins_.begin(), margins_.end());
  const auto leaving = at(load_[a] - capacity_[a]);
  if (margins_[leaving - 1].to == kNone) return false;
  const bool kept = leaving < margins_.size() && margins_[leaving].to != kNone;
  price_[a] += margins_[kept ? leaving : leaving - 1].margin;
  if (price_[a] > AssignmentRange::kLimit) return false;
  for (std::size_t k = 0; k < leaving; ++k) {
    const JobMargin& m = margins_[k];
    unassign(m.job);
    assign(m.job, m.to, m.key);
    if (load_[m.to] == capacity_[m.to] + 1) next.push_back(m.to);
  }
  return true;
}

void NearAssignment::fill_unused_slots() {
  load_[hub_] = 0;
  for (Slot s = 0; s < columns_; ++s) {
    filled_[s] = price_[s] > 0 ? capacity_[s] : std::min(load_[s], capacity_[s]);
    load_[hub_] += filled_[s];
  }
  filled_[hub_] = n_;
}

bool NearAssignment::run_paths() {
  fill_unused_slots();
  node_.assign(price_.size(), {0, kUnreached, 0, kNoArc, false});
  for (Slot s = 0; s < columns_; ++s) node_[s].price = price_[s];
  Cost left = 0;
  for (Slot s = 0; s <= hub_; ++s) left += std::max<Cost>(0, excess(s));
  const Index most = lists_.keys_reread() + tuning_.near_work * n_ * columns_;
  while (left > 0) {
    if (stop_.poll(work_ - std::exchange(counted_, work_)) || work_ + lists_.keys_reread() > most || !search(left))
      return false;
    left -= blocking_flow();
  }
  // Only an empty class can have a price below the hub's; raising it to that changes no job's cheapest class.
  for (Slot s = 0; s < columns_; ++s) price_[s] = std::max<Cost>(0, node_[s].price - node_[hub_].price);
  return true;
}

// Excess that the deficits found by a search could take (1 / share).
constexpr Cost kNearSearchShare = 2;

// Multi-source Dijkstra: settles classes by distance from any excess until the deficits among them could take half of
// it, then updates prices. False if no deficit can be reached, or after a stop.
bool NearAssignment::search(Cost left) {
  ++stats_.searches;
  for (const Slot t : touched_) node_[t].label = kUnreached, node_[t].settled = false;
  tight_arcs_.clear();
  touched_.clear();
  settled_.clear();
  deficits_.clear();
  heap_.clear();
  for (Slot s = 0; s <= hub_; ++s)
    if (excess(s) > 0) relax(s, 0, 0, kNoJob, 0);
  while (!heap_.empty() && left > 0) {
    const auto [label, depth, id] = heap_.front();
    std::pop_heap(heap_.begin(), heap_.end());
    heap_.pop_back();
    if (label > AssignmentRange::kLimit) return false;
    if (id < 0) {
      const bool read = ~id >= n_;
      const auto job = static_cast<std::int32_t>(read ? ~id - n_ : ~id);
      if (read) lists_.refresh(job, [&](Slot s) { return node_[s].price; });
      if (read && stats_.rows_extended % kNearPollEvery == 0 && stop_.poll(work_ - std::exchange(counted_, work_)))
        return false;
      relax_job(job);
    } else if (!node_[id].settled) {
      settle(id);
      if (excess(id) >= 0) continue;
      deficits_.push_back(id);
      left += kNearSearchShare * excess(id);
    }
  }
  if (deficits_.empty()) return false;
  const Cost last = node_[deficits_.back()].label;
  for (const Slot s : settled_) {
    node_[s].price += std::max<Cost>(0, last - node_[s].label);
    if (node_[s].price > AssignmentRange::kLimit) return false;
  }
  return true;
}

void NearAssignment::push(Item item) {
  heap_.push_back(item);
  std::push_heap(heap_.begin(), heap_.end());
}

// Lowers the label of a class, or the number of arcs at which it has this label. An arc that reaches the class at the
// same label and depth is added to its tight arcs.
void NearAssignment::relax(Slot t, Cost label, std::int32_t depth, std::int32_t job, std::int32_t entry) {
  Node& node = node_[t];
  if (node.label < label || (node.label == label && node.depth < depth)) return;
  const bool same = node.label == label && node.depth == depth;
  if (!same) {
    if (node.label == kUnreached) touched_.push_back(t);
    node.label = label;
    node.depth = depth;
    push({label, depth, t});
  }
  const std::int32_t next = same ? node.arc : kNoArc;
  node.arc = kNoArc;
  if (job == kNoJob) return;
  node.arc = static_cast<std::int32_t>(tight_arcs_.size());
  tight_arcs_.push_back({job, entry, next});
}

void NearAssignment::settle(Slot s) {
  node_[s].settled = true;
  settled_.push_back(s);
  const Cost from_here = node_[s].label - node_[s].price;
  const std::int32_t depth = node_[s].depth + 1;
  if (s == hub_) {
    for (Slot t = 0; t < columns_; ++t) {
      if (filled_[t] > 0) relax(t, from_here + node_[t].price, depth, ~hub_, 0);
    }
    return;
  }
  if (unused(s) > 0) relax(hub_, from_here + node_[hub_].price, depth, ~s, 0);
  for (const std::int32_t job : members_[s]) {
    if (other_[job] < AssignmentRange::kForbiddenReduced)
      push({std::max(node_[s].label, from_here - own_[job] + other_[job]), depth, ~job});
  }
}

// Relaxes the arcs of a job in a settled class to all classes on its list. The next search looks at the list no sooner
// than at the least of their labels.
void NearAssignment::relax_job(std::int32_t job) {
  const Node& from = node_[class_of_[job]];
  const Cost base = from.label - from.price - own_[job];
  const std::int32_t depth = from.depth + 1;
  const auto list = lists_[job];
  const Cost bound = lists_.bound(job);
  work_ += list.size;
  Cost other = bound;
  for (Index k = 0; k < list.size; ++k) {
    if (list.cost[k] >= AssignmentRange::kForbidden) continue;
    const Slot t = list.col[k];
    const Cost reduced = list.cost[k] + node_[t].price;
    if (reduced < other && t != class_of_[job]) other = reduced;
    if (base + reduced <= node_[t].label) relax(t, base + reduced, depth, job, static_cast<std::int32_t>(k));
  }
  other_[job] = other;
  if (bound < AssignmentRange::kForbiddenReduced) push({base + bound, depth, static_cast<std::int32_t>(~(job + n_))});
}

// Sends a blocking flow along the tight arcs of the last search, from over-full classes to the deficits found. Returns
// the units moved.
Cost NearAssignment::blocking_flow() {
  Cost moved = 0;
  for (const Slot t : deficits_) {
    for (; excess(t) < 0 && find_path(t); ++moved) augment();
  }
  stats_.augmentations += moved;
  return moved;
}

// Finds a path to `target` by depth-first search backwards along current arcs.
bool NearAssignment::find_path(Slot target) {
  path_.assign(1, target);
  while (excess(path_.back()) <= 0) {
    Node& head = node_[path_.back()];
    while (head.arc != kNoArc && !admissible(tight_arcs_[head.arc], path_.back()))
      head.arc = tight_arcs_[head.arc].next;
    if (head.arc != kNoArc) {
      path_.push_back(tail(tight_arcs_[head.arc]));
      continue;
    }
    path_.pop_back();
    if (path_.empty()) return false;
    std::int32_t& arc = node_[path_.back()].arc;
    arc = tight_arcs_[arc].next;
  }
  return true;
}

// Returns whether a tight arc still exists: jobs have moved since, and lists may have been read again.
bool NearAssignment::admissible(const TightArc& arc, Slot head) const {
  const Slot from = tail(arc);
  if (from == hub_) return filled_[head] > 0;
  if (head == hub_) return unused(from) > 0;
  const auto list = lists_[arc.job];
  return node_[from].depth + 1 == node_[head].depth && list.col[arc.entry] == head &&
         own_[arc.job] + node_[from].price == list.cost[arc.entry] + node_[head].price;
}

// Moves one unit along the path found.
void NearAssignment::augment() {
  for (std::size_t k = 1; k < path_.size(); ++k) {
    const Slot from = path_[k], to = path_[k - 1];
    const auto [job, entry, next] = tight_arcs_[node_[to].arc];
    if (from == hub_) {
      --filled_[to], --load_[hub_];
    } else if (to == hub_) {
      ++filled_[from], ++load_[hub_];
    } else {
      unassign(job);
      assign(job, to, lists_[job].cost[entry]);
    }
  }
}

void NearAssignment::write_result(SmallProblemResult& out) const {
  out.solved = true;
  out.assignment.assign(class_of_.begin(), class_of_.end());
  out.load.assign(load_.begin(), load_.end() - 1);
  out.prices.assign(price_.begin(), price_.end() - 1);
  for (Index i = 0; i < n_; ++i) {
    out.objective += own_[i];
    out.value += own_[i] + price_[class_of_[i]];
  }
}

// Writes the state at a stop. The bounds of lists hold at prices that have risen since, so these prices prove a dual
// value.
void NearAssignment::write_stopped_result(SmallProblemResult& out) {
  for (Slot s = 0; s < columns_ && !node_.empty(); ++s) price_[s] = node_[s].price;
  out.prices.assign(price_.begin(), price_.end() - 1);
  out.load.assign(out.prices.size(), 0);
  for (Index i = 0; i < n_; ++i) {
    const auto list = lists_[i];
    const Cost least = std::min(two_cheapest(list, price_.data(), kNone).first, lists_.bound(i));
    if (least >= AssignmentRange::kForbiddenReduced) return;
    out.value += least;
    const auto free = [&](Slot s) { return s != kNone && out.load[s] < capacity_[s]; };
    Slot to = free(class_of_[i]) ? class_of_[i] : kNone;
    for (Index k = 0; to == kNone && k < list.size; ++k)
      if (list.cost[k] < AssignmentRange::kForbidden && free(list.col[k])) to = list.col[k];
    if (to != kNone) ++out.load[to];
    out.assignment.push_back(to);
  }
  out.stopped = true;
}

bool NearAssignment::holds() const {
  std::vector<Cost> row(at(columns_));
  CostRangeStats ignored;
  const KeyRowReader rows(keys_, ignored);
  for (Slot s = 0; s < columns_; ++s) {
    if (load_[s] > capacity_[s] || price_[s] < 0 || (price_[s] > 0 && load_[s] < capacity_[s])) return false;
  }
  for (Index i = 0; i < n_; ++i) {
    rows.load(i, row.data());
    if (row[class_of_[i]] != own_[i]) return false;
    for (Slot s = 0; s < columns_; ++s) {
      if (row[s] < AssignmentRange::kForbidden && row[s] + price_[s] < own_[i] + price_[class_of_[i]]) return false;
    }
  }
  return true;
}

}  // namespace

// Least number of classes with which near_jobs_many, not near_jobs, limits the jobs a class: below, samples win in most
// families; from here on they take up to 12 times as long as candidate lists (structured costs, 16 jobs a class).
constexpr Index kNearClassesMany = 1 << 11;

bool near_assignment_fits(Index n_jobs, Slot columns, const Tuning& tuning) noexcept {
  const Index most = key_matrix_fits(n_jobs, columns, tuning) ? tuning.near_jobs_memory
                     : columns < kNearClassesMany             ? tuning.near_jobs
                                                              : tuning.near_jobs_many;
  return columns >= tuning.near_classes && n_jobs > 0 && n_jobs <= most * columns;
}

SmallProblemResult solve_near_assignment(const IntegerKeys& keys, const Level& level, std::span<const Cost> given,
                                         Pool& pool, Stop& stop, CostRangeStats& seen, Stats& stats,
                                         const Tuning& tuning) {
  SmallProblemResult out;
  if (!mostly_copies(keys, tuning)) (void)NearAssignment(keys, level, pool, stop, seen, stats, tuning).run(given, out);
  return out;
}

void KeyRowReader::load(Index i, Cost* out) const {
  if (narrow_ != nullptr) {
    std::copy_n(narrow_ + i * m, m, out);
    return;
  }
  std::vector<double> scratch;
  CostRangeStats seen;
  keys_.fill(gridcompute::Rows{nullptr, i, 1}, out, scratch, seen);
  if (keys_.optional()) out[keys_.n_slots()] = keys_.unplaced(i, seen);
  for (Index s = 0; s < m; ++s) out[s] = out[s] < kForbidden ? out[s] : AssignmentRange::kForbidden;
  const std::lock_guard lock(mutex_);
  seen_.join(seen);
}

TwoCheapest two_cheapest(const CandidateKeyLists::View& list, const Cost* price, Slot beside) {
  TwoCheapest out{kUnreached, kUnreached, 0};
  for (Index k = 0; k < list.size; ++k) {
    const Cost x = list.col[k] == beside ? kUnreached : list.cost[k] + price[list.col[k]];
    const Cost worse = x > out.first ? x : out.first;
    out.second = worse < out.second ? worse : out.second;
    out.at = x < out.first ? k : out.at;
    out.first = x < out.first ? x : out.first;
  }
  return out;
}

namespace {
constexpr Index kRows = 64;      // rows of a chunk when all lists are read
constexpr Index kStaleRows = 8;  // rows of a chunk when stale lists are refreshed
}  // namespace

LazyCandidateLists::LazyCandidateLists(const IntegerKeys& keys, Index n_jobs, Pool& pool, Stop& stop,
                                       CostRangeStats& seen, Stats& stats)
    : keys_(keys),
      n_(n_jobs),
      columns_(keys.columns()),
      pool_(pool),
      stop_(stop),
      seen_(seen),
      stats_(stats),
      rows_(keys, seen),
      lists_(n_, columns_),
      scratch_(lists_.scratch()),
      negated_prices_(at(columns_) + 1, 0) {
  lists_.reserve_lists();
}

bool LazyCandidateLists::read_all(const std::vector<Cost>& prices) {
  std::vector<Index> all(at(n_));
  std::iota(all.begin(), all.end(), Index{0});
  for (Slot s = 0; s < columns_; ++s) negated_prices_[s] = -prices[s];
  return read(all, kRows) && keys_.possible(seen_);
}

// Reads lists in parallel. A list depends on its own row only, so the result is the same for any number of threads.
bool LazyCandidateLists::read(std::span<const Index> jobs, Index at_once) {
  stats_.evaluations += static_cast<Index>(jobs.size()) * columns_;
  stop_.count(static_cast<Index>(jobs.size()) * columns_);
  return pool_.for_chunks(
      static_cast<Index>(jobs.size()), at_once,
      [&](Index, Index begin, Index end) {
        CandidateKeyLists::Scratch scratch = lists_.scratch();
        for (Index k = begin; k < end; ++k) lists_.fill(jobs[k], rows_, negated_prices_.data(), scratch);
      },
      &stop_);
}

void LazyCandidateLists::refill(Index job) {
  lists_.refill(job, rows_, negated_prices_.data(), lists_.bound(job), scratch_);
  stats_.evaluations += columns_;
  stop_.count(columns_);
  ++stats_.rows_extended;
  keys_reread_ += columns_;
}

TwoCheapest LazyCandidateLists::two_cheapest_exact(Index job, const std::vector<Cost>& prices, Slot beside) {
  for (;;) {
    const TwoCheapest two_cheapest_exact = two_cheapest(lists_[job], prices.data(), beside);
    if (list_suffices(two_cheapest_exact.first, lists_.bound(job))) return two_cheapest_exact;
    refresh(job, [&](Slot s) { return prices[s]; });
  }
}

auction::TwoBest LazyCandidateLists::best(Index job, const std::vector<Cost>& prices) {
  const TwoCheapest found = two_cheapest_exact(job, prices, kNone);
  const auto allowed = [](Cost x) { return x < AssignmentRange::kForbiddenReduced ? x : kForbidden; };
  return {allowed(found.first), allowed(std::min(found.second, lists_.bound(job))), lists_[job].col[found.at]};
}

void LazyCandidateLists::prepare(std::span<const Index> jobs, const std::vector<Cost>& prices) {
  stale_.clear();
  for (const Index job : jobs)
    if (!list_suffices(two_cheapest(lists_[job], prices.data(), kNone).first, lists_.bound(job))) stale_.push_back(job);
  for (Slot s = 0; s < columns_; ++s) negated_prices_[s] = -prices[s];
  (void)read(stale_, kStaleRows);
}

}  // namespace gridcompute::transport
