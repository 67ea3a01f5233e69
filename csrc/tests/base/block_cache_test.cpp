#include <thread>
#include <vector>

#include "check.hpp"
#include "gridcompute/base/memory.hpp"

namespace gridcompute {

namespace {

constexpr std::size_t kPiece = std::size_t{1} << 20;

}  // namespace

// Memory that one solve frees is used by the next. A larger block handed out as a smaller one would be returned as
// that, and the cache would hold more than it counts.
TEST(block_cache_gives_a_piece_of_just_that_size) {
  LargeBlockCache cache;
  void* const small = map_pages(kPiece, 1);
  void* const large = map_pages(2 * kPiece, 1);
  CHECK(cache.allocate(kPiece) == nullptr);
  CHECK(cache.release(large, 2 * kPiece));
  CHECK(cache.release(small, kPiece));
  CHECK(cache.allocate(3 * kPiece) == nullptr);
  CHECK(cache.allocate(kPiece) == small);
  CHECK(cache.allocate(kPiece) == nullptr);
  CHECK(cache.allocate(2 * kPiece) == large);
  unmap_pages(small, kPiece);
  unmap_pages(large, 2 * kPiece);
}

// Without a bound a process that solves now and then for months would seem to grow. A leak or a double free here is
// what the address sanitizer reports.
TEST(block_cache_lets_the_oldest_go) {
  LargeBlockCache cache;
  const std::size_t room = LargeBlockCache::kMaxTotal / LargeBlockCache::kMaxBlock;
  std::vector<void*> given;
  for (std::size_t k = 0; k < room + 1; ++k) {
    given.push_back(map_pages(LargeBlockCache::kMaxBlock, 1));
    CHECK(cache.release(given.back(), LargeBlockCache::kMaxBlock));
  }
  std::size_t kept = 0;
  for (void* piece = cache.allocate(LargeBlockCache::kMaxBlock); piece != nullptr;
       piece = cache.allocate(LargeBlockCache::kMaxBlock), ++kept) {
    CHECK(piece == given[kept + 1]);  // of equal ones the oldest, but the very first is gone
    unmap_pages(piece, LargeBlockCache::kMaxBlock);
  }
  CHECK(kept == room);
  for (int k = 0; k < 100; ++k)
    CHECK(cache.release(map_pages(LargeBlockCache::kMinBlock, 1), LargeBlockCache::kMinBlock));
  kept = 0;
  for (void* piece = cache.allocate(LargeBlockCache::kMinBlock); piece != nullptr;
       piece = cache.allocate(LargeBlockCache::kMinBlock), ++kept)
    unmap_pages(piece, LargeBlockCache::kMinBlock);
  CHECK(kept == 100);
}

// If this fails, many small blocks are freed and mapped again while a few large ones, on huge pages, stay.
TEST(block_cache_lets_huge_pages_go_first) {
  LargeBlockCache cache;
  std::vector<void*> small;
  for (std::size_t k = 0; k < 2; ++k) CHECK(cache.release(small.emplace_back(map_pages(kPiece, 1)), kPiece));
  for (std::size_t k = 0; k < LargeBlockCache::kMaxTotal / LargeBlockCache::kMaxBlock; ++k)
    CHECK(cache.release(map_pages(LargeBlockCache::kMaxBlock, 1), LargeBlockCache::kMaxBlock));
  for (void* const piece : small) {
    CHECK(cache.allocate(kPiece) == piece);
    unmap_pages(piece, kPiece);
  }
  for (void* piece = cache.allocate(LargeBlockCache::kMaxBlock); piece != nullptr;
       piece = cache.allocate(LargeBlockCache::kMaxBlock))
    unmap_pages(piece, LargeBlockCache::kMaxBlock);
}

// If this fails, a process runs out of memory that the cache holds.
TEST(block_cache_keeps_nothing_where_memory_is_short) {
  LargeBlockCache cache;
  CHECK(cache.release(map_pages(kPiece, 1), kPiece));
  cache.disable();
  CHECK(cache.allocate(kPiece) == nullptr);
  void* const piece = map_pages(kPiece, 1);
  CHECK(!cache.release(piece, kPiece));
  unmap_pages(piece, kPiece);
}

// Two solves at once must never get the same block; a solve that finds the cache in use allocates its own.
TEST(block_cache_serves_threads) {
  LargeBlockCache cache;
  const auto work = [&](int mine) {
    for (int k = 0; k < 2000; ++k) {
      void* piece = cache.allocate(LargeBlockCache::kMinBlock);
      if (piece == nullptr) piece = map_pages(LargeBlockCache::kMinBlock, 1);
      auto* const first = static_cast<volatile int*>(piece);
      *first = mine;
      CHECK(*first == mine);
      if (!cache.release(piece, LargeBlockCache::kMinBlock)) unmap_pages(piece, LargeBlockCache::kMinBlock);
    }
  };
  {
    const std::jthread a(work, 1), b(work, 2);
  }
  for (void* piece = cache.allocate(LargeBlockCache::kMinBlock); piece != nullptr;
       piece = cache.allocate(LargeBlockCache::kMinBlock))
    unmap_pages(piece, LargeBlockCache::kMinBlock);
}

}  // namespace gridcompute
