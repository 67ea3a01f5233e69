#include "gridcompute/transport/level.hpp"

#include <algorithm>
#include <cassert>

#include "gridcompute/transport/repair.hpp"
#include "gridcompute/transport/tune.hpp"
#include "gridcompute/transport/verify.hpp"

namespace gridcompute::transport {

namespace {

constexpr Index kMany = 4;  // more than a quarter of all jobs in doubt: scan again with a wider box
constexpr int kScans = 4;   // at most; then lists only grow, which always ends
constexpr int kSampleRounds = 24;
constexpr Index kRough = 100;        // one in so many units of a sample may be left out of balance
constexpr Cost kNarrower = 8;        // the box of a scan to that of its repair; half of that where tuning left much
constexpr double kMuch = 1.0 / 200;  // of all units
constexpr int kWider = 16;           // times a repair goes on in a wider box
constexpr int kDrawn = 8;            // classes a round whose fall is measured

// Seconds of each stage go to the stats.
class Clock {
 public:
  Clock(Stats& stats, const Stop& stop) : stats_(stats), stop_(stop), from_(stop.seconds()) {}
  void lap(const char* stage) {
    const double now = stop_.seconds();
    stats_.add(stage, now - from_);
    from_ = now;
  }

 private:
  Stats& stats_;
  const Stop& stop_;
  double from_;
};

// The narrow box, wider for the classes whose prices want to leave it.
void widen(std::span<const Cost> wanted, Cost factor, Box& narrow) {
  for (std::size_t s = 0; s < wanted.size(); ++s) {
    const Cost move = wanted[s] - narrow.center[s];
    narrow.up[s] = std::min(kCostLimit / 8, (move > narrow.up[s] / 2 ? factor : 2) * narrow.up[s]);
    narrow.down[s] = std::min(kCostLimit / 8, (-move > narrow.down[s] / 2 ? factor : 2) * narrow.down[s]);
  }
}

// A class that too few have on their list wants to be as good as free, where a little cheaper may do: as much as draws
// twice the units it lacks. Prices as moves from `from` less their median.
void hold_back(const Scan& how, const Level& level, const Restricted& r, const Repair& repair,
               std::span<const Cost> from, std::vector<Cost>& wanted) {
  const Box& narrow = repair.box();
  std::vector<Cost> moves(wanted.size());
  for (std::size_t s = 0; s < moves.size(); ++s) moves[s] = wanted[s] - from[s];
  std::vector<Cost> sorted(moves);
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
  std::nth_element(sorted.begin(), middle, sorted.end());
  int drawn = 0;
  for (Slot s = 0; s < r.columns; ++s) {
    const Cost move = wanted[s] - from[s] - *middle;
    if (repair.excess(s) >= 0 || move >= -narrow.down[s] || drawn == kDrawn || !how.keys.problem().cost->singles())
      continue;
    ++drawn;
    wanted[s] =
        from[s] + *middle - std::max(narrow.down[s], fall(how, level, r, from, s, -2 * repair.excess(s), -move));
  }
  for (std::size_t s = 0; s < moves.size(); ++s) wanted[s] = std::max<Cost>(0, wanted[s] - *middle);
}

}  // namespace

LevelEnd solve_level(const Scan& how, const Level& level, const Box& start, bool sample, std::vector<Cost>& prices,
                     Restricted& r, Seen& seen, Stats& stats, const Enough& enough) {
  using Kind = LevelEnd::Kind;
  Clock clock(stats, how.stop);
  const auto beyond = [&] { return !how.keys.possible(seen); };
  const auto many = [&](const Doubts& doubts) { return static_cast<Index>(doubts.jobs.size()) > level.n / kMany + 64; };
  const auto look = [&](const Doubts& doubts, std::span<const Cost> at) {
    stats.rescanned += static_cast<Index>(doubts.jobs.size());
    stats.evaluations += static_cast<Index>(doubts.jobs.size()) * r.columns;
    stats.odd += static_cast<Index>(doubts.odd.size());
    return look_again(how, level, doubts, at, r, seen);
  };
  Box box = start;
  prices = start.center;
  Cost width = 0;
  Box narrow;
  bool fresh = true, all = false;
  int scans = 0;
  for (int round = 0;; ++round) {
    if (fresh) {
      how.stop.stage(sample ? "samples" : "scan", sample ? 0.05 : 0.3);
      Restricted fresh_look;  // a stop half-way leaves the last whole one
      if (!scan(how, level, box, fresh_look, seen)) return {Kind::stopped, {}};
      r = std::move(fresh_look);
      if (beyond()) return {Kind::out_of_range, {}};
      if (r.hopeless >= 0) return {Kind::infeasible, {}};
      if (r.columns == 0) return {};  // no job either, or it were hopeless
      stats.evaluations += (r.wrapped ? 2 : 1) * level.n * r.columns;
      if (r.wrapped) ++stats.wide;
      if (scans++ > 0) ++stats.rescans;
      clock.lap(sample ? "samples" : "scan");
      const double left = tune(r, level.capacity, how.alike, prices, how.pool, how.stop);
      clock.lap(sample ? "samples" : "tune");
      if (enough && enough(r, prices)) return {Kind::close, {}};
      width = *std::max_element(box.up.begin(), box.up.end());
      narrow = box;
      const bool much = left > kMuch * static_cast<double>(r.weight_total);
      if (much) ++stats.stalled;
      const Cost narrower = much ? kNarrower / 2 : kNarrower;
      for (Cost& x : narrow.down) x = std::max<Cost>(1, x / narrower);
      for (Cost& x : narrow.up) x = std::max<Cost>(1, x / narrower);
      all = false;
      fresh = false;
    }
    if (how.stop.poll()) return {Kind::stopped, {}};
    ++stats.rounds;
    how.stop.stage(sample ? "samples" : "repair", sample ? 0.1 : 0.6);
    narrow.center = prices;
    Repair repair(r, level.capacity, prices, narrow, all, how.pool, how.stop, stats);
    Repair::End end = repair.run();
    std::vector<Slot> stuck;
    std::vector<Cost> at;  // prices to be looked at from
    const auto rough = [&] { return sample && repair.unmet() <= r.weight_total / kRough; };
    for (int wider = 0; end == Repair::End::far; ++wider) {
      repair.settle_prices();
      at = repair.wanted();
      hold_back(how, level, r, repair, prices, at);
      if (wider == kWider || rough()) break;
      clock.lap(sample ? "samples" : "repair");
      const Doubts doubts = doubtful(how, level, r, at);
      if (many(doubts)) break;
      if (!doubts.jobs.empty()) {
        if (look(doubts, at) == News::stopped) return {Kind::stopped, {}};
        if (beyond()) return {Kind::out_of_range, {}};
        if (!repair.relist()) break;
      }
      clock.lap(sample ? "samples" : "verify");
      if (!repair.widen(at, how.pool)) (void)repair.widen(repair.wanted(), how.pool);
      ++stats.widened;
      end = repair.run();
    }
    narrow = repair.box();
    if (end == Repair::End::unreachable) stuck = repair.settled();
    if (end != Repair::End::far) {
      if (end != Repair::End::balanced) repair.settle_prices();
      at = prices;
    }
    clock.lap(sample ? "samples" : "repair");
    if (end == Repair::End::stopped) return {Kind::stopped, {}};
    narrow.center = prices;
    if (end == Repair::End::far) widen(at, all ? 2 : kNarrower, narrow);
    if (sample && round >= kSampleRounds && end != Repair::End::balanced) {
      ++stats.unsettled;
      return {};
    }
    if (end == Repair::End::far && rough()) return {};
    if (end == Repair::End::unreachable) {
      if (!all) {  // perhaps by pairs that the narrow box left out
        all = true;
        for (Slot s = 0; s < r.columns; ++s) {
          narrow.down[s] = std::max(narrow.down[s], box.down[s]);
          narrow.up[s] = std::max(narrow.up[s], box.up[s]);
        }
        continue;
      }
      ++stats.ways;
      const Way way = open_ways(how, level, stuck, prices, width, r, seen);
      if (beyond()) return {Kind::out_of_range, {}};
      width = std::min(kCostLimit / 8, 4 * std::max<Cost>(width, 1));
      clock.lap(sample ? "samples" : "verify");
      if (way == Way::stopped) return {Kind::stopped, {}};
      if (way == Way::none) return {Kind::infeasible, stuck};
      continue;
    }
    how.stop.stage(sample ? "samples" : "verify", sample ? 0.2 : 0.8);
    const Doubts doubts = doubtful(how, level, r, at);
    if (sample && round >= kSampleRounds) {
      ++stats.unsettled;
      return {};
    }
    const bool wider = many(doubts);
    if (wider && scans == kScans) ++stats.capped;
    if (wider && scans < kScans) {
      for (Slot s = 0; s < r.columns; ++s) {
        const Cost moved = at[s] - prices[s];
        box.down[s] = std::min(kCostLimit / 8, std::max(box.down[s], -2 * moved));
        box.up[s] = std::min(kCostLimit / 8, std::max(box.up[s], 2 * moved));
      }
      prices = at;
      for (Cost& p : prices) p = std::max<Cost>(p, 0);
      box.center = prices;
      fresh = true;
      continue;
    }
    const News news = doubts.jobs.empty() ? News::none : look(doubts, at);
    if (news == News::stopped) return {Kind::stopped, {}};
    if (beyond()) return {Kind::out_of_range, {}};
    if (end == Repair::End::balanced && news == News::none) return {};
    clock.lap(sample ? "samples" : "verify");
  }
}

LevelEnd settle(const Scan& how, const Level& level, std::vector<Cost>& prices, Restricted& r, Seen& seen,
                Stats& stats) {
  using Kind = LevelEnd::Kind;
  Clock clock(stats, how.stop);
  const std::vector<Cost> any(prices.size(), kCostLimit / 8);
  while (!how.stop.poll()) {
    ++stats.rounds;
    how.stop.stage("repair", 0.9);
    Repair repair(r, level.capacity, prices, {prices, any, any}, true, how.pool, how.stop, stats);
    const Repair::End end = repair.run();
    clock.lap("repair");
    if (end == Repair::End::stopped) {
      repair.settle_prices();
      break;
    }
    assert(end == Repair::End::balanced);  // the lists held a plan, and prices may be any
    how.stop.stage("verify", 0.95);
    const Doubts doubts = certain(how, level, r, prices);
    stats.evaluations += level.n * r.columns;
    if (how.stop.requested()) break;
    stats.rescanned += static_cast<Index>(doubts.jobs.size());
    const News news = doubts.jobs.empty() ? News::none : look_again(how, level, doubts, prices, r, seen);
    clock.lap("verify");
    if (news == News::stopped) break;
    if (news == News::none) return {};
  }
  return {Kind::stopped, {}};
}

}  // namespace gridcompute::transport
