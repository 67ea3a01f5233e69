#include "gridcompute/transport/direct.hpp"

#include <algorithm>
#include <cassert>

#include "gridcompute/base/simd.hpp"

namespace gridcompute::transport {

namespace {

constexpr Index kMostKeys = 1 << 17;  // beyond, lists of candidates pay
constexpr Index kPad = 16;            // rows start on whole vectors of either width
constexpr Index kLooksAJob = 8;       // of bids, after which paths take over
constexpr Index kMuch = 4;            // where bids leave more than one in so many jobs, paths would take too long
constexpr Index kPollEvery = 64;

// Sums of a key and a price, and of two such differences, stay within the type.
template <class T>
struct Range;
template <>
struct Range<std::int32_t> {
  static constexpr std::int32_t kForbid = 1 << 29, kPrice = 1 << 28, kKey = 1 << 27, kSettled = 1 << 30;
};
template <>
struct Range<Cost> {
  static constexpr Cost kForbid = Cost{1} << 60, kPrice = Cost{1} << 59, kKey = Cost{1} << 58, kSettled = Cost{1} << 61;
};

template <class T>
GRIDCOMPUTE_INLINE T least_of(const T* row, const T* price, Index n) {
  T least = row[0] + price[0];
  for (Index s = 0; s < n; ++s) {
    const T v = row[s] + price[s];
    least = v < least ? v : least;
  }
  return least;
}

template <class T>
GRIDCOMPUTE_INLINE void lower_to(const T* GRIDCOMPUTE_RESTRICT row, T from, Index n, T* GRIDCOMPUTE_RESTRICT out) {
  for (Index s = 0; s < n; ++s) {
    const T v = row[s] - from;
    out[s] = v < out[s] ? v : out[s];
  }
}

// Labels without prices: shorter ways through `via`; then the least label with its price of those not settled.
template <class T>
GRIDCOMPUTE_INLINE T relax_by(const T* GRIDCOMPUTE_RESTRICT way, T at, T via, const T* GRIDCOMPUTE_RESTRICT price,
                              Index n, T* GRIDCOMPUTE_RESTRICT label, T* GRIDCOMPUTE_RESTRICT parent) {
  T least = Range<T>::kSettled;
  for (Index s = 0; s < n; ++s) {
    const T v = at + way[s], old = label[s];
    parent[s] = v < old ? via : parent[s];
    const T now = v < old ? v : old, whole = now + price[s];
    label[s] = now;
    least = whole < least ? whole : least;
  }
  return least;
}

GRIDCOMPUTE_CLONES std::int32_t least(const std::int32_t* row, const std::int32_t* price, Index n) {
  return least_of(row, price, n);
}
GRIDCOMPUTE_CLONES Cost least(const Cost* row, const Cost* price, Index n) { return least_of(row, price, n); }
GRIDCOMPUTE_CLONES void lower(const std::int32_t* row, std::int32_t from, Index n, std::int32_t* out) {
  lower_to(row, from, n, out);
}
GRIDCOMPUTE_CLONES void lower(const Cost* row, Cost from, Index n, Cost* out) { lower_to(row, from, n, out); }
GRIDCOMPUTE_CLONES std::int32_t relax(const std::int32_t* way, std::int32_t at, std::int32_t via,
                                      const std::int32_t* price, Index n, std::int32_t* label, std::int32_t* parent) {
  return relax_by(way, at, via, price, n, label, parent);
}
GRIDCOMPUTE_CLONES Cost relax(const Cost* way, Cost at, Cost via, const Cost* price, Index n, Cost* label,
                              Cost* parent) {
  return relax_by(way, at, via, price, n, label, parent);
}

template <class T>
class Solver {
 public:
  Solver(const std::vector<Cost>& keys, std::span<const Cost> capacity, Stop& stop, Stats& stats)
      : n_(static_cast<Index>(keys.size() / capacity.size())),
        columns_(static_cast<Slot>(capacity.size())),
        stride_((columns_ + kPad - 1) / kPad * kPad),
        capacity_(capacity),
        stop_(stop),
        stats_(stats),
        row_(static_cast<std::size_t>(n_ * stride_), Range<T>::kForbid),
        price_(static_cast<std::size_t>(stride_), 0),
        where_(static_cast<std::size_t>(n_), kNone),
        members_(capacity.size()) {
    for (Index i = 0; i < n_; ++i) {
      for (Slot s = 0; s < columns_; ++s) {
        const Cost key = keys[static_cast<std::size_t>(i * columns_ + s)];
        row_[static_cast<std::size_t>(i * stride_ + s)] = key < kForbidden ? static_cast<T>(key) : Range<T>::kForbid;
      }
    }
  }

  bool run() {
    if (!start()) return false;
    if (!bids()) return false;
    return paths();
  }

  void take(Direct& out) const {
    assert(holds());
    out.solved = true;
    out.where = where_;
    out.prices.assign(price_.begin(), price_.begin() + columns_);
    out.load.resize(members_.size());
    for (std::size_t s = 0; s < members_.size(); ++s) out.load[s] = static_cast<Cost>(members_[s].size());
    for (Index i = 0; i < n_; ++i) {
      out.objective += at(i, where_[i]);
      out.value += at(i, where_[i]) + price_[where_[i]];
    }
  }

 private:
  using Job = std::int32_t;

  [[nodiscard]] const T* row(Index job) const { return row_.data() + job * stride_; }
  [[nodiscard]] T at(Index job, Slot s) const { return row_[static_cast<std::size_t>(job * stride_ + s)]; }
  [[nodiscard]] static bool impossible(T v) { return v >= Range<T>::kForbid - Range<T>::kKey - Range<T>::kPrice; }
  [[nodiscard]] Cost over(Slot s) const { return static_cast<Cost>(members_[s].size()) - capacity_[s]; }

  // The lowest of the cheapest classes other than `not_here`; one with room before others.
  [[nodiscard]] Slot cheapest(Index job, T value, Slot not_here) const {
    const T* r = row(job);
    Slot first = kNone;
    for (Slot s = 0; s < columns_; ++s) {
      if (r[s] + price_[s] != value || s == not_here) continue;
      if (over(s) < 0) return s;
      if (first < 0) first = s;
    }
    return first;
  }

  bool start() {
    for (Index i = 0; i < n_; ++i) {
      const T v = least(row(i), price_.data(), stride_);
      if (impossible(v)) return false;
      put(i, cheapest(i, v, kNone));
    }
    return true;
  }

  void put(Index job, Slot s) {
    where_[job] = s;
    members_[s].push_back(static_cast<Job>(job));
  }

  bool bids() {
    std::vector<Slot> queue, next;
    for (Slot s = 0; s < columns_; ++s) {
      if (over(s) > 0) queue.push_back(s);
    }
    Index looks = kLooksAJob * n_;
    while (!queue.empty() && looks > 0) {
      if (stop_.poll()) return false;
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
  bool bid(Slot a, std::vector<Slot>& next) {
    const T own = price_[a];
    price_[a] = Range<T>::kSettled - Range<T>::kForbid;
    margins_.clear();
    for (const Job i : members_[a]) {
      const T other = least(row(i), price_.data(), stride_);
      margins_.push_back({static_cast<T>(other - (at(i, a) + own)), other, i});
    }
    const auto cut = margins_.begin() + over(a);
    std::nth_element(margins_.begin(), cut, margins_.end());
    std::sort(margins_.begin(), cut);
    if (std::any_of(margins_.begin(), cut, [](const Margin& m) { return impossible(m.value); })) return false;
    // Those kept that have no other class would let the price rise without end.
    const Margin& edge = cut != margins_.end() && !impossible(cut->value) ? *cut : *(cut - 1);
    if (edge.margin > Range<T>::kPrice - own) return false;
    price_[a] = own + edge.margin;
    members_[a].clear();
    for (auto m = cut; m != margins_.end(); ++m) members_[a].push_back(m->job);
    for (auto m = margins_.begin(); m != cut; ++m) {
      const Slot b = cheapest(m->job, m->value, a);
      if (over(b) == 0) next.push_back(b);
      put(m->job, b);
    }
    return true;
  }

  // One row of W a class with members.
  void build(Slot a) {
    T* w = ways(a);
    std::fill(w, w + stride_, Range<T>::kForbid);
    for (const Job i : members_[a]) lower(row(i), at(i, a), stride_, w);
  }

  T* ways(Slot a) {
    if (line_[a] == kNone) {
      if (spare_.empty()) {
        line_[a] = static_cast<Slot>(lines_++);
        w_.resize(static_cast<std::size_t>(lines_ * stride_));
      } else {
        line_[a] = spare_.back();
        spare_.pop_back();
      }
    }
    return w_.data() + line_[a] * stride_;
  }

  bool paths() {
    Cost unmet = 0;
    for (Slot s = 0; s < columns_; ++s) unmet += std::max<Cost>(0, over(s));
    if (unmet == 0) return true;
    if (unmet > n_ / kMuch + kPollEvery) return false;
    line_.assign(members_.size(), kNone);
    for (Slot s = 0; s < columns_; ++s) {
      if (!members_[s].empty()) build(s);
    }
    nowhere_.assign(price_.size(), Range<T>::kForbid);  // nobody can leave a class without members
    label_.resize(price_.size());
    parent_.resize(price_.size());
    open_.resize(price_.size());
    for (Index k = 0; unmet > 0; ++k, --unmet) {
      if (k % kPollEvery == 0 && stop_.poll()) return false;
      const Slot target = search();
      if (target < 0) return false;
      augment(target);
    }
    return true;
  }

  // Dijkstra from all over-full classes to the nearest with room; prices follow. kNone where there is no way.
  Slot search() {
    ++stats_.searches;
    constexpr T far = Range<T>::kForbid;
    std::fill(label_.begin(), label_.end(), far);
    std::fill(parent_.begin(), parent_.end(), T{kNone});
    std::copy(price_.begin(), price_.end(), open_.begin());
    settled_.clear();
    for (Slot s = 0; s < columns_; ++s) {
      if (over(s) > 0) settle(s, 0, static_cast<T>(-price_[s]));
    }
    T nearest = 0;
    for (std::size_t k = 0; k < settled_.size(); ++k) {
      const Slot from = settled_[k].slot;
      nearest = relax(members_[from].empty() ? nowhere_.data() : ways(from), label_[from], from, open_.data(), stride_,
                      label_.data(), parent_.data());
      if (k + 1 < settled_.size()) continue;
      if (nearest >= Range<T>::kKey) break;
      Slot s = 0;
      while (label_[s] + open_[s] != nearest) ++s;
      if (over(s) < 0) return raise(nearest) ? s : kNone;
      settle(s, nearest, label_[s]);
    }
    return kNone;
  }

  void settle(Slot s, T distance, T label) {
    label_[s] = label;
    open_[s] = Range<T>::kSettled;
    settled_.push_back({s, distance});
  }

  bool raise(T distance) {
    for (const Settled& x : settled_) {
      const T price = price_[x.slot] + (distance - x.distance);
      if (price > Range<T>::kPrice) return false;
      price_[x.slot] = price;
    }
    return true;
  }

  void augment(Slot target) {
    ++stats_.augmentations;
    Slot b = target;
    while (parent_[b] != kNone) {
      const auto a = static_cast<Slot>(parent_[b]);
      const T way = ways(a)[b];
      auto& from = members_[a];
      const auto mover = std::find_if(from.begin(), from.end(), [&](Job i) { return at(i, b) - at(i, a) == way; });
      const Job job = *mover;
      *mover = from.back();
      from.pop_back();
      put(job, b);
      if (b == target) {
        if (members_[b].size() == 1) build(b);
        lower(row(job), at(job, b), stride_, ways(b));
      } else {
        build(b);
      }
      b = a;
    }
    if (members_[b].empty()) {
      spare_.push_back(line_[b]);
      line_[b] = kNone;
    } else {
      build(b);
    }
  }

  [[nodiscard]] bool holds() const {
    for (Index i = 0; i < n_; ++i) {
      if (at(i, where_[i]) + price_[where_[i]] != least(row(i), price_.data(), stride_)) return false;
    }
    for (Slot s = 0; s < columns_; ++s) {
      if (over(s) > 0 || price_[s] < 0 || (price_[s] > 0 && over(s) < 0)) return false;
    }
    return true;
  }

  struct Margin {
    T margin, value;
    Job job;
    bool operator<(const Margin& other) const {
      return margin != other.margin ? margin < other.margin : job > other.job;
    }
  };
  struct Settled {
    Slot slot;
    T distance;
  };

  Index n_;
  Slot columns_;
  Index stride_;
  std::span<const Cost> capacity_;
  Stop& stop_;
  Stats& stats_;
  std::vector<T> row_, price_;
  std::vector<Slot> where_;
  std::vector<std::vector<Job>> members_;
  std::vector<Margin> margins_;
  std::vector<T> w_, nowhere_, label_, parent_, open_;
  std::vector<Slot> line_, spare_;  // a class's row of W
  Index lines_ = 0;
  std::vector<Settled> settled_;
};

template <class T>
bool solved(const std::vector<Cost>& keys, std::span<const Cost> capacity, Stop& stop, Stats& stats, Direct& out) {
  Solver<T> solver(keys, capacity, stop, stats);
  if (!solver.run()) return false;
  solver.take(out);
  return true;
}

}  // namespace

bool direct_fits(Index n_jobs, Slot columns) noexcept {
  return n_jobs > 0 && columns > 0 && n_jobs <= kMostKeys / columns;
}

Direct solve_direct(const Keys& keys, const Level& level, Stop& stop, Seen& seen, Stats& stats) {
  Direct out;
  const Slot columns = keys.columns(), n_slots = keys.n_slots();
  std::vector<Cost> all(static_cast<std::size_t>(level.n * columns));
  std::vector<double> scratch;
  if (!keys.optional()) keys.fill(level.block(0, level.n), all.data(), scratch, seen);
  for (Index k = 0; k < level.n && keys.optional(); ++k) {
    Cost* row = all.data() + k * columns;
    keys.fill(level.block(k, 1), row, scratch, seen);
    row[n_slots] = keys.unplaced(level.row(k), seen);
  }
  stats.evaluations += level.n * columns;
  if (seen.invalid >= 0 || seen.largest > static_cast<double>(keys.limit())) return out;
  if (seen.largest <= Range<std::int32_t>::kKey && solved<std::int32_t>(all, level.capacity, stop, stats, out))
    return out;
  if (seen.largest <= static_cast<double>(Range<Cost>::kKey)) (void)solved<Cost>(all, level.capacity, stop, stats, out);
  return out;
}

}  // namespace gridcompute::transport
