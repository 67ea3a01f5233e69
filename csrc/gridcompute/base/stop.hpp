// How a solve is stopped: a deadline, the caller's progress hook, or an interrupt.
//
// Only the thread that called the solver polls (between chunks of work, at most every kPollSeconds); every thread
// may read requested(), which never blocks. Once set, a stop stays set.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <limits>

namespace gridcompute {

struct Progress {
  const char* stage = "";
  double done = 0.0;  // fraction of the whole solve, 0..1, never falling
};

class Stop {
 public:
  enum class Why { none, time_limit, stopped, interrupted };
  using Hook = std::function<Why(const Progress&)>;

  Stop() = default;
  explicit Stop(double seconds, Hook hook = {}) : hook_(std::move(hook)) {
    if (seconds < 1e9) deadline_ = start_ + duration(seconds);
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

  // Ends the search as if the deadline had come: there is no time for its next step.
  void force_deadline() noexcept { end(Why::time_limit); }

  // Ends the solve for this reason, if it has not ended yet; only the solving thread may.
  void end(Why why) noexcept {
    if (!requested()) set(why);
  }

  // Returns whether no closing time is left. After the time limit it is what was set, less what is still set aside.
  [[nodiscard]] bool closing_time_over() const { return requested() && (why() != Why::time_limit || left() <= 0); }

  // Returns the seconds to the deadline, or +inf.
  [[nodiscard]] double left() const {
    if (deadline_ == Clock::time_point::max()) return std::numeric_limits<double>::infinity();
    return std::chrono::duration<double>(deadline_ - Clock::now()).count();
  }

  // Polls the deadline and the hook; only the solving thread may. Returns whether the solve must end.
  bool poll() {
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
  static constexpr int kPollMilliseconds = 20;

  [[nodiscard]] static Clock::duration duration(double seconds) {
    return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  }

  bool set(Why why) noexcept {
    why_.store(why, std::memory_order_relaxed);
    return true;
  }

  Clock::time_point start_ = Clock::now(), deadline_ = Clock::time_point::max(), next_ = start_;
  Clock::duration closing_time_{};
  Hook hook_;
  Progress progress_;
  std::atomic<Why> why_{Why::none};
};

}  // namespace gridcompute
