#include "gridcompute/base/parallel.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>

#include "check.hpp"
#include "gridcompute/base/error.hpp"

namespace gridcompute {

namespace {

std::atomic<int> started = 0, allowed = 0;

// A system that refuses a thread once `allowed` are started.
std::jthread start_some(std::function<void()> work) {
  if (started == allowed) throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again));
  ++started;
  return std::jthread(std::move(work));
}

// Does a loop over [0, n) visit each once?
bool visits_all(Pool& pool, Index n, Index size) {
  std::vector<std::atomic<int>> seen(static_cast<std::size_t>(n));
  const bool whole = pool.for_chunks(n, size, [&](Index, Index begin, Index end) {
    for (Index i = begin; i < end; ++i) ++seen[static_cast<std::size_t>(i)];
  });
  for (const auto& count : seen)
    if (count != 1) return false;
  return whole;
}

std::string refusal_of(const char* threads) {
  ::setenv("GRIDCOMPUTE_NUM_THREADS", threads, 1);
  std::string what;
  try {
    (void)threads_of_environment();
  } catch (const Error& e) {
    what = e.what();
  }
  ::unsetenv("GRIDCOMPUTE_NUM_THREADS");
  return what;
}

int environment(const char* threads) {
  ::setenv("GRIDCOMPUTE_NUM_THREADS", threads, 1);
  const int found = threads_of_environment();
  ::unsetenv("GRIDCOMPUTE_NUM_THREADS");
  return found;
}

}  // namespace

// If this fails, a loop of three chunks starts a thread for each CPU of a large machine, or for each asked for.
TEST(pool_starts_no_more_threads_than_there_are_chunks) {
  constexpr int kAll = std::numeric_limits<int>::max();
  for (const int asked : {1, 2, 7, 96, kAll}) {
    allowed = 4 * kMostThreads, started = 0;
    Pool pool(asked, &start_some);
    for (const Index chunks : {0, 1}) CHECK(visits_all(pool, chunks * 10, 10) && started == 0);
    for (const Index chunks : {2, 3, 2, 50}) {
      const int before = started;
      CHECK(visits_all(pool, chunks * 10 - 1, 10));
      CHECK(started == std::max(before, std::min(asked, static_cast<int>(chunks)) - 1));
    }
    CHECK(visits_all(pool, 2 * kMostThreads, 1));
    CHECK(started == std::min(asked, kMostThreads) - 1);
  }
}

// If this fails, a solve ends in an exception where the system has no thread to spare (containers with few processes,
// little address space), though it could do without.
TEST(pool_goes_on_with_fewer_threads_where_the_system_refuses) {
  for (const int most : {0, 1, 5}) {
    allowed = most, started = 0;
    Pool pool(96, &start_some);
    for (int k = 0; k < 3; ++k) CHECK(visits_all(pool, 1000, 3));
    CHECK(started == most);
    CHECK(pool.threads() == most + 1);
    allowed = 200;
    CHECK(visits_all(pool, 1000, 3) && started == most);  // asked once
  }
}

// If this fails, an exception of a hook leaves threads running in a loop that has ended, and they write to freed
// memory.
TEST(pool_waits_for_its_threads_where_the_stop_throws) {
  for (const int threads : {1, 2, 7, 96}) {
    for (int k = 0; k < 20; ++k) {
      Pool pool(threads);
      Stop stop(1e9, [](const Progress&) -> Stop::Why { throw std::runtime_error("from the hook"); });
      std::vector<int> seen(100'000);  // never all of it: one chunk of the calling thread is enough
      const auto body = [&](Index, Index begin, Index) {
        std::this_thread::sleep_for(std::chrono::microseconds(50));
        seen[static_cast<std::size_t>(begin)] = 1;
      };
      CHECK_THROWS(pool.for_chunks(100'000, 1, body, &stop), std::runtime_error);
      CHECK(visits_all(pool, 1000, 3));
    }
  }
}

// If this fails, threads of a pool that is destroyed at once use freed memory. Repeated some tens of times, for TSan
// and ASan.
TEST(pool_joins_its_threads_before_what_they_use_goes) {
  for (int k = 0; k < 50; ++k) {
    Pool pool(16);
    CHECK(visits_all(pool, 16, 1));
  }
}

// If this fails, a whole number beyond int counts as some other one, or letters as none.
TEST(threads_of_the_environment_are_a_whole_number_or_an_error) {
  CHECK(environment("1") == 1 && environment("96") == 96 && environment("") == 0);
  for (const char* most : {"2147483647", "2147483648", "4294967297", "18446744073709551616", "99999999999999999999999"})
    CHECK(environment(most) == kMostThreads);
  for (const char* wrong :
       {"0", "-1", "four", "4x", "4 ", " 4", "4.0", "+4", "1e3", "0x10", "99999999999999999999999x"}) {
    const std::string what = refusal_of(wrong);
    CHECK(what == std::string("GRIDCOMPUTE_NUM_THREADS: found '") + wrong + "', needed a whole number from 1");
  }
  CHECK(thread_count(std::numeric_limits<int>::max()) == kMostThreads);
  CHECK(thread_count(0) >= 1 && thread_count(-3) == thread_count(0));
}

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

// If this fails, blocks that threads allocate overlap, or are not aligned as requested.
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

// If this fails, Ctrl-C waits for a long chunk of another thread: here for ever, because the chunk waits for the stop.
TEST(pool_serves_the_stop_while_other_threads_finish) {
  Pool pool(2);
  const auto caller = std::this_thread::get_id();
  std::atomic<bool> begun = false;
  Stop stop(1e9, [&](const Progress&) { return begun ? Stop::Why::interrupted : Stop::Why::none; });
  pool.for_chunks(
      2, 1,
      [&](Index, Index, Index) {
        if (std::this_thread::get_id() == caller) {
          while (!begun) std::this_thread::yield();  // until the other chunk is another thread's
        } else {
          begun = true;
          std::this_thread::sleep_for(std::chrono::milliseconds(50));  // the caller is done, and waits
          while (!stop.requested()) std::this_thread::yield();
        }
      },
      &stop);
  CHECK(stop.why() == Stop::Why::interrupted);
}

// If this fails, Ctrl-C waits for all work that follows a pass over the costs, or a time limit discards this work.
TEST(pool_goes_on_after_a_time_limit_but_not_after_an_interrupt) {
  for (const int threads : {1, 3}) {
    for (const auto why : {Stop::Why::stopped, Stop::Why::interrupted}) {
      Pool pool(threads);
      std::atomic<bool> asked = false;
      Stop stop(-1, [&](const Progress&) {
        asked = true;
        return why;
      });
      CHECK(stop.poll() && stop.why() == Stop::Why::time_limit);
      asked = false;
      std::atomic<Index> ran = 0;
      const auto caller = std::this_thread::get_id();
      const auto chunk = [&](Index, Index, Index) {
        ++ran;
        // Other threads leave the caller, who asks, the last of the chunks: on a busy machine they would do all.
        while (why == Stop::Why::interrupted && std::this_thread::get_id() != caller && !asked)
          std::this_thread::yield();
      };
      const bool whole = pool.for_chunks_ignoring_deadline(1000, 1, chunk, stop);
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
  stop.set_closing_time(3000);
  stop.set_closing_time(10);  // replaces the setting before
  CHECK(!stop.poll());
  stop.set_closing_time(3700);
  CHECK(stop.poll() && stop.why() == Stop::Why::time_limit);
  Stop endless;
  endless.set_closing_time(1e12);
  CHECK(!endless.poll());
}

// If this fails, a limit of work ends a solve at a point that depends on threads, on time, or on the counts of loops.
TEST(stop_ends_at_a_limit_of_work_between_loops_alone) {
  constexpr double kNever = std::numeric_limits<double>::infinity();
  Stop stop(kNever, {}, 2);
  CHECK(!stop.poll(2 * Stop::kStepsPerUnit) && stop.steps_left() == 0);
  CHECK(stop.poll(1) && stop.why() == Stop::Why::time_limit && stop.steps_left() == -1);
  CHECK(stop.work() == 2.001);
  CHECK(!stop.closing_time_over());  // what follows is not cut short
  for (const int threads : {1, 3}) {
    Pool pool(threads);
    Stop none_left(kNever, {}, 0);
    none_left.count(1);
    std::atomic<Index> ran = 0;
    const auto body = [&](Index, Index, Index) { ++ran; };
    CHECK(pool.for_chunks(1000, 1, body, &none_left) && ran == 1000);
    CHECK(none_left.work() == 1.001 && !none_left.requested());
    CHECK(none_left.poll() && !pool.for_chunks(1000, 1, body, &none_left) && ran == 1000);
  }
  for (const double enormous : {0x1p53, 1e300, kNever}) {
    Stop free(kNever, {}, enormous);
    CHECK(!free.poll(Index{1} << 62) && free.steps_left() == std::numeric_limits<Index>::max());
  }
}

}  // namespace gridcompute
