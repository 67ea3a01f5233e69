#include "gridcompute/transport/small/in_memory_ssp.hpp"

#include <algorithm>
#include <cassert>
#include <numeric>
#include <string>
#include <utility>

#include "gridcompute/base/error.hpp"

namespace gridcompute::transport {

template <class T>
SparseExchangeIndex<T>::SparseExchangeIndex(const CsrKeyRows<T>& rows,
                                            const std::vector<std::vector<JobUnits<T>>>& members, std::size_t direct)
    : rows_(rows), columns_(members.size()), tables_(columns_ <= direct) {
  std::int32_t last = -1;
  for (const auto& here : members)
    for (const JobUnits<T>& m : here) last = std::max(last, m.row);
  class_of_.assign(at(last) + 1, kNone);
  if (!tables_) {
    pairs_of_.resize(columns_);
    return;
  }
  begin_.assign(columns_ * columns_ + 1, 0);
  next_.resize(columns_);
  chain_head_.assign(columns_ * columns_, kNone);
  cheapest_job_.assign(chain_head_.size(), kNone);
}

template <class T>
std::size_t SparseExchangeIndex<T>::add(Slot a, Slot b) {
  if (tables_) return index(a, b);
  const auto [it, fresh] = position_of_.try_emplace(index(a, b), static_cast<std::int32_t>(cheapest_job_.size()));
  if (fresh) {
    pairs_of_[a].push_back({b, it->second});
    chain_head_.push_back(kNone);
    cheapest_job_.push_back(kNone);
  }
  return at(it->second);
}

template <class T>
void SparseExchangeIndex<T>::append(std::size_t at, Exchange row) {
  links_.push_back({row, chain_head_[at]});
  chain_head_[at] = static_cast<std::int32_t>(links_.size()) - 1;
}

template <class T>
void SparseExchangeIndex<T>::add_class(Slot a, const std::vector<JobUnits<T>>& members, bool spare, T* row) {
  if (row != nullptr) reset_row(spare, row);
  if (!tables_) {
    for (const JobUnits<T>& m : members) insert(a, m, row);
    return;
  }
  const auto begin = begin_.begin() + static_cast<std::ptrdiff_t>(index(a, 0));
  for (const JobUnits<T>& m : members) {
    class_of_[m.row] = a;
    for (const auto& arc : rows_.row(m.row)) ++begin[arc.slot + 1];
  }
  std::partial_sum(begin, begin + static_cast<std::ptrdiff_t>(columns_) + 1, begin);
  std::copy_n(begin, columns_, next_.begin());
  exchanges_.resize(at(begin[static_cast<std::ptrdiff_t>(columns_)]));
  for (const JobUnits<T>& m : members) {
    for (const auto& arc : rows_.row(m.row)) {
      const T cost = arc.key - m.own;
      exchanges_[next_[arc.slot]++] = {m.row, cost};
      if (cost < row[arc.slot]) row[arc.slot] = cost, cheapest_job_[index(a, arc.slot)] = m.row;
    }
  }
}

template <class T>
void SparseExchangeIndex<T>::reset_row(bool spare, T* row) const {
  std::fill_n(row, columns_, spare ? T{0} : KeyRange<T>::kForbid);
  std::fill(row + columns_, row + rows_.stride, KeyRange<T>::kForbid);
}

template <class T>
T SparseExchangeIndex<T>::recompute_cheapest(Slot a, std::size_t at, T at_most) {
  Exchange best{kNone, at_most};
  const auto look = [&](const Exchange& w) {
    const bool better = w.cost < best.cost && class_of_[w.row] == a;
    best = better ? w : best;
  };
  if (tables_)
    for (std::int32_t k = begin_[at]; k < begin_[at + 1]; ++k) look(exchanges_[k]);
  for (std::int32_t k = chain_head_[at]; k != kNone; k = links_[k].next) look(links_[k].row);
  cheapest_job_[at] = best.row;
  return best.cost;
}

template <class T>
void SparseExchangeIndex<T>::rebuild(Slot a, bool spare, T* row) {
  const T most = spare ? T{0} : KeyRange<T>::kForbid;
  if (!tables_) {
    reset_row(spare, row);
    for (const ListedPair& t : pairs_of_[a]) row[t.to] = recompute_cheapest(a, at(t.at), most);
    return;
  }
  for (Slot b = 0; b < static_cast<Slot>(columns_); ++b) row[b] = recompute_cheapest(a, index(a, b), most);
  std::fill(row + columns_, row + rows_.stride, KeyRange<T>::kForbid);
}

template <class T>
void SparseExchangeIndex<T>::insert(Slot a, const JobUnits<T>& member, T* row) {
  class_of_[member.row] = a;
  for (const auto& arc : rows_.row(member.row)) {
    const std::size_t at = add(a, arc.slot);
    const T cost = arc.key - member.own;
    append(at, {member.row, cost});
    if (row == nullptr || cost >= row[arc.slot]) continue;
    row[arc.slot] = cost;
    cheapest_job_[at] = member.row;
  }
}

template <class T>
void SparseExchangeIndex<T>::erase(Slot a, const JobUnits<T>& member, bool spare, T* row) {
  class_of_[member.row] = kNone;
  for (const auto& arc : rows_.row(member.row)) {
    const std::size_t at = find(a, arc.slot);
    if (at != kAbsent && cheapest_job_[at] == member.row)
      row[arc.slot] = recompute_cheapest(a, at, spare ? T{0} : KeyRange<T>::kForbid);
  }
}

template class SparseExchangeIndex<std::int32_t>;
template class SparseExchangeIndex<Cost>;

namespace {
// Searches, and rows read by bids, between two polls of the stop.
constexpr Index kSspPollEvery = 64, kRowsPerPoll = 1 << 12;
}  // namespace

template <class T, class Rows>
ClassGraphSsp<T, Rows>::ClassGraphSsp(const Rows& rows, std::span<const WeightedRow> lots,
                                      std::span<const Cost> capacity, AlignedVector<T> prices, Stop& stop, Stats& stats,
                                      const Tuning& tuning)
    : rows_(rows),
      rows_with_units_(lots),
      columns_(static_cast<Slot>(capacity.size())),
      capacity_(capacity),
      stop_(stop),
      stats_(stats),
      tuning_(tuning),
      price_(std::move(prices)),
      members_(capacity.size()),
      spare_(capacity.size(), 0),
      load_(capacity.size(), 0) {
  for (const WeightedRow& lot : rows_with_units_) {
    units_ += lot.units;
    single_ = single_ && lot.units == 1;
  }
  if (rows_with_units_.size() < members_.size()) return;
  const auto usual = static_cast<Index>(2 * rows_with_units_.size() / members_.size()) + 8;
  for (Slot s = 0; s < columns_; ++s) members_[s].reserve(at(std::min(capacity_[s] + 1, usual)));
}

// Reads a row of bids on CSR rows, after which paths take over.
constexpr Index kBidReadsListed = 1;

template <class T, class Rows>
bool ClassGraphSsp<T, Rows>::run() {
  if ((!bids_done_ && !run_bids(kListed ? kBidReadsListed : tuning_.bid_reads)) || !place_spare_units() || !run_paths())
    return false;
  assert(holds());
  return true;
}

// Share of the excess left by one read a row at which bids are given up.
constexpr double kBidsRemaining = 0.6;
// Excess that paths place quickly (1 / share of units).
constexpr Index kLittleExcess = 16;
// Rows a class from which the last bids cost more than paths.
constexpr std::size_t kBidsRowsPerClass = 64;

template <class T, class Rows>
bool ClassGraphSsp<T, Rows>::try_bids(Index rows_read_per_row) {
  const double most = kBidsRemaining * static_cast<double>(total_excess());
  const auto little_left = [&] { return kLittleExcess * total_excess() <= units_; };
  const bool bids_expensive =
      rows_with_units_.size() > kBidsRowsPerClass * members_.size();  // the last of them cost more than their paths
  for (Index k = 0; k < rows_read_per_row && !(bids_expensive && little_left()); ++k)
    if (!run_bids(1) || (k == 0 && static_cast<double>(total_excess()) > most)) return false;
  return little_left();
}

template <class T, class Rows>
bool ClassGraphSsp<T, Rows>::bids_leave_few(Index share) {
  bids_done_ = run_bids(tuning_.bid_reads);
  return bids_done_ && share * total_excess() <= units_;
}

template <class T, class Rows>
AlignedVector<T> ClassGraphSsp<T, Rows>::prices() const {
  AlignedVector<T> out = price_;
  const T least = *std::min_element(price_.begin(), price_.begin() + columns_);
  for (Slot s = 0; s < columns_; ++s) out[s] -= least;
  return out;
}

template <class T, class Rows>
Cost ClassGraphSsp<T, Rows>::total_excess() const {
  Cost sum = 0;
  for (Slot s = 0; s < columns_; ++s) sum += std::max<Cost>(0, excess(s));
  return sum;
}

template <class T, class Rows>
bool ClassGraphSsp<T, Rows>::beyond_range() noexcept {
  beyond_range_ = true;
  return false;
}

template <class T, class Rows>
std::optional<Cost> ClassGraphSsp<T, Rows>::assign_all() {
  for (const WeightedRow& lot : rows_with_units_) {
    const LeastAt<T> b = best(lot.row);
    if (forbidden(b.value)) return std::nullopt;
    assign_cheapest(lot.row, lot.units, b, nullptr);
  }
  const T least = *std::min_element(price_.begin(), price_.begin() + columns_);
  Cost out = 0;
  for (Slot s = 0; s < columns_; ++s) out += std::max(excess(s), price_[s] > least ? -excess(s) : 0);
  return out;
}

// Assigns units to the cheapest classes, lowest index first, as far as they have residual capacity; the rest goes to
// the first of them, which is appended to `filled` if it thereby becomes over-full.
template <class T, class Rows>
void ClassGraphSsp<T, Rows>::assign_cheapest(std::int32_t row, Cost units, LeastAt<T> best, std::vector<Slot>* filled) {
  const auto first = static_cast<Slot>(best.at);
  while (best.at < columns_) {
    const auto s = static_cast<Slot>(best.at);
    const Cost some = std::clamp<Cost>(-excess(s), 0, units);
    if (some > 0) add_units(row, s, some, static_cast<T>(best.value - price_[s]));
    units -= some;
    if (units == 0) return;
    best.at = static_cast<T>(next_minimiser(rows_, row, price_.data(), best));
  }
  if (filled != nullptr && excess(first) == 0) filled->push_back(first);
  add_units(row, first, units, static_cast<T>(best.value - price_[first]));
}

// Adds units of a row to a class; false if the row had units there already.
template <class T, class Rows>
bool ClassGraphSsp<T, Rows>::add_units(std::int32_t row, Slot s, Cost units, T own) {
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
bool ClassGraphSsp<T, Rows>::run_bids(Index rows_read_per_row) {
  std::vector<Slot> queue, next;
  for (Slot s = 0; s < columns_; ++s) {
    if (excess(s) > 0) queue.push_back(s);
  }
  Index reads = rows_read_per_row * static_cast<Index>(rows_with_units_.size()), poll_at = reads, counted = reads;
  while (!queue.empty() && reads > 0) {
    if (reads <= poll_at) {
      if (stop_.poll((std::exchange(counted, reads) - reads) * columns_)) return false;
      poll_at = reads - kRowsPerPoll;
    }
    next.clear();
    for (const Slot s : queue) {
      if (reads <= 0 || excess(s) <= 0) continue;
      reads -= static_cast<Index>(members_[s].size());
      if (!bid_class(s, next)) return false;
    }
    queue.swap(next);
    std::sort(queue.begin(), queue.end());
  }
  return true;
}

// One bid: over-full class a keeps the units with the largest margins, raises its price to the least margin kept, and
// sends the others to their second-best classes. Classes that become over-full are appended to `next`.
template <class T, class Rows>
bool ClassGraphSsp<T, Rows>::bid_class(Slot a, std::vector<Slot>& next) {
  const T own = price_[a];
  price_[a] = KeyRange<T>::kSettled - KeyRange<T>::kForbid;
  std::vector<JobUnits<T>>& here = members_[a];
  second_best_.resize(here.size());
  least_costs(rows_, here.data(), static_cast<Index>(here.size()), price_.data(), second_best_.data());
  margins_.clear();
  for (std::size_t k = 0; k < here.size(); ++k)
    margins_.push_back(
        {static_cast<T>(second_best_[k].value - (here[k].own + own)), here[k].row, static_cast<Slot>(k)});
  const Cost leaving = excess(a);
  Cost of_edge = leaving;  // units of the row at the edge that leave as well
  const auto edge = select_leaving(a, of_edge), last = of_edge > 0 ? edge + 1 : edge;
  const auto other = [&](const UnitMargin& m) { return second_best_[at(m.at)]; };
  if (std::any_of(margins_.begin(), last, [&](const UnitMargin& m) { return forbidden(other(m).value); })) return false;
  // A kept row without another class has no finite margin: the price then rises to the last finite one only.
  const UnitMargin& kept = edge != margins_.end() && !forbidden(other(*edge).value) ? *edge : *(edge - 1);
  if (kept.margin > KeyRange<T>::kPrice - own) return beyond_range();
  const T raised = own + kept.margin;
  load_[a] -= leaving;
  Cost left = leaving;
  for (auto m = margins_.begin(); m != last; ++m) {
    JobUnits<T>& member = here[at(m->at)];
    const Cost some = std::min<Cost>(left, member.units);
    left -= some;
    member.units -= static_cast<std::int32_t>(some);
    assign_cheapest(m->row, some, other(*m), &next);
  }
  std::erase_if(here, [](const JobUnits<T>& m) { return m.units == 0; });
  price_[a] = raised;
  return true;
}

// Sorts the least margins to the front. Returns the first row that does not leave in full if `units` units leave, and
// sets `units` to the number of its units that do.
template <class T, class Rows>
typename ClassGraphSsp<T, Rows>::MarginIterator ClassGraphSsp<T, Rows>::select_leaving(Slot a, Cost& units) {
  if (single_) {
    const auto edge = margins_.begin() + units;
    std::nth_element(margins_.begin(), edge, margins_.end());
    std::sort(margins_.begin(), edge);
    units = 0;
    return edge;
  }
  std::sort(margins_.begin(), margins_.end());
  auto edge = margins_.begin();
  const auto all = [&] { return members_[a][at(edge->at)].units; };
  for (; edge != margins_.end() && units >= all(); ++edge) units -= all();
  return edge;
}

// Assigns the spare units (capacity less supply) to the classes of least price: as far as these have residual capacity,
// the rest to the first of them. False if capacities do not suffice.
template <class T, class Rows>
bool ClassGraphSsp<T, Rows>::place_spare_units() {
  Cost left = -units_;
  for (const Cost u : capacity_) left += u;
  if (left < 0) return false;
  const T least = *std::min_element(price_.begin(), price_.begin() + columns_);
  Slot first = kNone;
  for (Slot s = columns_ - 1; s >= 0; --s) {
    if (price_[s] != least) continue;
    first = s;
    spare_[s] = std::clamp<Cost>(-excess(s), 0, left);
    load_[s] += spare_[s];
    left -= spare_[s];
  }
  spare_[first] += left;
  load_[first] += left;
  return true;
}

// Classes up to which pairs are addressed directly, in 12 bytes a pair, and not hashed.
constexpr std::size_t kDirectPairsClasses = 1024;

template <class T, class Rows>
bool ClassGraphSsp<T, Rows>::run_paths() {
  Cost left = total_excess();
  if (left == 0) return true;
  row_of_class_.assign(members_.size(), kNone);
  exchange_rows_.reserve((std::min(members_.size(), rows_with_units_.size()) + 1) * at(rows_.stride));
  exchange_rows_.assign(at(rows_.stride), T{0});
  n_exchange_rows_ = kSpareRow + 1;
  if constexpr (kListed) exchange_index_ = SparseExchangeIndex<T>(rows_, members_, kDirectPairsClasses);
  for (Slot s = 0; s < columns_; ++s) {
    if constexpr (kListed) {
      exchange_index_.add_class(s, members_[s], spare_[s] > 0, members_[s].empty() ? nullptr : own_exchange_row(s));
      if (members_[s].empty()) update_row(s, nullptr);
    } else {
      update_row(s, nullptr);
    }
  }
  tree_.label.resize(price_.size());
  tree_.parent.resize(price_.size());
  tree_.open.resize(price_.size());
  for (Index k = 0; left > 0; ++k) {
    if (k % kSspPollEvery == 0 && stop_.poll()) return false;
    if (!search(left)) return false;
    stop_.count(static_cast<Index>(tree_.settled.size()) * columns_);
    for (const Slot target : tree_.targets) left -= augment(target);
  }
  return true;
}

// Excess that the deficits found by a search could take (1 / share).
constexpr Cost kSearchShare = 3;

// Runs one multi-source Dijkstra from all over-full classes, then the dual update. False if no class with a deficit can
// be reached. With dense rows the search ends once deficits for a third of the excess are settled: the longest paths
// are seldom still tight after the first augmentations. With CSR rows augmenting takes longer than searching, so the
// search goes on to all of it.
template <class T, class Rows>
bool ClassGraphSsp<T, Rows>::search(Cost left) {
  ++stats_.searches;
  grow_tree({columns_, rows_.stride, load_.data(), capacity_.data(), price_.data(), exchange_rows_.data(),
             row_of_class_.data()},
            kListed ? left : (left + kSearchShare - 1) / kSearchShare, tree_);
  if (tree_.beyond) beyond_range();
  return !tree_.targets.empty() && raise_prices();
}

template <class T, class Rows>
bool ClassGraphSsp<T, Rows>::raise_prices() {
  for (const auto& x : tree_.settled) {
    if (x.distance >= tree_.last) break;
    const T price = price_[x.slot] + (tree_.last - x.distance);
    if (price > KeyRange<T>::kPrice) return beyond_range();
    price_[x.slot] = price;
  }
  return true;
}

// Augments along the tree path to `target` if every arc on it is still tight; returns the number of units moved, the
// least over its arcs.
template <class T, class Rows>
Cost ClassGraphSsp<T, Rows>::augment(Slot target) {
  path_.assign(1, target);
  for (Slot s = target; tree_.parent[s] != kNone; path_.push_back(s)) s = static_cast<Slot>(tree_.parent[s]);
  deciding_jobs_.assign(path_.size(), 0);
  Cost units = std::min(excess(path_.back()), -excess(target));
  for (std::size_t k = 1; k < path_.size() && units > 0; ++k) {
    const Slot a = path_[k], b = path_[k - 1];
    if (empty(a) || exchange_row(a)[b] + price_[b] != price_[a]) return 0;
    if (moves_spare_units(a, b)) {
      units = std::min(units, spare_[a]);
    } else {
      deciding_jobs_[k] = deciding_job(a, b);
      units = std::min<Cost>(units, members_[a][deciding_jobs_[k]].units);
    }
  }
  if (units <= 0) return 0;
  for (std::size_t k = 1; k < path_.size(); ++k) move(path_[k], path_[k - 1], deciding_jobs_[k], units);
  ++stats_.augmentations;
  return units;
}

// Returns the first member of class a whose key attains W[a][b]. Any other would move at a cost that labels did not
// count, so that none is an internal error.
template <class T, class Rows>
std::size_t ClassGraphSsp<T, Rows>::deciding_job(Slot a, Slot b) {
  const std::vector<JobUnits<T>>& from = members_[a];
  std::size_t at = 0;
  if constexpr (kListed) {
    const std::int32_t row = exchange_index_.cheapest_job(a, b);
    while (at < from.size() && from[at].row != row) ++at;
  } else {
    const T way = exchange_row(a)[b];
    while (at < from.size() && rows_.row(from[at].row)[b] - from[at].own != way) ++at;
  }
  if (at == from.size())
    throw Error(ErrorKind::internal, "", -1,
                "transport: no job of class " + std::to_string(a) + " decides its arc to " + std::to_string(b));
  return at;
}

template <class T, class Rows>
void ClassGraphSsp<T, Rows>::move(Slot a, Slot b, std::size_t at, Cost units) {
  load_[a] -= units;
  if (moves_spare_units(a, b)) {
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
    if constexpr (kListed) exchange_index_.erase(a, moved, spare_[a] > 0, exchange_row(a));
    update_row(a, &moved);
  }
  const bool first = members_[b].empty();
  if (!add_units(moved.row, b, units, key_of(rows_, moved.row, b))) return;
  if constexpr (kListed) exchange_index_.insert(b, members_[b].back(), first ? nullptr : exchange_row(b));
  if (first) {
    update_row(b, nullptr);
  } else {
    if constexpr (!kListed)
      lower_exchange_row(rows_.row(moved.row), members_[b].back().own, rows_.stride, exchange_row(b));
  }
}

// Recomputes row a of W from the members and spare units of class a. `left`: the member that has just left, if the row
// was right before (with CSR rows the exchange index has corrected it already).
template <class T, class Rows>
void ClassGraphSsp<T, Rows>::update_row(Slot a, const JobUnits<T>* left) {
  if (members_[a].empty()) {
    if (row_of_class_[a] > kSpareRow) free_rows_.push_back(row_of_class_[a]);
    row_of_class_[a] = spare_[a] > 0 ? kSpareRow : kNone;
    return;
  }
  if constexpr (kListed) {
    if (left == nullptr) exchange_index_.rebuild(a, spare_[a] > 0, own_exchange_row(a));
  } else {
    rebuild_exchange_row(rows_, members_[a].data(), static_cast<Index>(members_[a].size()), spare_[a] > 0, left,
                         own_exchange_row(a));
  }
}

// Returns the class's own row of W, allocating one if it has none.
template <class T, class Rows>
T* ClassGraphSsp<T, Rows>::own_exchange_row(Slot a) {
  if (row_of_class_[a] <= kSpareRow) {
    if (free_rows_.empty()) {
      row_of_class_[a] = static_cast<Slot>(n_exchange_rows_++);
      exchange_rows_.resize(at(n_exchange_rows_ * rows_.stride));
    } else {
      row_of_class_[a] = free_rows_.back();
      free_rows_.pop_back();
    }
  }
  return exchange_row(a);
}

template <class T, class Rows>
bool ClassGraphSsp<T, Rows>::holds() const {
  const T least = *std::min_element(price_.begin(), price_.begin() + columns_);
  for (Slot s = 0; s < columns_; ++s) {
    if (excess(s) != 0 || (spare_[s] > 0 && price_[s] != least)) return false;
    for (const JobUnits<T>& m : members_[s]) {
      if (m.own + price_[s] != best(m.row).value) return false;
    }
  }
  return true;
}

template class ClassGraphSsp<std::int32_t>;
template class ClassGraphSsp<Cost>;
template class ClassGraphSsp<std::int32_t, CsrKeyRows<std::int32_t>>;
template class ClassGraphSsp<Cost, CsrKeyRows<Cost>>;

}  // namespace gridcompute::transport
