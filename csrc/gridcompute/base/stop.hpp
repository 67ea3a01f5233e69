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

  // What is to be done after a stop takes this long: the deadline is so much earlier, no longer by what was said
  // before.
  void reserve(double seconds) {
    if (deadline_ == Clock::time_point::max()) return;
    deadline_ += reserved_ - duration(seconds);
    reserved_ = duration(seconds);
  }

  // There is no time for what would come next: as if the deadline had come.
  void run_out() noexcept {
    if (!requested()) set(Why::time_limit);
  }

  // Is nothing left to close in? After the time limit what was reserved is, but for what is reserved still.
  [[nodiscard]] bool hurried() const { return requested() && (why() != Why::time_limit || left() <= 0); }

  // Seconds to the deadline, or +inf.
  [[nodiscard]] double left() const {
    if (deadline_ == Clock::time_point::max()) return std::numeric_limits<double>::infinity();
    return std::chrono::duration<double>(deadline_ - Clock::now()).count();
  }

  // Called by the solving thread. True once the solve must end.
  bool poll() {
    if (requested()) return true;
    const auto now = Clock::now();
    if (now >= deadline_) return set(Why::time_limit);
    if (!hook_ || now < next_) return false;
    next_ = now + std::chrono::milliseconds(kPollMilliseconds);
    const Why why = hook_(progress_);
    return why == Why::none ? false : set(why);
  }

  // Called by the solving thread where work that has to be done after a stop all the same is of no use any more. Tells
  // of nothing but an interrupt, though the hook may ask for a stop as well.
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
  Clock::duration reserved_{};
  Hook hook_;
  Progress progress_;
  std::atomic<Why> why_{Why::none};
};

}  // namespace gridcompute
