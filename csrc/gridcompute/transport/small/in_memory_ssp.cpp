#include "gridcompute/transport/small/in_memory_ssp.hpp"

#include <algorithm>
#include <cassert>
#include <string>

#include "gridcompute/base/error.hpp"

namespace gridcompute::transport {

namespace {
constexpr Index kLooksALot = 2, kLooksIfListed = 1;  // of bids, after which paths take over
constexpr double kFalling = 0.6;                     // of what has no room, after a look a lot: else it will not pay
constexpr Cost kPart = 3;                            // a search finds room for one unit in so many
constexpr Index kFewLeft = 16;                       // one unit in so many is soon placed by paths
constexpr std::size_t kCrowd = 64;                   // lots a class, all of which a bid looks at
constexpr Index kPollEvery = 64;                     // searches
constexpr Index kLooksAPoll = 1 << 12;
}  // namespace

template <class T, class Rows>
Dense<T, Rows>::Dense(const Rows& rows, std::span<const Lot> lots, std::span<const Cost> capacity,
                      AlignedVector<T> prices, Stop& stop, Stats& stats)
    : rows_(rows),
      lots_(lots),
      columns_(static_cast<Slot>(capacity.size())),
      capacity_(capacity),
      stop_(stop),
      stats_(stats),
      price_(std::move(prices)),
      members_(capacity.size()),
      spare_(capacity.size(), 0),
      load_(capacity.size(), 0) {
  for (const Lot& lot : lots_) {
    units_ += lot.units;
    single_ = single_ && lot.units == 1;
  }
  if (lots_.size() < members_.size()) return;
  const auto usual = static_cast<Index>(2 * lots_.size() / members_.size()) + 8;
  for (Slot s = 0; s < columns_; ++s) members_[s].reserve(static_cast<std::size_t>(std::min(capacity_[s] + 1, usual)));
}

template <class T, class Rows>
bool Dense<T, Rows>::run() {
  if ((!bidden_ && !bids(kListed ? kLooksIfListed : kLooksALot)) || !spread() || !paths()) return false;
  assert(holds());
  return true;
}

template <class T, class Rows>
bool Dense<T, Rows>::bids_suffice(Index looks_a_lot) {
  const double most = kFalling * static_cast<double>(unmet());
  const auto few = [&] { return kFewLeft * unmet() <= units_; };
  const bool dear = lots_.size() > kCrowd * members_.size();  // the last of them cost more than their paths
  for (Index k = 0; k < looks_a_lot && !(dear && few()); ++k)
    if (!bids(1) || (k == 0 && static_cast<double>(unmet()) > most)) return false;
  return few();
}

template <class T, class Rows>
bool Dense<T, Rows>::bids_leave(Index many) {
  bidden_ = bids(kLooksALot);
  return bidden_ && many * unmet() <= units_;
}

template <class T, class Rows>
AlignedVector<T> Dense<T, Rows>::prices() const {
  AlignedVector<T> out = price_;
  const T least = *std::min_element(price_.begin(), price_.begin() + columns_);
  for (Slot s = 0; s < columns_; ++s) out[s] -= least;
  return out;
}

template <class T, class Rows>
Cost Dense<T, Rows>::unmet() const {
  Cost sum = 0;
  for (Slot s = 0; s < columns_; ++s) sum += std::max<Cost>(0, over(s));
  return sum;
}

template <class T, class Rows>
bool Dense<T, Rows>::beyond_range() noexcept {
  beyond_range_ = true;
  return false;
}

template <class T, class Rows>
std::optional<Cost> Dense<T, Rows>::place() {
  for (const Lot& lot : lots_) {
    const LeastAt<T> b = best(lot.row);
    if (impossible(b.value)) return std::nullopt;
    put_at_best(lot.row, lot.units, b, nullptr);
  }
  const T least = *std::min_element(price_.begin(), price_.begin() + columns_);
  Cost out = 0;
  for (Slot s = 0; s < columns_; ++s) out += std::max(over(s), price_[s] > least ? -over(s) : 0);
  return out;
}

// Into the cheapest classes, lowest first, while they have room; the rest to the first of them. `filled` learns which
// class becomes over-full.
template <class T, class Rows>
void Dense<T, Rows>::put_at_best(std::int32_t row, Cost units, LeastAt<T> best, std::vector<Slot>* filled) {
  const auto first = static_cast<Slot>(best.at);
  while (best.at < columns_) {
    const auto s = static_cast<Slot>(best.at);
    const Cost some = std::clamp<Cost>(-over(s), 0, units);
    if (some > 0) put(row, s, some, static_cast<T>(best.value - price_[s]));
    units -= some;
    if (units == 0) return;
    best.at = static_cast<T>(next_minimiser(rows_, row, price_.data(), best));
  }
  if (filled != nullptr && over(first) == 0) filled->push_back(first);
  put(row, first, units, static_cast<T>(best.value - price_[first]));
}

// False where its row was there already.
template <class T, class Rows>
bool Dense<T, Rows>::put(std::int32_t row, Slot s, Cost units, T own) {
  load_[s] += units;
  if (!single_) {
    for (JobUnits<T>& m : members_[s]) {
      if (m.row != row) continue;
      m.units += static_cast<std::int32_t>(units);
      return false;
    }
  }
  members_[s].push_back({row, static_cast<std::int32_t>(units), own});
  return true;
}

template <class T, class Rows>
bool Dense<T, Rows>::bids(Index looks_a_lot) {
  std::vector<Slot> queue, next;
  for (Slot s = 0; s < columns_; ++s) {
    if (over(s) > 0) queue.push_back(s);
  }
  Index looks = looks_a_lot * static_cast<Index>(lots_.size()), poll_at = looks;
  while (!queue.empty() && looks > 0) {
    if (looks <= poll_at) {
      if (stop_.poll()) return false;
      poll_at = looks - kLooksAPoll;
    }
    next.clear();
    for (const Slot s : queue) {
      if (looks <= 0 || over(s) <= 0) continue;
      looks -= static_cast<Index>(members_[s].size());
      if (!bid(s, next)) return false;
    }
    queue.swap(next);
    std::sort(queue.begin(), queue.end());
  }
  return true;
}

// Class a keeps those that would lose most elsewhere. Classes that become over-full are added to `next`.
template <class T, class Rows>
bool Dense<T, Rows>::bid(Slot a, std::vector<Slot>& next) {
  const T own = price_[a];
  price_[a] = KeyLimits<T>::kSettled - KeyLimits<T>::kForbid;
  std::vector<JobUnits<T>>& here = members_[a];
  others_.resize(here.size());
  least_costs(rows_, here.data(), static_cast<Index>(here.size()), price_.data(), others_.data());
  margins_.clear();
  for (std::size_t k = 0; k < here.size(); ++k)
    margins_.push_back({static_cast<T>(others_[k].value - (here[k].own + own)), here[k].row, static_cast<Slot>(k)});
  const Cost leaving = over(a);
  Cost of_edge = leaving;  // so many of those at the edge leave too
  const auto edge = cut(a, of_edge), last = of_edge > 0 ? edge + 1 : edge;
  const auto other = [&](const Margin& m) { return others_[static_cast<std::size_t>(m.at)]; };
  if (std::any_of(margins_.begin(), last, [&](const Margin& m) { return impossible(other(m).value); })) return false;
  // Those kept that have no other class would let the price rise without end.
  const Margin& kept = edge != margins_.end() && !impossible(other(*edge).value) ? *edge : *(edge - 1);
  if (kept.margin > KeyLimits<T>::kPrice - own) return beyond_range();
  const T raised = own + kept.margin;
  load_[a] -= leaving;
  Cost left = leaving;
  for (auto m = margins_.begin(); m != last; ++m) {
    JobUnits<T>& member = here[static_cast<std::size_t>(m->at)];
    const Cost some = std::min<Cost>(left, member.units);
    left -= some;
    member.units -= static_cast<std::int32_t>(some);
    put_at_best(m->row, some, other(*m), &next);
  }
  std::erase_if(here, [](const JobUnits<T>& m) { return m.units == 0; });
  price_[a] = raised;
  return true;
}

// Sorts the least margins to the front. The first of those that do not leave in full when so many units do; `units`
// becomes how many of it leave.
template <class T, class Rows>
typename Dense<T, Rows>::Margins Dense<T, Rows>::cut(Slot a, Cost& units) {
  if (single_) {
    const auto edge = margins_.begin() + units;
    std::nth_element(margins_.begin(), edge, margins_.end());
    std::sort(margins_.begin(), edge);
    units = 0;
    return edge;
  }
  std::sort(margins_.begin(), margins_.end());
  auto edge = margins_.begin();
  const auto all = [&] { return members_[a][static_cast<std::size_t>(edge->at)].units; };
  for (; edge != margins_.end() && units >= all(); ++edge) units -= all();
  return edge;
}

// Spare units lie where the price is least: in what is free there, the rest at the first such class. False without
// room for all.
template <class T, class Rows>
bool Dense<T, Rows>::spread() {
  Cost left = -units_;
  for (const Cost u : capacity_) left += u;
  if (left < 0) return false;
  const T least = *std::min_element(price_.begin(), price_.begin() + columns_);
  Slot first = kNone;
  for (Slot s = columns_ - 1; s >= 0; --s) {
    if (price_[s] != least) continue;
    first = s;
    spare_[s] = std::clamp<Cost>(-over(s), 0, left);
    load_[s] += spare_[s];
    left -= spare_[s];
  }
  spare_[first] += left;
  load_[first] += left;
  return true;
}

template <class T, class Rows>
bool Dense<T, Rows>::paths() {
  Cost left = unmet();
  if (left == 0) return true;
  line_.assign(members_.size(), kNone);
  w_.reserve((std::min(members_.size(), lots_.size()) + 1) * static_cast<std::size_t>(rows_.stride));
  w_.assign(static_cast<std::size_t>(rows_.stride), T{0});
  lines_ = kSpareLine + 1;
  if constexpr (kListed) between_ = Between<T>(rows_, members_);
  for (Slot s = 0; s < columns_; ++s) {
    if constexpr (kListed) {
      between_.start(s, members_[s], spare_[s] > 0, members_[s].empty() ? nullptr : own_line(s));
      if (members_[s].empty()) update_row(s, nullptr);
    } else {
      update_row(s, nullptr);
    }
  }
  tree_.label.resize(price_.size());
  tree_.parent.resize(price_.size());
  tree_.open.resize(price_.size());
  for (Index k = 0; left > 0; ++k) {
    if (k % kPollEvery == 0 && stop_.poll()) return false;
    if (!search(left)) return false;
    for (const Slot target : tree_.targets) left -= augment(target);
  }
  return true;
}

// Prices follow. False where there is no way to any class with room. The farthest ways are seldom there still after the
// first have been gone; over lists moving units takes longer than searches.
template <class T, class Rows>
bool Dense<T, Rows>::search(Cost left) {
  ++stats_.searches;
  grow_tree({columns_, rows_.stride, load_.data(), capacity_.data(), price_.data(), w_.data(), line_.data()},
            kListed ? left : (left + kPart - 1) / kPart, tree_);
  if (tree_.beyond) beyond_range();
  return !tree_.targets.empty() && raise();
}

template <class T, class Rows>
bool Dense<T, Rows>::raise() {
  for (const auto& x : tree_.settled) {
    if (x.distance >= tree_.last) break;
    const T price = price_[x.slot] + (tree_.last - x.distance);
    if (price > KeyLimits<T>::kPrice) return beyond_range();
    price_[x.slot] = price;
  }
  return true;
}

// Moves units along the tree to the target if every arc is still tight, as many as each arc has. How many.
template <class T, class Rows>
Cost Dense<T, Rows>::augment(Slot target) {
  path_.assign(1, target);
  for (Slot s = target; tree_.parent[s] != kNone; path_.push_back(s)) s = static_cast<Slot>(tree_.parent[s]);
  movers_.assign(path_.size(), 0);
  Cost units = std::min(over(path_.back()), -over(target));
  for (std::size_t k = 1; k < path_.size() && units > 0; ++k) {
    const Slot a = path_[k], b = path_[k - 1];
    if (empty(a) || ways(a)[b] + price_[b] != price_[a]) return 0;
    if (moves_spare(a, b)) {
      units = std::min(units, spare_[a]);
    } else {
      movers_[k] = mover(a, b);
      units = std::min<Cost>(units, members_[a][movers_[k]].units);
    }
  }
  if (units <= 0) return 0;
  for (std::size_t k = 1; k < path_.size(); ++k) move(path_[k], path_[k - 1], movers_[k], units);
  ++stats_.augmentations;
  return units;
}

// The first that decides the way from a to b. Another index would move a job at a cost that nobody counted.
template <class T, class Rows>
std::size_t Dense<T, Rows>::mover(Slot a, Slot b) {
  const std::vector<JobUnits<T>>& from = members_[a];
  std::size_t at = 0;
  if constexpr (kListed) {
    const std::int32_t row = between_.who(a, b);
    while (at < from.size() && from[at].row != row) ++at;
  } else {
    const T way = ways(a)[b];
    while (at < from.size() && rows_.row(from[at].row)[b] - from[at].own != way) ++at;
  }
  if (at == from.size())
    throw Error(ErrorKind::internal, "", -1,
                "transport: no job of class " + std::to_string(a) + " decides its arc to " + std::to_string(b));
  return at;
}

template <class T, class Rows>
void Dense<T, Rows>::move(Slot a, Slot b, std::size_t at, Cost units) {
  load_[a] -= units;
  if (moves_spare(a, b)) {
    spare_[a] -= units;
    if (spare_[a] == 0) update_row(a, nullptr);
    spare_[b] += units;
    load_[b] += units;
    if (spare_[b] == units) update_row(b, nullptr);
    return;
  }
  const JobUnits<T> moved = members_[a][at];
  if (moved.units > units) {
    members_[a][at].units -= static_cast<std::int32_t>(units);
  } else {
    members_[a][at] = members_[a].back();
    members_[a].pop_back();
    if constexpr (kListed) between_.leave(a, moved, spare_[a] > 0, ways(a));
    update_row(a, &moved);
  }
  const bool first = members_[b].empty();
  if (!put(moved.row, b, units, key_of(rows_, moved.row, b))) return;
  if constexpr (kListed) between_.come(b, members_[b].back(), first ? nullptr : ways(b));
  if (first) {
    update_row(b, nullptr);
  } else {
    if constexpr (!kListed) lower_exchange_row(rows_.row(moved.row), members_[b].back().own, rows_.stride, ways(b));
  }
}

// Makes the row of W of class a that of its members and spare units. `left` is the member that has just left, if the
// row was right before that; over lists it is right already then.
template <class T, class Rows>
void Dense<T, Rows>::update_row(Slot a, const JobUnits<T>* left) {
  if (members_[a].empty()) {
    if (line_[a] > kSpareLine) unused_.push_back(line_[a]);
    line_[a] = spare_[a] > 0 ? kSpareLine : kNone;
    return;
  }
  if constexpr (kListed) {
    if (left == nullptr) between_.build(a, spare_[a] > 0, own_line(a));
  } else {
    rebuild_exchange_row(rows_, members_[a].data(), static_cast<Index>(members_[a].size()), spare_[a] > 0, left,
                         own_line(a));
  }
}

// A row of W that is the class's own, a new one where there is none.
template <class T, class Rows>
T* Dense<T, Rows>::own_line(Slot a) {
  if (line_[a] <= kSpareLine) {
    if (unused_.empty()) {
      line_[a] = static_cast<Slot>(lines_++);
      w_.resize(static_cast<std::size_t>(lines_ * rows_.stride));
    } else {
      line_[a] = unused_.back();
      unused_.pop_back();
    }
  }
  return ways(a);
}

template <class T, class Rows>
bool Dense<T, Rows>::holds() const {
  const T least = *std::min_element(price_.begin(), price_.begin() + columns_);
  for (Slot s = 0; s < columns_; ++s) {
    if (over(s) != 0 || (spare_[s] > 0 && price_[s] != least)) return false;
    for (const JobUnits<T>& m : members_[s]) {
      if (m.own + price_[s] != best(m.row).value) return false;
    }
  }
  return true;
}

template class Dense<std::int32_t>;
template class Dense<Cost>;
template class Dense<std::int32_t, CsrKeyRows<std::int32_t>>;
template class Dense<Cost, CsrKeyRows<Cost>>;

}  // namespace gridcompute::transport
