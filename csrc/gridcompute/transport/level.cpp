#include "gridcompute/transport/level.hpp"

#include <algorithm>

#include "gridcompute/transport/repair.hpp"
#include "gridcompute/transport/tune.hpp"
#include "gridcompute/transport/verify.hpp"

namespace gridcompute::transport {

namespace {

constexpr Index kMany = 4;  // more than a quarter of all jobs in doubt: scan again with a wider box
constexpr int kScans = 4;   // at most; then lists only grow, which always ends
constexpr int kSampleRounds = 12;
constexpr Cost kNarrower = 8;  // the box of a scan to that of its repair

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

}  // namespace

LevelEnd solve_level(const Scan& how, const Level& level, const std::vector<Cost>& radius, std::uint64_t seed,
                     bool sample, std::vector<Cost>& prices, std::vector<double>& noise, Restricted& r, Seen& seen,
                     Stats& stats) {
  using Kind = LevelEnd::Kind;
  const double limit = static_cast<double>(how.keys.limit());
  Clock clock(stats, how.stop);
  Box box{prices, radius};
  Cost stretch = 1, width = 0;
  std::vector<Cost> narrow;
  bool fresh = true;
  int scans = 0;
  for (int round = 0;; ++round) {
    if (fresh) {
      how.stop.stage(sample ? "samples" : "scan", sample ? 0.05 : 0.3);
      if (!scan(how, level, box, r, seen)) return {Kind::stopped, {}};
      if (seen.invalid >= 0 || seen.largest > limit) return {Kind::out_of_range, {}};
      if (r.hopeless >= 0) return {Kind::infeasible, {}};
      stats.evaluations += level.n * r.columns;
      ++scans;
      clock.lap(sample ? "samples" : "scan");
      tune(r, level.capacity, seed, prices, noise);
      clock.lap(sample ? "samples" : "tune");
      stretch = 1;
      width = *std::max_element(box.radius.begin(), box.radius.end());
      narrow = box.radius;
      for (Cost& x : narrow) x = std::max<Cost>(1, x / kNarrower);
      fresh = false;
    }
    ++stats.rounds;
    how.stop.stage(sample ? "samples" : "repair", sample ? 0.1 : 0.6);
    Repair repair(r, level.capacity, prices, narrow, stats);
    const Repair::End end = repair.run(how.stop);
    std::vector<Slot> stuck;
    std::vector<Cost> at = prices;
    if (end == Repair::End::unreachable) stuck = repair.settled();
    if (end == Repair::End::far) at = repair.wanted();
    if (end != Repair::End::balanced) repair.settle_prices();
    if (end != Repair::End::far) at = prices;
    clock.lap(sample ? "samples" : "repair");
    if (end == Repair::End::stopped) return {Kind::stopped, {}};
    if (end != Repair::End::balanced) {  // the narrow box was too narrow
      bool all = true;
      for (Slot s = 0; s < r.columns; ++s) {
        all = all && narrow[s] >= 2 * stretch * box.radius[s];
        narrow[s] = std::min(kCostLimit / 8, 4 * narrow[s]);
      }
      const bool inside = end == Repair::End::far ? r.box.holds(at, stretch) : !all;
      if (inside) continue;
    }
    if (sample && round >= kSampleRounds && end != Repair::End::balanced) return {};
    if (end == Repair::End::unreachable) {
      const Way way = open_ways(how, level, stuck, prices, width, r, seen);
      if (seen.invalid >= 0 || seen.largest > limit) return {Kind::out_of_range, {}};
      width = std::min(kCostLimit, 4 * std::max<Cost>(width, 1));
      clock.lap(sample ? "samples" : "verify");
      if (way == Way::stopped) return {Kind::stopped, {}};
      if (way == Way::none) return {Kind::infeasible, stuck};
      continue;
    }
    how.stop.stage(sample ? "samples" : "verify", sample ? 0.2 : 0.8);
    const std::vector<Index> doubts = doubtful(how, r, at);
    if (end == Repair::End::balanced && doubts.empty()) return {};
    if (sample && round >= kSampleRounds) return {};
    stats.rescanned += static_cast<Index>(doubts.size());
    if (static_cast<Index>(doubts.size()) > level.n / kMany + 64 && scans < kScans) {
      for (Slot s = 0; s < r.columns; ++s) {
        const Cost moved = std::abs(at[s] - prices[s]);
        box.radius[s] = std::min(kCostLimit / 8, std::max(box.radius[s], 2 * moved));
      }
      prices = at;
      for (Cost& p : prices) p = std::max<Cost>(p, 0);
      box.center = prices;
      fresh = true;
      continue;
    }
    stats.evaluations += static_cast<Index>(doubts.size()) * r.columns;
    if (!doubts.empty() && !look_again(how, level, doubts, at, r, seen)) return {Kind::stopped, {}};
    if (seen.invalid >= 0 || seen.largest > limit) return {Kind::out_of_range, {}};
    if (end == Repair::End::far) stretch = std::min<Cost>(2 * stretch, kCostLimit / 64);
    clock.lap(sample ? "samples" : "verify");
  }
}

}  // namespace gridcompute::transport
