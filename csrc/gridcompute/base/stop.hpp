// Ends a solve: at a deadline, at a limit of counted work, by the caller's progress hook, or by an interrupt.
//
// Only the thread that called the solver polls (between chunks of work, at most every kPollMilliseconds); every thread
// may read requested(), which never blocks. Once set, a stop stays set.
//
// Work is counted in steps: a step is about one cost, arc or candidate that is read. The thread that called the solver
// counts, at points whose order does not depend on threads or on time, and the limit is tested at such points alone: a
// loop of several threads is counted as a whole and runs as a whole. So a limit of work ends a solve at the same point
// on every machine, whatever else that machine does. A limit at or above the work() of a whole solve leaves that solve
// as it is: a step may be skipped only where the work left is less than the step takes.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <limits>
#include <utility>

#include "gridcompute/base/types.hpp"

namespace gridcompute {

struct Progress {
  const char* stage = "";
  double done = 0.0;  // fraction of the whole solve, 0..1, never falling
};

class Stop {
 public:
  enum class Why { none, time_limit, stopped, interrupted };  // time_limit: a limit, of time or of work
  static constexpr Index kStepsPerUnit = 1000;  // of a unit of work, as callers give and get it; see docs, conventions
  using Hook = std::function<Why(const Progress&)>;

  Stop() = default;
  // `work`: units, see kStepsPerUnit.
  explicit Stop(double seconds, Hook hook = {}, double work = std::numeric_limits<double>::infinity())
      : hook_(std::move(hook)) {
    if (seconds < 1e9) deadline_ = start_ + duration(seconds);
    if (work < kMostUnits) most_steps_ = static_cast<Index>(work * static_cast<double>(kStepsPerUnit));
  }
  Stop(const Stop&) = delete;
  Stop& operator=(const Stop&) = delete;

  void stage(const char* name, double done) noexcept {
    progress_ = {name, done < progress_.done ? progress_.done : done};
  }

  // Sets how long the work after a stop takes (rounding, certificates): the deadline for the search is that much
  // earlier. Replaces an earlier setting.
  void set_closing_time(double seconds) {
    if (deadline_ == Clock::time_point::max()) return;
    deadline_ += closing_time_ - duration(seconds);
    closing_time_ = duration(seconds);
  }

  // Ends the search as if a limit had been reached: the time or the work left is too little for the next step.
  void force_deadline() noexcept { end(Why::time_limit); }

  // Ends the solve for this reason, if it has not ended yet; only the solving thread may.
  void end(Why why) noexcept {
    if (!requested()) set(why);
  }

  // Returns whether no closing time is left. A time limit leaves the closing time that was set, minus what has passed
  // since.
  [[nodiscard]] bool closing_time_over() const { return requested() && (why() != Why::time_limit || left() <= 0); }

  // Returns the seconds to the deadline, or +inf.
  [[nodiscard]] double left() const {
    if (deadline_ == Clock::time_point::max()) return std::numeric_limits<double>::infinity();
    return std::chrono::duration<double>(deadline_ - Clock::now()).count();
  }

  // Counts work that was done, or is about to be; only the solving thread may.
  void count(Index steps) noexcept { steps_ += steps; }

  // Returns the units of work counted so far.
  [[nodiscard]] double work() const noexcept {
    return static_cast<double>(steps_) / static_cast<double>(kStepsPerUnit);
  }

  // Returns the steps to the limit of work; the largest Index where there is no limit.
  [[nodiscard]] Index steps_left() const noexcept {  // below 0 past the limit
    return most_steps_ == kNoLimit ? kNoLimit : most_steps_ - steps_;
  }

  // Counts the work since the last poll, by default one unit, and polls everything; only the solving thread may, and
  // only outside of parallel loops. Returns whether the solve must end.
  bool poll(Index steps = kStepsPerUnit) {
    count(steps);
    if (steps_ > most_steps_ && !requested()) return set(Why::time_limit);
    return poll_clock();
  }

  // Polls the deadline and the hook, but not the limit of work, whose answer would depend on the speed of the threads:
  // for parallel loops, by the solving thread. Returns whether the solve must end.
  bool poll_clock() {
    if (requested()) return true;
    const auto now = Clock::now();
    if (now >= deadline_) return set(Why::time_limit);
    if (!hook_ || now < next_) return false;
    next_ = now + std::chrono::milliseconds(kPollMilliseconds);
    const Why why = hook_(progress_);
    return why == Why::none ? false : set(why);
  }

  // Polls for an interrupt alone, by the solving thread, during work that a stop does not end but an interrupt does:
  // its result is discarded. Another stop that the hook asks for is recorded, not returned.
  bool interrupted() {
    const auto now = Clock::now();
    if (!hook_ || now < next_ || why() == Why::interrupted) return why() == Why::interrupted;
    next_ = now + std::chrono::milliseconds(kPollMilliseconds);
    const Why asked = hook_(progress_);
    if (asked == Why::interrupted || (asked != Why::none && !requested())) set(asked);
    return asked == Why::interrupted;
  }

  [[nodiscard]] bool requested() const noexcept { return why_.load(std::memory_order_relaxed) != Why::none; }
  [[nodiscard]] Why why() const noexcept { return why_.load(std::memory_order_relaxed); }
  [[nodiscard]] double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr int kPollMilliseconds = 20;  // between two reports of progress
  static constexpr Index kNoLimit = std::numeric_limits<Index>::max();
  static constexpr double kMostUnits = 0x1p53;  // more are no limit: steps are counted in 64 bits

  [[nodiscard]] static Clock::duration duration(double seconds) {
    return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  }

  bool set(Why why) noexcept {
    why_.store(why, std::memory_order_relaxed);
    return true;
  }

  Clock::time_point start_ = Clock::now(), deadline_ = Clock::time_point::max(), next_ = start_;
  Clock::duration closing_time_{};
  Index steps_ = 0, most_steps_ = kNoLimit;  // of work
  Hook hook_;
  Progress progress_;
  std::atomic<Why> why_{Why::none};
};

// Measures how fast this machine is at the moment, for work that must end within a time limit.
//
// A step is one read that depends on the one before, from a table in the second-level cache: delivering an answer takes
// a solver a fixed number of such steps per job on any machine. Measured when asked for, since other processes may use
// part of the machine.

// Returns the seconds of a step: the median of three measurements, some fifteen microseconds in all.
[[nodiscard]] double measure_step_seconds();

// Returns the seconds of this many steps; 0, without measuring, where no deadline depends on them.
[[nodiscard]] double seconds_of_steps(double steps, const Stop& stop);

}  // namespace gridcompute
