#include "gridcompute/transport/small/near_assignment.hpp"

#include <algorithm>
#include <cassert>

#include "gridcompute/transport/auction/auction_state.hpp"
#include "gridcompute/transport/multilevel/duplicate_columns.hpp"
#include "gridcompute/transport/small/lazy_candidate_lists.hpp"

namespace gridcompute::transport {

namespace {

constexpr Index kFewest = 512;     // classes: rows so long that lists pay
constexpr Index kJobsIfSmall = 2;  // a class: beyond, all keys in memory are quicker,
constexpr Index kJobsAClass = 6;   // where they are too many samples tell more,
constexpr Index kWide = 1 << 12;   // unless classes are so many
constexpr Index kJobsIfWide = 16;  // that lists of candidates grow out of hand
constexpr int kPhases = 3;
constexpr Cost kFactor = 4;        // epsilon from phase to phase
constexpr Cost kLowered = 4;       // epsilons by which prices fall between phases, at most: House::lower
constexpr Index kBidsAJob = 12;    // of the auction
constexpr Index kLooksAJob = 5;    // of bids without epsilon, after which paths take over
constexpr Index kMostWork = 32;    // matrices: entries of lists and rows that paths may look at
constexpr Index kTrusted = 4;      // given prices may leave one job in so many out of place; an auction leaves more
constexpr Index kAskedOf = 16;     // one job in so many is asked first
constexpr Index kPollEvery = 256;  // jobs or rows
constexpr std::int32_t kNobody = -1, kHubs = -2;

class Few {
 public:
  Few(const QuantisedCost& keys, const Level& level, Pool& pool, Stop& stop, CostRangeStats& seen, Stats& stats);

  bool run(std::span<const Cost> given, Direct& out);

 private:
  struct Node {
    Cost price, label;
  };
  struct Item {
    Cost label;
    std::int32_t id;  // a class, the hub, or ~job: the classes outside its list
    bool operator<(const Item& than) const noexcept { return label != than.label ? label > than.label : id > than.id; }
  };
  struct Came {  // how a label came about
    std::int32_t by;
    Slot from;
    Cost key;  // of the job there
  };
  struct Margin {
    Cost margin, key;
    std::int32_t job;
    Slot to;
    bool operator<(const Margin& than) const noexcept {
      return margin != than.margin ? margin < than.margin : job > than.job;
    }
  };

  bool begin(std::span<const Cost> given);
  [[nodiscard]] bool plausible() const;
  bool auction();
  bool place();
  void put(std::int32_t job, Slot s, Cost own);
  void take(std::int32_t job);
  bool bids();
  bool bid(Slot a, std::vector<Slot>& next);
  void fill_room();
  bool paths();
  bool search(Cost left);
  void reach(Slot t, Cost label, Came came);
  void push(Item item);
  void settle(Slot s);
  void offer(std::int32_t job);
  Cost augment(Slot target);
  void deliver(Direct& out) const;
  void leave(Direct& out);
  [[nodiscard]] Cost over(Slot s) const { return load_[s] - filled_[s]; }
  [[nodiscard]] Cost room(Slot s) const { return capacity_[s] - filled_[s]; }
  [[nodiscard, maybe_unused]] bool holds() const;

  Index n_;
  Slot columns_, hub_;
  std::span<const Cost> capacity_;
  Stop& stop_;
  Stats& stats_;
  const QuantisedCost& keys_;
  Offers offers_;
  Cost spare_;
  bool placed_ = false;  // by given prices
  std::vector<Cost> p_;  // (columns), and 0 for what pads lists
  std::vector<Slot> where_;
  std::vector<Cost> own_;  // key there
  std::vector<std::int32_t> place_;
  std::vector<std::vector<std::int32_t>> members_;
  std::vector<Margin> margins_;
  std::vector<Cost> load_, filled_;  // and the hub's: what is filled, and what has to be
  std::vector<Node> node_;           // classes and hub
  std::vector<Came> came_;
  std::vector<char> done_;
  std::vector<Slot> touched_, settled_, targets_, path_;
  std::vector<Item> heap_;
  Index work_ = 0;
};

Few::Few(const QuantisedCost& keys, const Level& level, Pool& pool, Stop& stop, CostRangeStats& seen, Stats& stats)
    : n_(level.n),
      columns_(keys.columns()),
      hub_(columns_),
      capacity_(level.capacity),
      stop_(stop),
      stats_(stats),
      keys_(keys),
      offers_(keys, level.n, pool, stop, seen, stats),
      spare_(-n_),
      p_(static_cast<std::size_t>(columns_) + 1, 0),
      where_(static_cast<std::size_t>(n_), kNone),
      own_(where_.size()),
      place_(where_.size()),
      members_(static_cast<std::size_t>(columns_)),
      load_(p_.size(), 0),
      filled_(p_.size(), 0) {
  for (const Cost u : capacity_) spare_ += u;
}

bool Few::run(std::span<const Cost> given, Direct& out) {
  if (spare_ < 0 || !begin(given)) return false;
  if ((placed_ || (!stop_.requested() && auction() && offers_.read_all(p_) && place())) && bids() && paths()) {
    assert(holds());
    deliver(out);
  } else if (stop_.requested()) {
    leave(out);
  }
  return out.solved;
}

// Lists to begin with: at given prices, and jobs placed, if these leave few out of place; else at price 0.
bool Few::begin(std::span<const Cost> given) {
  if (!given.empty()) {
    const Cost least = spare_ > 0 ? *std::min_element(given.begin(), given.end()) : 0;
    for (Slot s = 0; s < columns_; ++s) p_[s] = given[s] - least;
  }
  if (!given.empty() && plausible()) {
    if (!offers_.read_all(p_)) return false;
    placed_ = place();
    if (stop_.requested()) return true;
    Cost misplaced = 0;
    for (Slot s = 0; s < columns_; ++s)
      misplaced += std::max(load_[s] - capacity_[s], p_[s] > 0 ? capacity_[s] - load_[s] : 0);
    placed_ = placed_ && kTrusted * misplaced <= n_;
    if (placed_) return ++stats_.given > 0;
    for (auto& members : members_) members.clear();
    std::fill(load_.begin(), load_.end(), 0);
  }
  std::fill(p_.begin(), p_.end(), 0);
  return offers_.read_all(p_);
}

// Can a few jobs have what they want at these prices?
bool Few::plausible() const {
  std::vector<Cost> row(static_cast<std::size_t>(columns_)), load(p_.size(), 0);
  CostRangeStats ignored;
  const KeyRows rows(keys_, ignored);
  Index crowded = 0, asked = 0;
  for (Index i = 0; i < n_; i += kAskedOf, ++asked) {
    rows.load(i, row.data());
    const auto full = [&](Slot s) { return load[s] >= capacity_[s]; };
    Slot best = 0;
    for (Slot s = 1; s < columns_; ++s) {
      const Cost less = row[best] + p_[best] - row[s] - p_[s];
      if (less > 0 || (less == 0 && full(best) && !full(s))) best = s;
    }
    crowded += full(best) ? 1 : 0;
    ++load[best];
  }
  return kTrusted * crowded <= asked;
}

bool Few::auction() {
  const std::vector<Cost> weights(static_cast<std::size_t>(n_), 1);
  std::vector<Cost> capacity(capacity_.begin(), capacity_.end());
  capacity.push_back(0);  // of what pads lists
  auction::House house(offers_, weights, capacity);
  Cost epsilon = house.scale();
  for (int k = 1; k < kPhases; ++k) epsilon = std::min(epsilon * kFactor, kCostLimit / 8);
  Index bids = kBidsAJob * n_;
  for (int k = 0; k < kPhases; ++k) {
    if (k > 0) {
      house.lower(epsilon);
      offers_.loosen(kLowered * epsilon);
      epsilon = std::max<Cost>(1, epsilon / kFactor);
    }
    if (house.phase(epsilon, bids, stop_)) continue;
    if (!stop_.requested()) ++stats_.cut_short;
    break;
  }
  std::copy(house.prices().begin(), house.prices().end() - 1, p_.begin());
  const Cost least = spare_ > 0 ? *std::min_element(p_.begin(), p_.end() - 1) : 0;
  for (Slot s = 0; s < columns_; ++s) p_[s] -= least;
  offers_.loosen(least);
  return !stop_.requested();
}

// To its cheapest class, of equal ones on its list the first with room.
bool Few::place() {
  for (Index i = 0; i < n_; ++i) {
    if (i % kPollEvery == 0 && stop_.poll()) return false;
    const auction::Best b = offers_.best(i, p_);
    if (b.first >= kForbidden) return false;
    const auto list = offers_[i];
    const auto cheapest = [&](Index k) { return list.cost[k] + p_[list.col[k]] == b.first; };
    const auto free = [&](Index k) { return load_[list.col[k]] < capacity_[list.col[k]]; };
    Index at = 0;
    while (at < list.size && !(cheapest(at) && free(at))) ++at;
    for (at = at == list.size ? 0 : at; !cheapest(at);) ++at;
    put(static_cast<std::int32_t>(i), list.col[at], list.cost[at]);
  }
  return true;
}

void Few::put(std::int32_t job, Slot s, Cost own) {
  where_[job] = s;
  own_[job] = own;
  place_[job] = static_cast<std::int32_t>(members_[s].size());
  members_[s].push_back(job);
  ++load_[s];
}

void Few::take(std::int32_t job) {
  std::vector<std::int32_t>& from = members_[where_[job]];
  from[place_[job]] = from.back();
  place_[from.back()] = place_[job];
  from.pop_back();
  --load_[where_[job]];
}

bool Few::bids() {
  std::vector<Slot> queue, next;
  for (Slot s = 0; s < columns_; ++s)
    if (load_[s] > capacity_[s]) queue.push_back(s);
  for (Index looks = kLooksAJob * n_; !queue.empty() && looks > 0;) {
    next.clear();
    for (const Slot s : queue) {
      if (looks <= 0 || load_[s] <= capacity_[s]) continue;
      if (stop_.poll()) return false;
      looks -= static_cast<Index>(members_[s].size());
      if (!bid(s, next)) return false;
    }
    queue.swap(next);
    std::sort(queue.begin(), queue.end());
  }
  return true;
}

// Class a keeps those that would lose most elsewhere. Classes that become over-full are added to `next`.
bool Few::bid(Slot a, std::vector<Slot>& next) {
  margins_.clear();
  for (const std::int32_t job : members_[a]) {
    const Two other = offers_.two(job, p_, a);
    const auto list = offers_[job];
    if (other.first >= Bounds::kForbiddenReduced) {
      margins_.push_back({kFar, 0, job, kNone});
    } else {
      margins_.push_back({other.first - own_[job] - p_[a], list.cost[other.at], job, list.col[other.at]});
    }
  }
  std::sort(margins_.begin(), margins_.end());
  const auto leaving = static_cast<std::size_t>(load_[a] - capacity_[a]);
  if (margins_[leaving - 1].to == kNone) return false;
  const bool kept = leaving < margins_.size() && margins_[leaving].to != kNone;
  p_[a] += margins_[kept ? leaving : leaving - 1].margin;
  if (p_[a] > Bounds::kLimit) return false;
  for (std::size_t k = 0; k < leaving; ++k) {
    const Margin& m = margins_[k];
    take(m.job);
    put(m.job, m.to, m.key);
    if (load_[m.to] == capacity_[m.to] + 1) next.push_back(m.to);
  }
  return true;
}

void Few::fill_room() {
  load_[hub_] = 0;
  for (Slot s = 0; s < columns_; ++s) {
    filled_[s] = p_[s] > 0 ? capacity_[s] : std::min(load_[s], capacity_[s]);
    load_[hub_] += filled_[s];
  }
  filled_[hub_] = n_;
}

bool Few::paths() {
  fill_room();
  node_.assign(p_.size(), {0, kFar});
  for (Slot s = 0; s < columns_; ++s) node_[s].price = p_[s];
  came_.resize(node_.size());
  done_.assign(node_.size(), 0);
  Cost left = 0;
  for (Slot s = 0; s <= hub_; ++s) left += std::max<Cost>(0, over(s));
  const Index most = offers_.reread() + kMostWork * n_ * columns_;
  while (left > 0) {
    if (stop_.poll() || work_ + offers_.reread() > most || !search(left)) return false;
    for (const Slot t : targets_) left -= augment(t);
  }
  // Only a class that nothing fills can be cheaper than the hub: it may cost as much, nobody is there.
  for (Slot s = 0; s < columns_; ++s) p_[s] = std::max<Cost>(0, node_[s].price - node_[hub_].price);
  return true;
}

// Settles classes by distance from any excess until the deficits among them (`targets_`) could take half of it; prices
// follow. False if none can be reached, or after a stop.
bool Few::search(Cost left) {
  ++stats_.searches;
  for (const Slot t : touched_) node_[t].label = kFar, done_[t] = 0;
  touched_.clear();
  settled_.clear();
  targets_.clear();
  heap_.clear();
  for (Slot s = 0; s <= hub_; ++s)
    if (over(s) > 0) reach(s, 0, {kNobody, kNone, 0});
  while (!heap_.empty() && left > 0) {
    const auto [label, id] = heap_.front();
    std::pop_heap(heap_.begin(), heap_.end());
    heap_.pop_back();
    if (label > Bounds::kLimit) return false;
    if (id < 0) {
      offers_.read_again(~id, [&](Slot s) { return node_[s].price; });
      if (stats_.rescanned % kPollEvery == 0 && stop_.poll()) return false;
      offer(~id);
    } else if (done_[id] == 0 && node_[id].label == label) {
      settle(id);
      if (over(id) >= 0) continue;
      targets_.push_back(id);
      left += 2 * over(id);
    }
  }
  if (targets_.empty()) return false;
  const Cost last = node_[targets_.back()].label;
  for (const Slot s : settled_) {
    node_[s].price += std::max<Cost>(0, last - node_[s].label);
    if (node_[s].price > Bounds::kLimit) return false;
  }
  return true;
}

void Few::push(Item item) {
  heap_.push_back(item);
  std::push_heap(heap_.begin(), heap_.end());
}

void Few::reach(Slot t, Cost label, Came came) {
  if (node_[t].label <= label) return;
  if (node_[t].label == kFar) touched_.push_back(t);
  node_[t].label = label;
  came_[t] = came;
  push({label, t});
}

void Few::settle(Slot s) {
  done_[s] = 1;
  settled_.push_back(s);
  const Cost from_here = node_[s].label - node_[s].price;
  if (s == hub_) {
    for (Slot t = 0; t < columns_; ++t) {
      if (filled_[t] > 0) reach(t, from_here + node_[t].price, {kHubs, hub_, 0});
    }
    return;
  }
  if (room(s) > 0) reach(hub_, from_here + node_[hub_].price, {kHubs, s, 0});
  for (const std::int32_t job : members_[s]) offer(job);
}

// A settled class's job to all on its list.
void Few::offer(std::int32_t job) {
  const Slot from = where_[job];
  const Cost base = node_[from].label - node_[from].price - own_[job];
  const auto list = offers_[job];
  work_ += list.size;
  for (Index k = 0; k < list.size; ++k) {
    if (list.cost[k] >= Bounds::kForbidden) continue;
    const Slot t = list.col[k];
    const Cost label = base + list.cost[k] + node_[t].price;
    if (label < node_[t].label) reach(t, label, {job, from, list.cost[k]});
  }
  if (offers_.bound(job) < Bounds::kForbiddenReduced) push({base + offers_.bound(job), ~job});
}

// Moves a unit along the tree to the target if nothing on the way has moved since. How many.
Cost Few::augment(Slot target) {
  path_.assign(1, target);
  while (came_[path_.back()].by != kNobody) path_.push_back(came_[path_.back()].from);
  if (over(path_.back()) <= 0 || over(target) >= 0) return 0;
  for (std::size_t k = 1; k < path_.size(); ++k) {
    const Slot from = path_[k], to = path_[k - 1];
    const bool open = from == hub_ ? filled_[to] > 0 : to == hub_ ? room(from) > 0 : where_[came_[to].by] == from;
    if (!open) return 0;
  }
  for (std::size_t k = 1; k < path_.size(); ++k) {
    const Slot from = path_[k], to = path_[k - 1];
    if (from == hub_) {
      --filled_[to], --load_[hub_];
    } else if (to == hub_) {
      ++filled_[from], ++load_[hub_];
    } else {
      take(came_[to].by);
      put(came_[to].by, to, came_[to].key);
    }
  }
  ++stats_.augmentations;
  return 1;
}

void Few::deliver(Direct& out) const {
  out.solved = true;
  out.where.assign(where_.begin(), where_.end());
  out.load.assign(load_.begin(), load_.end() - 1);
  out.prices.assign(p_.begin(), p_.end() - 1);
  for (Index i = 0; i < n_; ++i) {
    out.objective += own_[i];
    out.value += own_[i] + p_[where_[i]];
  }
}

// What it came to when stopped: bounds of lists hold at prices that have risen since, and so these prove a value.
void Few::leave(Direct& out) {
  for (Slot s = 0; s < columns_ && !node_.empty(); ++s) p_[s] = node_[s].price;
  out.prices.assign(p_.begin(), p_.end() - 1);
  out.load.assign(out.prices.size(), 0);
  for (Index i = 0; i < n_; ++i) {
    const auto list = offers_[i];
    const Cost least = std::min(least_two(list, p_.data(), kNone).first, offers_.bound(i));
    if (least >= Bounds::kForbiddenReduced) return;
    out.value += least;
    const auto free = [&](Slot s) { return s != kNone && out.load[s] < capacity_[s]; };
    Slot to = free(where_[i]) ? where_[i] : kNone;
    for (Index k = 0; to == kNone && k < list.size; ++k)
      if (list.cost[k] < Bounds::kForbidden && free(list.col[k])) to = list.col[k];
    if (to != kNone) ++out.load[to];
    out.where.push_back(to);
  }
  out.stopped = true;
}

bool Few::holds() const {
  std::vector<Cost> row(static_cast<std::size_t>(columns_));
  CostRangeStats ignored;
  const KeyRows rows(keys_, ignored);
  for (Slot s = 0; s < columns_; ++s) {
    if (load_[s] > capacity_[s] || p_[s] < 0 || (p_[s] > 0 && load_[s] < capacity_[s])) return false;
  }
  for (Index i = 0; i < n_; ++i) {
    rows.load(i, row.data());
    if (row[where_[i]] != own_[i]) return false;
    for (Slot s = 0; s < columns_; ++s) {
      if (row[s] < Bounds::kForbidden && row[s] + p_[s] < own_[i] + p_[where_[i]]) return false;
    }
  }
  return true;
}

}  // namespace

bool few_fit(Index n_jobs, Slot columns) noexcept {
  const Index most = memory_fits(n_jobs, columns) ? kJobsIfSmall : columns < kWide ? kJobsAClass : kJobsIfWide;
  return columns >= kFewest && n_jobs > 0 && n_jobs <= most * columns;
}

Direct solve_few(const QuantisedCost& keys, const Level& level, std::span<const Cost> given, Pool& pool, Stop& stop,
                 CostRangeStats& seen, Stats& stats) {
  Direct out;
  if (!mostly_copies(keys)) (void)Few(keys, level, pool, stop, seen, stats).run(given, out);
  return out;
}

}  // namespace gridcompute::transport
