// Threads for one solve: fixed chunks, dynamic order, results keyed by chunk.
//
// A pool belongs to one solve. It starts a thread only where a loop has a chunk for it, goes on with fewer where the
// system refuses one, and joins them in its destructor: no thread outlives a call, so a fork between calls finds none.
// Chunks are cut by size alone, never by thread count; a body that writes only what its chunk owns, merged in chunk
// order by the caller, gives the same bits for any number of threads. The first exception by chunk order is kept and
// thrown to the caller.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <memory_resource>
#include <mutex>
#include <thread>
#include <vector>

#include "gridcompute/base/stop.hpp"
#include "gridcompute/base/types.hpp"

namespace gridcompute {

// No pool has more threads than this, whatever is asked for: each takes a stack, and some microseconds to start.
inline constexpr int kMostThreads = 1024;

// Returns `asked`, kMostThreads at most; for 0 or less, the number of CPUs that affinity and the cgroup's quota allow.
[[nodiscard]] int thread_count(int asked);

// Returns the value of GRIDCOMPUTE_NUM_THREADS, kMostThreads at most; 0 where it is unset or empty. Throws Error where
// it is no integer of at least 1. Reads the environment: not to be called while another thread may write it.
[[nodiscard]] int threads_of_environment();

class Pool {
 public:
  using Body = std::function<void(Index chunk, Index begin, Index end)>;

  explicit Pool(int asked) : Pool(asked, &start_thread) {}
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Starts a thread; throws std::system_error where the system refuses. Tests replace it.
  using Start = std::jthread (*)(std::function<void()> work);
  Pool(int asked, Start start) : asked_(asked), start_(start) {}

  // Returns the number of threads as thread_count() does, and fewer once the system has refused to start one. Takes a
  // system call, made at the first use.
  [[nodiscard]] int threads() noexcept { return threads_ = threads_ > 0 ? threads_ : thread_count(asked_); }
  [[nodiscard]] static Index chunks(Index n, Index size) noexcept { return (n + size - 1) / size; }

  // Calls body(chunk, begin, end) for [0, n) cut into chunks of `size`. With a stop, the calling thread polls it
  // between chunks and no further chunk begins once it is requested. Returns whether every chunk ran. Counts n steps of
  // work, whichever threads run the chunks; a limit of work does not end a loop that has begun.
  bool for_chunks(Index n, Index size, const Body& body, Stop* stop = nullptr) {
    return run(n, size, body, stop, false);
  }
  // Calls body(part, begin, end) as for_chunks() does, with an element of `parts` for each chunk.
  template <class Parts, class PartBody>
  bool for_parts(Parts& parts, Index n, Index size, const PartBody& body, Stop* stop = nullptr) {
    parts.resize(at(chunks(n, size)));
    return for_chunks(n, size, [&](Index chunk, Index begin, Index end) { body(parts[at(chunk)], begin, end); }, stop);
  }
  // Calls body(chunk, begin, end) as for_chunks() does, for work that must be done after the time limit as well: only
  // an interrupt ends it.
  bool for_chunks_ignoring_deadline(Index n, Index size, const Body& body, Stop& stop) {
    return run(n, size, body, &stop, true);
  }

  // Returns a memory resource for the results of chunks: bodies may allocate there, and the memory returns to the
  // system with the pool, whereas the allocator would keep it for each thread (memory.hpp). To be called between
  // loops.
  [[nodiscard]] std::pmr::memory_resource* memory();

 private:
  struct Loop;
  [[nodiscard]] static std::jthread start_thread(std::function<void()> work);
  bool run(Index n, Index size, const Body& body, Stop* stop, bool ignore_deadline);
  // Starts workers until there are `wanted`, as far as threads() and the system allow.
  void start_workers(Index wanted);
  // Publishes the loop to the workers, runs chunks of it itself, and returns or throws when no worker is in it any
  // more.
  void share(Loop& loop, Stop* stop);
  void serve();
  static void work(Loop& loop, Stop* poll);

  int asked_, threads_ = 0;
  Start start_;
  std::unique_ptr<std::pmr::memory_resource> memory_;
  std::mutex mutex_;
  std::condition_variable wake_, idle_;
  Loop* loop_ = nullptr;
  std::uint64_t round_ = 0;
  int busy_ = 0;
  bool closing_ = false;
  std::vector<std::jthread> workers_;  // last member, so joined before what the threads use is destroyed
};

}  // namespace gridcompute

namespace gridcompute::transport {

// Concatenates the results of chunks, in their order.

template <class T>
[[nodiscard]] std::vector<T> flatten(const std::vector<std::vector<T>>& parts) {
  std::vector<T> all;
  for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

}  // namespace gridcompute::transport
