#include "gridcompute/base/parallel.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <thread>

#include "check.hpp"

namespace gridcompute {

TEST(pool_runs_every_chunk_once_for_any_thread_count) {
  for (const int threads : {1, 2, 7}) {
    Pool pool(threads);
    for (const Index n : {Index{0}, Index{1}, Index{999}, Index{1000}, Index{1001}}) {
      std::vector<int> seen(static_cast<std::size_t>(n));
      CHECK(pool.for_chunks(n, 100, [&](Index, Index begin, Index end) {
        for (Index i = begin; i < end; ++i) ++seen[static_cast<std::size_t>(i)];
      }));
      for (const int count : seen) CHECK(count == 1);
    }
  }
}

// An exception in a worker must reach the caller, and the first chunk's wins whatever thread was faster.
TEST(pool_throws_the_first_exception_by_chunk) {
  Pool pool(7);
  std::string message;
  try {
    pool.for_chunks(50, 1, [](Index chunk, Index, Index) {
      if (chunk >= 3) throw std::runtime_error(std::to_string(chunk));
    });
  } catch (const std::runtime_error& e) {
    message = e.what();
  }
  CHECK(message == "3");
  CHECK(pool.for_chunks(10, 1, [](Index, Index, Index) {}));  // and the pool is still whole
}

// If this fails, what threads leave behind overlaps, or is not aligned as it was asked for.
TEST(pool_memory_serves_all_threads) {
  for (const int threads : {1, 2, 7}) {
    Pool pool(threads);
    std::vector<std::pmr::vector<Index>> parts;
    for (int k = 0; k < 40; ++k) parts.emplace_back(pool.memory());
    for (const Index more : {Index{100}, Index{50'000}}) {  // small blocks, then pages; freed by other threads
      pool.for_chunks(40, 1, [&](Index chunk, Index, Index) {
        auto& part = parts[static_cast<std::size_t>(chunk)];
        part = std::pmr::vector<Index>(part.get_allocator());
        for (Index k = 0; k < more * (chunk % 3 + 1); ++k) part.push_back(chunk + k);
      });
      for (Index chunk = 0; chunk < 40; ++chunk) {
        const auto& part = parts[static_cast<std::size_t>(chunk)];
        CHECK(static_cast<Index>(part.size()) == more * (chunk % 3 + 1));
        for (std::size_t k = 0; k < part.size(); ++k) CHECK(part[k] == chunk + static_cast<Index>(k));
      }
    }
    for (const std::size_t alignment : {std::size_t{64}, std::size_t{1} << 17, std::size_t{1} << 20}) {
      void* const memory = pool.memory()->allocate(Index{1} << 21, alignment);
      CHECK(reinterpret_cast<std::uintptr_t>(memory) % alignment == 0);
      pool.memory()->deallocate(memory, Index{1} << 21, alignment);
    }
  }
}

TEST(pool_stops_between_chunks) {
  for (const int threads : {1, 3}) {
    Pool pool(threads);
    Stop stop(1e9, [](const Progress&) { return Stop::Why::stopped; });
    const auto long_enough = [](Index, Index, Index) { std::this_thread::sleep_for(std::chrono::milliseconds(1)); };
    CHECK(!pool.for_chunks(1000, 1, long_enough, &stop));
    CHECK(stop.why() == Stop::Why::stopped);
  }
}

// If this fails, Ctrl-C waits for all that is done after a look at the costs, or a time limit throws that away.
TEST(pool_goes_on_after_a_time_limit_but_not_after_an_interrupt) {
  for (const int threads : {1, 3}) {
    for (const auto why : {Stop::Why::stopped, Stop::Why::interrupted}) {
      Pool pool(threads);
      Stop stop(-1, [&](const Progress&) { return why; });
      CHECK(stop.poll() && stop.why() == Stop::Why::time_limit);
      std::atomic<Index> ran = 0;
      const bool whole = pool.unless_interrupted(1000, 1, [&](Index, Index, Index) { ++ran; }, stop);
      CHECK(whole == (why != Stop::Why::interrupted));
      CHECK(whole == (ran == 1000));
      CHECK(stop.why() == (whole ? Stop::Why::time_limit : why));
    }
  }
}

// If this fails, a solve with a time limit has no time left to deliver what it found, or stops long before.
TEST(stop_keeps_time_for_what_comes_after) {
  Stop stop(3600);
  CHECK(!stop.poll());
  stop.reserve(3000);
  stop.reserve(10);  // in place of what was said before
  CHECK(!stop.poll());
  stop.reserve(3700);
  CHECK(stop.poll() && stop.why() == Stop::Why::time_limit);
  Stop endless;
  endless.reserve(1e12);
  CHECK(!endless.poll());
}

}  // namespace gridcompute
