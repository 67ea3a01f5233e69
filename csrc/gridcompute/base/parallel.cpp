#include "gridcompute/base/parallel.hpp"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <new>
#include <string>
#include <system_error>

#include "gridcompute/base/error.hpp"
#include "gridcompute/base/memory.hpp"

#ifdef __linux__
#include <sched.h>
#endif

namespace gridcompute {

namespace {

constexpr std::chrono::milliseconds kServe{20};  // between two polls of a stop while other threads work

int affinity() {
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
}

// Returns the CPUs that the cgroup grants: cgroup v2 has "max 100000" or "150000 100000" in one file, v1 the two
// numbers in two files.
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
  return static_cast<int>(std::clamp(std::ceil(amount / period), 1.0, double{kMostThreads}));
}

// Read when the program is loaded: a lock taken at the first call would stay locked in a process forked meanwhile.
const int kQuota = quota();

}  // namespace

int thread_count(int asked) {
  if (asked > 0) return std::min(asked, kMostThreads);
  return std::min({affinity(), kQuota, kMostThreads});
}

int threads_of_environment() {
  constexpr const char* kName = "GRIDCOMPUTE_NUM_THREADS";
  const char* const text = std::getenv(kName);
  if (text == nullptr || *text == 0) return 0;
  const char* const end = text + std::strlen(text);
  std::uint64_t found = 0;
  const auto [rest, error] = std::from_chars(text, end, found);
  if (rest == end && error == std::errc::result_out_of_range) return kMostThreads;
  if (rest != end || error != std::errc{} || found == 0)
    throw Error(ErrorKind::invalid_problem, kName, -1,
                std::string(kName) + ": found '" + text + "', needed a whole number from 1");
  return static_cast<int>(std::min<std::uint64_t>(found, kMostThreads));
}

std::pmr::memory_resource* Pool::memory() {
  // Vectors grow by doubling: the next vector reuses a block that one has outgrown. Larger blocks return to the system
  // at once, so that the merge of the chunks finds memory even where it is short.
  constexpr std::size_t kMost = 16;
  if (!memory_) memory_ = std::make_unique<BlockPool>(kMost);
  return memory_.get();
}

struct Pool::Loop {
  Loop(Index length, Index chunk, const Body& work, const Stop* halt, bool ignores_deadline)
      : n(length),
        size(chunk),
        count(chunks(length, chunk)),
        body(&work),
        stop(halt),
        ignore_deadline(ignores_deadline) {}

  [[nodiscard]] bool over() const noexcept {
    return stop != nullptr && (ignore_deadline ? stop->why() == Stop::Why::interrupted : stop->requested());
  }

  Index n, size, count;
  const Body* body;
  const Stop* stop;
  bool ignore_deadline;
  std::atomic<Index> next{0};
  std::atomic<Index> done{0};
  std::mutex mutex;
  Index failed = std::numeric_limits<Index>::max();
  std::exception_ptr error;
};

std::jthread Pool::start_thread(std::function<void()> work) { return std::jthread(std::move(work)); }

Pool::~Pool() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  wake_.notify_all();
  workers_.clear();
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
    if (poll != nullptr && (loop.ignore_deadline ? poll->interrupted() : poll->poll_clock())) return;
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

void Pool::start_workers(Index wanted) {
  wanted = std::min<Index>(wanted, threads() - 1);
  try {
    // A thread that has started but finds no place in the list could not be told to end, and would be joined for ever.
    workers_.reserve(static_cast<std::size_t>(wanted));
    while (static_cast<Index>(workers_.size()) < wanted) workers_.push_back(start_([this] { serve(); }));
    return;
  } catch (const std::system_error&) {
  } catch (const std::bad_alloc&) {
  }
  threads_ = static_cast<int>(workers_.size()) + 1;  // asking again in each loop would cost time
}

void Pool::share(Loop& loop, Stop* stop) {
  struct Published {
    Pool& pool;
    Loop& loop;
    Published(Pool& of, Loop& what) : pool(of), loop(what) {
      const std::lock_guard lock(pool.mutex_);
      pool.loop_ = &loop;
      ++pool.round_;
    }
    ~Published() {
      loop.next.store(loop.count, std::memory_order_relaxed);  // no further chunk begins if a hook has thrown
      std::unique_lock lock(pool.mutex_);
      pool.loop_ = nullptr;  // workers that wake late find no loop; those inside it are waited for
      pool.idle_.wait(lock, [&] { return pool.busy_ == 0; });
    }
  };
  const Published published(*this, loop);
  wake_.notify_all();
  work(loop, stop);
  if (stop == nullptr) return;
  // Chunks of other threads may take long, and poll nothing: the caller's thread polls the stop meanwhile.
  std::unique_lock lock(mutex_);
  loop_ = nullptr;
  while (!idle_.wait_for(lock, kServe, [&] { return busy_ == 0; })) {
    lock.unlock();
    loop.ignore_deadline ? stop->interrupted() : stop->poll_clock();
    lock.lock();
  }
}

bool Pool::run(Index n, Index size, const Body& body, Stop* stop, bool ignore_deadline) {
  Loop loop(n, size, body, stop, ignore_deadline);
  if (stop != nullptr) stop->count(n);
  if (loop.count > 1) start_workers(loop.count - 1);
  if (loop.count > 1 && !workers_.empty()) {
    share(loop, stop);
  } else {
    work(loop, stop);
  }
  if (loop.error) std::rethrow_exception(loop.error);
  return loop.done.load(std::memory_order_relaxed) == loop.count;
}

}  // namespace gridcompute
