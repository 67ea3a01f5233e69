#include "gridcompute/transport/gangs.hpp"

#include <algorithm>

namespace gridcompute::transport {

namespace {

constexpr Index kChunk = 1 << 16;

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

  // Largest first; ties by index. In a hurry, only what needs no look at the costs.
  void place_all(std::vector<Index>& jobs, Stop& stop) {
    std::stable_sort(jobs.begin(), jobs.end(), [&](Index a, Index b) { return weight(a) > weight(b); });
    const bool hurried = stop.requested();
    Index left = hurried ? 2000000 / (static_cast<Index>(row_.size()) + 20) : level_.n;
    for (const Index k : jobs) {
      const bool looked = left-- > 0;
      if (looked ? place(k) : how_.keys.optional() && finite(k) && put(k, n_)) continue;
      ++out_.homeless;
    }
  }

  [[nodiscard]] Whole take() { return std::move(out_); }

 private:
  [[nodiscard]] bool finite(Index k) const {
    Seen seen;
    return how_.keys.unplaced(level_.row(k), seen) < kForbidden;
  }

  const Scan& how_;
  const Level& level_;
  std::span<const Cost> prices_;
  Slot n_;
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

Whole make_whole(const Scan& how, const Level& level, const Restricted& r, std::span<const Cost> prices, Stop& stop) {
  Placer placer(how, level, prices);
  std::vector<Index> left, at(static_cast<std::size_t>(r.groups()), -1);
  std::vector<Cost> taken(static_cast<std::size_t>(r.groups()), 0);  // of the flow at `at`
  for (Index k = 0; k < level.n; ++k) {
    const std::int32_t w = r.where[k];
    if (w >= 0) {
      if (!placer.put(k, w)) left.push_back(k);
      continue;
    }
    const std::int32_t g = ~w;
    const Cost need = placer.weight(k);
    Index& c = at[g] < 0 ? at[g] = r.begin[g] : at[g];
    while (c < r.begin[g] + r.size[g] && r.flow[c] - taken[g] < need) ++c, taken[g] = 0;
    if (c < r.begin[g] + r.size[g] && placer.put(k, r.slot[c])) {
      taken[g] += need;
    } else {
      left.push_back(k);
    }
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
