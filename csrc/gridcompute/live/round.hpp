// The options and the answer of a round, and the data that its stages share.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "gridcompute/base/types.hpp"
#include "gridcompute/live/primal_dual.hpp"
#include "gridcompute/transport/problem.hpp"

namespace gridcompute::live {

// A sum of doubles that are added and subtracted without rounding.
//
// Problem. The costs of placed jobs are added as they are placed and subtracted as they leave, for months; the sum has
// to depend on the present jobs alone, however far apart their costs are (1e-200 beside 1e200).
//
// Definitions. A fixed-point number wide enough for every finite double: digit k is worth 2^(32 k - 1074). Each double
// is cut into at most three digits of 32 bits, by its bits alone, so subtracting what was added restores every digit.
//
// Range. Fewer than 2^31 doubles are in the sum at once: every digit stays below 2^63 without carries.
//
// Complexity. add: three additions. nearest: O(digits).
//
// Source. U. Kulisch, Computer Arithmetic and Validity (de Gruyter, 2nd ed. 2013), section 8.
// certificate/exact_numbers.hpp does the same for the checker, which may share no code with what it checks.

class ExactTotal {
 public:
  // Adds sign * x; x finite.
  void add(double x, int sign) noexcept {
    const auto bits = std::bit_cast<std::uint64_t>(x);
    const auto biased = static_cast<int>(bits >> 52 & 0x7ff);
    const std::uint64_t mantissa = (bits & kFraction) | (biased == 0 ? 0 : kFraction + 1);
    const int place = biased == 0 ? 0 : biased - 1;  // x = +-mantissa * 2^(place - 1074)
    const Wide shifted = static_cast<Wide>(mantissa) << (place % 32);
    const std::int64_t by = (bits >> 63) != 0 ? -sign : sign;
    const auto k = at(place / 32);
    digit_[k] += by * static_cast<std::int64_t>(shifted & kDigit);
    digit_[k + 1] += by * static_cast<std::int64_t>(shifted >> 32 & kDigit);
    digit_[k + 2] += by * static_cast<std::int64_t>(shifted >> 64);
  }

  void add(const ExactTotal& more) noexcept {
    for (std::size_t k = 0; k < digit_.size(); ++k) digit_[k] += more.digit_[k];
  }

  [[nodiscard]] bool operator==(const ExactTotal&) const = default;

  // The double nearest to the sum, ties to even; +-inf beyond the largest.
  [[nodiscard]] double nearest() const noexcept {
    std::array<std::int64_t, kDigits + 1> digit{};
    const bool negative = normalise(digit, 1) < 0;
    if (negative) normalise(digit, -1);
    std::size_t top = digit.size() - 1;
    while (top > 0 && digit[top] == 0) --top;
    if (top < 2) {  // below 2^64 units of 2^-1074: a subnormal is exact, and what is larger is rounded once
      const auto units = static_cast<std::uint64_t>(digit[1]) << 32 | static_cast<std::uint64_t>(digit[0]);
      return (negative ? -1 : 1) * std::ldexp(static_cast<double>(units), kLeast);
    }
    auto leading = static_cast<Wide>(digit[top]) << 64 | static_cast<Wide>(digit[top - 1]) << 32 | digit[top - 2];
    for (std::size_t k = 0; k + 2 < top; ++k) leading |= digit[k] != 0 ? 1 : 0;  // 65 bits and more: no tie is missed
    const double value = std::ldexp(static_cast<double>(leading), static_cast<int>(32 * (top - 2)) + kLeast);
    return negative ? -value : value;
  }

 private:
  static constexpr int kLeast = -1074;        // exponent of the least double
  static constexpr std::size_t kDigits = 67;  // 2^-1074 to 2^1024, and two digits for what the carries leave
  static constexpr std::uint64_t kFraction = (std::uint64_t{1} << 52) - 1;  // bits of a double
  static constexpr std::int64_t kDigit = 0xffffffff;                        // 32 bits

  // Writes sign * sum with digits of 32 bits each; returns the last carry, negative for a negative number.
  std::int64_t normalise(std::array<std::int64_t, kDigits + 1>& out, int sign) const noexcept {
    Wide carry = 0;
    for (std::size_t k = 0; k < digit_.size(); ++k) {
      carry += static_cast<Wide>(digit_[k]) * sign;
      out[k] = static_cast<std::int64_t>(carry & kDigit);
      carry >>= 32;
    }
    out[kDigits] = static_cast<std::int64_t>(carry);
    return out[kDigits];
  }

  std::array<std::int64_t, kDigits> digit_{};
};

struct MatchOptions {
  int threads = 0;
  std::uint64_t seed = 0;
  Index max_moves = -1;  // -1: no limit
  double gap = 0;        // a warm round may end at this relative gap, once it is proved
};

// A change of a job's placed class.
struct ReportedChange {
  Job job;
  Slot from, to;  // kNone: unplaced
};

struct RoundAnswer {
  transport::Status status = transport::Status::optimal;
  const char* reason = "";  // why the round was cold or had to build the index; empty: warm
  bool cold = false;        // solved by transport
  bool index_built = false;
  bool ended_by_gap = false;
  double objective = 0, bound = 0;  // switching costs of this round's moves included
  double move_cost = 0;             // these switching costs
  Cost slots_added_by_pins = 0;     // pinned jobs beyond the capacities that were set
  bool exact = false;
  std::vector<ReportedChange> changes;  // by job
  Index moves_deferred = 0;             // changes deferred by max_moves; of gangs: tries that it refused
  Index jobs_queued = 0;                // jobs that changes had queued when the round began
  WorkCounts counts;
  transport::Stats stats;  // of the cold solve, and the stages of the round
  std::vector<double> prices;
  std::vector<Cost> load, capacity;  // pinned jobs included
  std::vector<Index> witness_jobs;   // as indices into live_jobs()
  std::vector<Slot> witness_slots;
  // Of gangs, by position of the job store: jobs that the bound counts as running, and those that may not move.
  std::vector<std::uint8_t> held, fixed;
  std::vector<double> limit_prices;  // (n_queues)
};

// The data that the stages of one round share.
struct RoundContext {
  // Adds the time since the last call to the named stage.
  void end_stage(const char* name) {
    const double now = stop.seconds();
    answer.stats.add(name, now - std::exchange(stage_began, now));
  }

  const MatchOptions& options;
  Stop& stop;
  Pool pool;
  RoundAnswer answer;
  std::vector<Job> touched;  // jobs whose placement or costs may have changed; may contain a job twice
  ExactTotal move_cost;      // of the changes reported so far
  double stage_began = 0;
};

}  // namespace gridcompute::live
