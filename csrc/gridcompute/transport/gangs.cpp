#include "gridcompute/transport/gangs.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace gridcompute::transport {

namespace {

constexpr Index kChunk = 1 << 16;
constexpr Index kHurriedCosts = 2'000'000;  // costs read after a stop: a few milliseconds
constexpr int kTries = 8;

// Stable: a byte of the weights at a time, those that are alike in all passed over.
template <class Weight>
void heaviest_first(std::vector<Index>& jobs, const Weight& weight) {
  struct Keyed {
    std::uint32_t light;  // least for the heaviest
    Index job;
  };
  constexpr std::size_t kBytes = 4, kValues = 256;
  std::vector<Keyed> now, next(jobs.size());
  now.reserve(jobs.size());
  std::size_t count[kBytes][kValues] = {};
  for (const Index k : jobs) {
    const auto light = ~static_cast<std::uint32_t>(weight(k));
    for (std::size_t b = 0; b < kBytes; ++b) ++count[b][light >> (8 * b) & 0xFF];
    now.push_back({light, k});
  }
  for (std::size_t b = 0; b < kBytes; ++b) {
    if (std::find(count[b], count[b] + kValues, jobs.size()) != count[b] + kValues) continue;
    std::size_t at = 0;
    for (std::size_t& c : count[b]) at += std::exchange(c, at);
    for (const Keyed& k : now) next[count[b][k.light >> (8 * b) & 0xFF]++] = k;
    now.swap(next);
  }
  for (std::size_t k = 0; k < jobs.size(); ++k) jobs[k] = now[k].job;
}

class Placer {
 public:
  Placer(const Scan& how, const Level& level, std::span<const Cost> prices)
      : how_(how),
        level_(level),
        prices_(prices),
        n_(how.keys.n_slots()),
        row_(static_cast<std::size_t>(how.keys.columns())) {
    out_.assignment.assign(static_cast<std::size_t>(level.n), -1);
    out_.load.assign(static_cast<std::size_t>(how.keys.columns()), 0);
  }

  [[nodiscard]] Cost weight(Index k) const { return how_.keys.problem().weight(level_.row(k)); }

  bool put(Index k, Slot s) {
    const Cost w = weight(k);
    if (s >= static_cast<Slot>(out_.load.size()) || w > level_.capacity[s] - out_.load[s]) return false;
    out_.load[s] += w;
    out_.assignment[static_cast<std::size_t>(k)] = s;
    return true;
  }

  // The cheapest class with room, prices counted; being left out is one of them where it is allowed.
  bool place(Index k) {
    const Index job = level_.row(k);
    Seen seen;
    how_.keys.fill(Rows{&job, 0, 1}, row_.data(), scratch_, seen);
    if (how_.keys.optional()) row_.back() = how_.keys.unplaced(job, seen);
    Slot best = -1;
    Cost least = kForbidden;
    const Cost w = weight(k);
    for (Slot s = 0; s < static_cast<Slot>(row_.size()); ++s) {
      if (row_[s] >= kForbidden || w > level_.capacity[s] - out_.load[s]) continue;
      const Cost v = row_[s] + (prices_.empty() ? 0 : prices_[s]);
      if (v < least) least = v, best = s;
    }
    return best >= 0 && put(k, best);
  }

  // Largest first; ties by index. Once a stop is asked for, only the first few jobs get a look at their costs; the
  // others go to whatever class with room allows them, or are left out.
  void place_all(std::vector<Index>& jobs, Stop& stop) {
    if (stop.why() == Stop::Why::interrupted) return;  // nobody will see the answer
    if (how_.keys.problem().demand != nullptr) heaviest_first(jobs, [&](Index k) { return weight(k); });
    Index looks = stop.requested() ? kHurriedCosts / static_cast<Index>(row_.size() + 1) : level_.n;
    for (const Index k : jobs) {
      const bool placed = looks-- > 0 ? place(k) : put_anywhere(k) || (how_.keys.optional() && finite(k) && put(k, n_));
      if (!placed) ++out_.homeless;
    }
  }

  [[nodiscard]] Whole take() { return std::move(out_); }

 private:
  // The next class in turn that has room and allows the job; a few are tried.
  bool put_anywhere(Index k) {
    if (prices_.empty() && how_.keys.optional()) return false;  // nothing is known: leaving it out is as good
    const CostSource& cost = *how_.keys.problem().cost;
    if (cost.forbids() && !cost.singles()) return false;
    for (int tries = 0; tries < kTries && n_ > 0; ++tries) {
      for (Slot step = 0; step < n_ && out_.load[turn_] >= level_.capacity[turn_]; ++step) turn_ = (turn_ + 1) % n_;
      const bool allowed = !cost.forbids() || how_.keys.at(level_.row(k), turn_) < kForbidden;
      if (allowed && put(k, turn_)) return true;
      turn_ = (turn_ + 1) % n_;
    }
    return false;
  }

  [[nodiscard]] bool finite(Index k) const {
    Seen seen;
    return how_.keys.unplaced(level_.row(k), seen) < kForbidden;
  }

  const Scan& how_;
  const Level& level_;
  std::span<const Cost> prices_;
  Slot n_, turn_ = 0;
  std::vector<Cost> row_;
  std::vector<double> scratch_;
  Whole out_;
};

}  // namespace

Whole deal_out(const Scan& how, const Restricted& r) {
  Whole out;
  const auto n = static_cast<Index>(r.where.size());
  out.assignment.resize(static_cast<std::size_t>(n));
  out.load = r.load();
  if (r.shared) {  // members take their group's flow in index order
    std::vector<Index> at(r.begin);
    std::vector<Cost> taken(static_cast<std::size_t>(r.groups()), 0);
    for (Index k = 0; k < n; ++k) {
      const std::int32_t g = ~r.where[k];
      if (r.where[k] < 0) {
        while (taken[g] == r.flow[at[g]]) ++at[g], taken[g] = 0;
        ++taken[g];
      }
      out.assignment[k] = r.where[k] >= 0 ? r.where[k] : r.slot[at[g]];
    }
    return out;
  }
  how.pool.for_chunks(n, kChunk, [&](Index, Index begin, Index end) {
    for (Index k = begin; k < end; ++k) {
      if (r.where[k] >= 0) {
        out.assignment[k] = r.where[k];
        continue;
      }
      Index c = r.begin[~r.where[k]];
      while (r.flow[c] == 0) ++c;
      out.assignment[k] = r.slot[c];
    }
  });
  return out;
}

namespace {

// What a unit of each group loses where it must take its second-best candidate.
std::vector<Cost> margins(const Restricted& r, std::span<const Cost> prices) {
  std::vector<Cost> out(static_cast<std::size_t>(r.groups()));
  for (Index g = 0; g < r.groups(); ++g) {
    Cost best = kForbidden, second = kForbidden;
    for (Index c = r.begin[g]; c < r.begin[g] + r.size[g]; ++c) {
      const Cost v = r.key[c] + prices[r.slot[c]];
      second = std::min(second, std::max(v, best));
      best = std::min(best, v);
    }
    out[g] = second - best;
  }
  return out;
}

// Jobs with one candidate first, then those that would lose most elsewhere; ties by index.
std::vector<Index> in_order_of_loss(const Restricted& r, std::span<const Cost> prices) {
  struct Loss {
    Cost margin;
    Index job;
    bool operator<(const Loss& other) const noexcept {
      return margin != other.margin ? margin > other.margin : job < other.job;
    }
  };
  const std::vector<Cost> margin = margins(r, prices);
  std::vector<Index> order;
  std::vector<Loss> torn;
  const auto n = static_cast<Index>(r.where.size());
  order.reserve(r.where.size());
  for (Index k = 0; k < n; ++k) {
    if (r.where[k] >= 0) {
      order.push_back(k);
    } else {
      torn.push_back({margin[~r.where[k]], k});
    }
  }
  std::sort(torn.begin(), torn.end());
  for (const Loss& t : torn) order.push_back(t.job);
  return order;
}

}  // namespace

Whole make_whole(const Scan& how, const Level& level, const Restricted& r, std::span<const Cost> prices,
                 bool largest_first, Stop& stop) {
  Placer placer(how, level, prices);
  std::vector<Index> order, left;
  if (largest_first) {
    order = in_order_of_loss(r, prices);
    heaviest_first(order, [&](Index k) { return placer.weight(k); });
  } else {
    order.resize(static_cast<std::size_t>(level.n));
    std::iota(order.begin(), order.end(), Index{0});
  }
  // A shared group's members take its flow in turn; a gang goes where all of it lies, or else where it is cheapest now,
  // before smaller jobs take the room; of equal jobs those first that would lose most by going elsewhere.
  std::vector<Index> at(r.begin);
  std::vector<Cost> taken(static_cast<std::size_t>(r.groups()), 0);  // of the flow at `at`
  for (const Index k : order) {
    const std::int32_t w = r.where[k], g = ~w;
    Slot s = w;
    if (w < 0) {
      const Index end = r.begin[g] + r.size[g];
      const Cost need = placer.weight(k);
      while (at[g] < end && r.flow[at[g]] - taken[g] < need) ++at[g], taken[g] = 0;
      taken[g] += need;
      s = at[g] < end ? r.slot[at[g]] : kNone;
    }
    if (s >= 0 && placer.put(k, s)) continue;
    if (!largest_first || stop.requested() || !placer.place(k)) left.push_back(k);
  }
  placer.place_all(left, stop);
  return placer.take();
}

Whole make_any(const Scan& how, const Level& level, Stop& stop) {
  Placer placer(how, level, {});
  std::vector<Index> jobs(static_cast<std::size_t>(level.n));
  for (Index k = 0; k < level.n; ++k) jobs[static_cast<std::size_t>(k)] = k;
  placer.place_all(jobs, stop);
  return placer.take();
}

}  // namespace gridcompute::transport
