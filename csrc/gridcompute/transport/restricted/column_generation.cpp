#include "gridcompute/transport/restricted/column_generation.hpp"

#include <algorithm>
#include <optional>

#include "gridcompute/base/error.hpp"
#include "gridcompute/transport/restricted/add_columns.hpp"
#include "gridcompute/transport/restricted/price_tuning.hpp"
#include "gridcompute/transport/restricted/ssp_repair.hpp"

namespace gridcompute::transport {

namespace {

constexpr Index kMany = 4;  // more than a quarter of all jobs in doubt: scan again with a wider box
constexpr int kScans = 4;   // at most; then lists only grow, which always ends
constexpr int kSampleRounds = 24;
constexpr Index kRough = 100;        // one in so many units of a sample may be left out of balance
constexpr Cost kNarrower = 8;        // the box of a scan to that of its repair;
constexpr Cost kNarrowerOfMany = 3;  // where tuning left much, or of so many classes one surely has farther to go
constexpr Index kManyClasses = 300;
constexpr double kMuch = 1.0 / 200;  // of all units
constexpr int kWider = 16;           // times a repair goes on in a wider box
constexpr int kDrawn = 8;            // classes a round whose fall is measured
constexpr Wide kMostWays = 1 << 20;  // for each unit that has none

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

using Kind = LevelEnd::Kind;
using Ended = std::optional<LevelEnd>;  // nothing: go on

// The rounds of one level: a look at all pairs near prices, repair on the lists it gives, a look at what they left out.
class Rounds {
 public:
  Rounds(const Scan& how, const Level& level, const Box& start, bool sample, std::vector<Cost>& prices, Restricted& r,
         Seen& seen, Stats& stats, const Enough& enough)
      : how_(how),
        level_(level),
        sample_(sample),
        prices_(prices),
        r_(r),
        seen_(seen),
        stats_(stats),
        enough_(enough),
        clock_(stats, how.stop),
        box_(start) {
    prices_ = start.center;
  }

  LevelEnd run() {
    for (;; ++round_) {
      if (fresh_)
        if (Ended ended = scan_box()) return *ended;
      if (how_.stop.poll()) return {Kind::stopped, {}};
      Repair::End end{};
      if (Ended ended = repair(end)) return *ended;
      if (Ended ended = end == Repair::End::unreachable ? open() : verify(end)) return *ended;
    }
  }

 private:
  void lap(const char* stage) { clock_.lap(sample_ ? "samples" : stage); }
  void stage(const char* name, double of_sample, double of_all) const {
    how_.stop.stage(sample_ ? "samples" : name, sample_ ? of_sample : of_all);
  }
  [[nodiscard]] bool beyond() const { return !how_.keys.possible(seen_); }
  [[nodiscard]] bool many(const Doubts& doubts) const {
    return static_cast<Index>(doubts.jobs.size()) > level_.n / kMany + 64;
  }

  News look(const Doubts& doubts, std::span<const Cost> at) {
    stats_.rescanned += static_cast<Index>(doubts.jobs.size());
    stats_.evaluations += static_cast<Index>(doubts.jobs.size()) * r_.columns;
    stats_.odd += static_cast<Index>(doubts.odd.size());
    return look_again(how_, level_, doubts, at, r_, seen_);
  }

  // Lists of all jobs anew, prices in balance but for what repair will do, and its box.
  Ended scan_box() {
    stage("scan", 0.05, 0.3);
    Restricted fresh_look;  // a stop half-way leaves the last whole one
    if (!scan(how_, level_, box_, fresh_look, seen_)) return LevelEnd{Kind::stopped, {}};
    r_ = std::move(fresh_look);
    suspects_ = {};
    if (beyond()) return LevelEnd{Kind::out_of_range, {}};
    if (r_.hopeless >= 0) return LevelEnd{Kind::infeasible, {}};
    if (r_.columns == 0) return LevelEnd{};  // no job either, or it were hopeless
    stats_.evaluations += (r_.wrapped ? 2 : 1) * level_.n * r_.columns;
    if (r_.wrapped) ++stats_.wide;
    if (scans_++ > 0) ++stats_.rescans;
    lap("scan");
    const double left = tune(r_, level_.capacity, how_.alike, prices_, how_.pool, how_.stop);
    lap("tune");
    if (enough_ && enough_(r_)) return LevelEnd{Kind::close, {}};
    const bool much = left > kMuch * static_cast<double>(r_.weight_total);
    if (much) ++stats_.stalled;
    const Cost narrower = much || r_.columns >= kManyClasses ? kNarrowerOfMany : kNarrower;
    narrow_ = box_;
    for (Cost& x : narrow_.down) x = std::max<Cost>(1, x / narrower);
    for (Cost& x : narrow_.up) x = std::max<Cost>(1, x / narrower);
    all_ = fresh_ = false;
    return std::nullopt;
  }

  Ended repair(Repair::End& end) {
    ++stats_.rounds;
    stage("repair", 0.1, 0.6);
    narrow_.center = prices_;
    Repair repair(r_, level_.capacity, prices_, narrow_, all_, how_.pool, how_.stop, stats_);
    end = repair.run();
    if (Ended ended = go_on(repair, end)) return ended;
    narrow_ = repair.box();
    if (end == Repair::End::unreachable) stuck_ = repair.settled(), lacking_ = repair.unmet();
    if (end != Repair::End::far) {
      if (end != Repair::End::balanced) repair.settle_prices();
      at_ = prices_;
    }
    lap("repair");
    if (end == Repair::End::stopped) return LevelEnd{Kind::stopped, {}};
    if (sample_ && round_ >= kSampleRounds) {
      ++stats_.unsettled;
      return LevelEnd{};
    }
    if (end == Repair::End::far && rough(repair)) return LevelEnd{};
    narrow_.center = prices_;
    if (end == Repair::End::far) widen(at_, all_ ? 2 : kNarrower, narrow_);
    return std::nullopt;
  }

  // While prices want to leave the box: lists of the jobs in doubt, and a wider one.
  Ended go_on(Repair& repair, Repair::End& end) {
    for (int wider = 0; end == Repair::End::far; ++wider) {
      repair.settle_prices();
      at_ = repair.wanted();
      hold_back(how_, level_, r_, repair, prices_, at_);
      if (wider == kWider || rough(repair)) break;
      lap("repair");
      const Doubts doubts = suspects_.doubtful(how_, level_, r_, at_);
      if (many(doubts)) break;
      if (!doubts.jobs.empty()) {
        if (look(doubts, at_) == News::stopped) return LevelEnd{Kind::stopped, {}};
        if (beyond()) return LevelEnd{Kind::out_of_range, {}};
        repair.relist(how_.pool);
      }
      lap("verify");
      if (!repair.widen(at_, how_.pool)) (void)repair.widen(repair.wanted(), how_.pool);
      ++stats_.widened;
      end = repair.run();
    }
    return std::nullopt;
  }

  // A sample's prices only guide: it may be left a little out of balance.
  [[nodiscard]] bool rough(const Repair& repair) const { return sample_ && repair.unmet() <= r_.weight_total / kRough; }

  // No way on the lists from where there are too many to where there are too few.
  Ended open() {
    if (!all_) {  // perhaps by pairs that the narrow box left out
      all_ = true;
      for (std::size_t s = 0; s < prices_.size(); ++s) {
        narrow_.down[s] = std::max(narrow_.down[s], box_.down[s]);
        narrow_.up[s] = std::max(narrow_.up[s], box_.up[s]);
      }
      return std::nullopt;
    }
    ++stats_.ways;
    const auto units = static_cast<Cost>(std::clamp<Wide>(ways_ * lacking_, 1, std::max<Wide>(1, r_.weight_total)));
    const Way way = open_ways(how_, level_, stuck_, prices_, units, r_, seen_);
    if (beyond()) return LevelEnd{Kind::out_of_range, {}};
    ways_ = std::min<Wide>(kMostWays, 2 * ways_);  // those who left may have come to where there is no way on either
    lap("verify");
    if (way == Way::stopped) return LevelEnd{Kind::stopped, {}};
    if (way == Way::none) return LevelEnd{Kind::infeasible, stuck_};
    return std::nullopt;
  }

  // Whom the lists may have kept from what is better: nobody, if the level is solved.
  Ended verify(Repair::End end) {
    stage("verify", 0.2, 0.8);
    const Doubts doubts = suspects_.doubtful(how_, level_, r_, at_);
    if (many(doubts)) {
      if (scans_ < kScans) {
        move_box();
        return std::nullopt;
      }
      ++stats_.capped;
    }
    const News news = doubts.jobs.empty() ? News::none : look(doubts, at_);
    if (news == News::stopped) return LevelEnd{Kind::stopped, {}};
    if (beyond()) return LevelEnd{Kind::out_of_range, {}};
    if (end == Repair::End::balanced && news == News::none) return LevelEnd{};
    lap("verify");
    return std::nullopt;
  }

  // For another scan: around prices that repair left nearly in balance, and wide enough for where they want to go. Not
  // around these: they were told one by one, and together may be far from balance.
  void move_box() {
    for (std::size_t s = 0; s < prices_.size(); ++s) {
      const Cost moved = at_[s] - prices_[s];
      box_.down[s] = std::min(kCostLimit / 8, std::max(box_.down[s], -2 * moved));
      box_.up[s] = std::min(kCostLimit / 8, std::max(box_.up[s], 2 * moved));
    }
    for (Cost& p : prices_) p = std::max<Cost>(p, 0);
    box_.center = prices_;
    fresh_ = true;
  }

  const Scan& how_;
  const Level& level_;
  const bool sample_;
  std::vector<Cost>& prices_;
  Restricted& r_;
  Seen& seen_;
  Stats& stats_;
  const Enough& enough_;
  Clock clock_;
  Suspects suspects_;
  Box box_, narrow_;             // of the scan, and of its repair
  Wide ways_ = 1, lacking_ = 0;  // units that had no way on, and how often so many get one
  bool fresh_ = true;            // a scan comes next
  bool all_ = false;             // repair on whole lists, whatever the box
  int scans_ = 0, round_ = 0;
  std::vector<Cost> at_;     // prices to be looked at from
  std::vector<Slot> stuck_;  // where repair found no way on
};

}  // namespace

LevelEnd solve_level(const Scan& how, const Level& level, const Box& start, bool sample, std::vector<Cost>& prices,
                     Restricted& r, Seen& seen, Stats& stats, const Enough& enough) {
  return Rounds(how, level, start, sample, prices, r, seen, stats, enough).run();
}

LevelEnd settle(const Scan& how, const Level& level, std::vector<Cost>& prices, Restricted& r, Seen& seen,
                Stats& stats) {
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
    if (end == Repair::End::far) return {Kind::out_of_range, {}};  // beyond what any price may be
    if (end != Repair::End::balanced)
      throw Error(ErrorKind::internal, "", -1, "transport: repair found no path on lists that held a matching");
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
