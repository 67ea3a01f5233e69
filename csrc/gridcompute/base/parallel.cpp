#include "gridcompute/base/parallel.hpp"

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>

#include "gridcompute/base/shelf.hpp"

#ifdef __linux__
#include <sched.h>
#endif

namespace gridcompute {

namespace {

int affinity() {
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
}

// cgroup v2 "max 100000" or "150000 100000"; v1 keeps the two numbers in files of their own.
int quota() {
  std::ifstream v2("/sys/fs/cgroup/cpu.max");
  std::string limit;
  double amount = -1, period = -1;
  if (v2 >> limit >> period) {
    amount = limit == "max" ? -1 : std::atof(limit.c_str());
  } else {
    std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") >> amount;
    std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_period_us") >> period;
  }
  if (amount <= 0 || period <= 0) return std::numeric_limits<int>::max();
  return std::max(1, static_cast<int>(std::ceil(amount / period)));
}

}  // namespace

int thread_count(int asked) {
  if (asked > 0) return asked;
  if (const char* text = std::getenv("GRIDCOMPUTE_NUM_THREADS"); text != nullptr) {
    if (const int wanted = std::atoi(text); wanted > 0) return wanted;
  }
  static const int kQuota = quota();
  return std::min(affinity(), kQuota);
}

std::pmr::memory_resource* Pool::memory() {
  // Vectors grow by doubling: what one has outgrown, the next one fills. Larger pieces go back to the system at once:
  // what is joined from them finds room where memory is short.
  constexpr std::size_t kMost = 16, kLargest = std::size_t{1} << 17;
  if (!memory_) {
    memory_ = std::make_unique<std::pmr::synchronized_pool_resource>(std::pmr::pool_options{kMost, kLargest},
                                                                     &ArrayMemory::instance());
  }
  return memory_.get();
}

struct Pool::Loop {
  Loop(Index length, Index chunk, const Body& work, const Stop* halt, bool unless_interrupted)
      : n(length), size(chunk), count(chunks(length, chunk)), body(&work), stop(halt), to_the_end(unless_interrupted) {}

  [[nodiscard]] bool over() const noexcept {
    return stop != nullptr && (to_the_end ? stop->why() == Stop::Why::interrupted : stop->requested());
  }

  Index n, size, count;
  const Body* body;
  const Stop* stop;
  bool to_the_end;
  std::atomic<Index> next{0};
  std::atomic<Index> done{0};
  std::mutex mutex;
  Index failed = std::numeric_limits<Index>::max();
  std::exception_ptr error;
};

Pool::~Pool() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  wake_.notify_all();
}

void Pool::work(Loop& loop, Stop* poll) {
  while (!loop.over()) {
    const Index chunk = loop.next.fetch_add(1, std::memory_order_relaxed);
    if (chunk >= loop.count) return;
    try {
      (*loop.body)(chunk, chunk* loop.size, std::min(loop.n, (chunk + 1) * loop.size));
    } catch (...) {
      const std::lock_guard lock(loop.mutex);
      if (chunk < loop.failed) loop.failed = chunk, loop.error = std::current_exception();
    }
    loop.done.fetch_add(1, std::memory_order_relaxed);
    if (poll != nullptr && (loop.to_the_end ? poll->interrupted() : poll->poll())) return;
  }
}

void Pool::serve() {
  std::uint64_t seen = 0;
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [&] { return closing_ || (loop_ != nullptr && round_ != seen); });
    if (closing_) return;
    seen = round_;
    Loop& loop = *loop_;
    ++busy_;
    lock.unlock();
    work(loop, nullptr);
    lock.lock();
    if (--busy_ == 0) idle_.notify_one();
  }
}

bool Pool::run(Index n, Index size, const Body& body, Stop* stop, bool to_the_end) {
  Loop loop(n, size, body, stop, to_the_end);
  if (loop.count > 1 && threads() > 1) {
    while (static_cast<int>(workers_.size()) < threads_ - 1) workers_.emplace_back([this] { serve(); });
    {
      const std::lock_guard lock(mutex_);
      loop_ = &loop;
      ++round_;
    }
    wake_.notify_all();
    work(loop, stop);
    std::unique_lock lock(mutex_);
    loop_ = nullptr;  // late wakers find nothing; those inside are waited for
    idle_.wait(lock, [&] { return busy_ == 0; });
  } else {
    work(loop, stop);
  }
  if (loop.error) std::rethrow_exception(loop.error);
  return loop.done.load(std::memory_order_relaxed) == loop.count;
}

}  // namespace gridcompute
