#include "gridcompute/base/block_cache.hpp"

#include <thread>
#include <vector>

#include "check.hpp"
#include "gridcompute/base/pages.hpp"

namespace gridcompute {

namespace {

constexpr std::size_t kPiece = std::size_t{1} << 20;

}  // namespace

// The point of it all: what one solve frees, the next takes. A larger piece handed out as a smaller one would come back
// as that, and the shelf hold more than it counts.
TEST(shelf_gives_a_piece_of_just_that_size) {
  Shelf shelf;
  void* const small = map_pages(kPiece, 1);
  void* const large = map_pages(2 * kPiece, 1);
  CHECK(shelf.take(kPiece) == nullptr);
  CHECK(shelf.give(large, 2 * kPiece));
  CHECK(shelf.give(small, kPiece));
  CHECK(shelf.take(3 * kPiece) == nullptr);
  CHECK(shelf.take(kPiece) == small);
  CHECK(shelf.take(kPiece) == nullptr);
  CHECK(shelf.take(2 * kPiece) == large);
  unmap_pages(small, kPiece);
  unmap_pages(large, 2 * kPiece);
}

// Without a bound a process that solves now and then for months would seem to grow. A leak or a double free here is
// what the address sanitizer reports.
TEST(shelf_lets_the_oldest_go) {
  Shelf shelf;
  const std::size_t room = Shelf::kMost / Shelf::kLargest;
  std::vector<void*> given;
  for (std::size_t k = 0; k < room + 1; ++k) {
    given.push_back(map_pages(Shelf::kLargest, 1));
    CHECK(shelf.give(given.back(), Shelf::kLargest));
  }
  std::size_t kept = 0;
  for (void* piece = shelf.take(Shelf::kLargest); piece != nullptr; piece = shelf.take(Shelf::kLargest), ++kept) {
    CHECK(piece == given[kept + 1]);  // of equal ones the oldest, but the very first is gone
    unmap_pages(piece, Shelf::kLargest);
  }
  CHECK(kept == room);
  for (int k = 0; k < 100; ++k) CHECK(shelf.give(map_pages(Shelf::kLeast, 1), Shelf::kLeast));
  kept = 0;
  for (void* piece = shelf.take(Shelf::kLeast); piece != nullptr; piece = shelf.take(Shelf::kLeast), ++kept)
    unmap_pages(piece, Shelf::kLeast);
  CHECK(kept == 100);
}

// If this fails, many small pieces are faulted in again and again while a few large ones, on huge pages, stay.
TEST(shelf_lets_huge_pages_go_first) {
  Shelf shelf;
  std::vector<void*> small;
  for (std::size_t k = 0; k < 2; ++k) CHECK(shelf.give(small.emplace_back(map_pages(kPiece, 1)), kPiece));
  for (std::size_t k = 0; k < Shelf::kMost / Shelf::kLargest; ++k)
    CHECK(shelf.give(map_pages(Shelf::kLargest, 1), Shelf::kLargest));
  for (void* const piece : small) {
    CHECK(shelf.take(kPiece) == piece);
    unmap_pages(piece, kPiece);
  }
  for (void* piece = shelf.take(Shelf::kLargest); piece != nullptr; piece = shelf.take(Shelf::kLargest))
    unmap_pages(piece, Shelf::kLargest);
}

// If this fails, a process runs out of memory that the shelf holds.
TEST(shelf_keeps_nothing_where_memory_is_short) {
  Shelf shelf;
  CHECK(shelf.give(map_pages(kPiece, 1), kPiece));
  shelf.close();
  CHECK(shelf.take(kPiece) == nullptr);
  void* const piece = map_pages(kPiece, 1);
  CHECK(!shelf.give(piece, kPiece));
  unmap_pages(piece, kPiece);
}

// Two solves at once must never be handed one piece; who finds the shelf in use does without.
TEST(shelf_serves_threads) {
  Shelf shelf;
  const auto work = [&](int mine) {
    for (int k = 0; k < 2000; ++k) {
      void* piece = shelf.take(Shelf::kLeast);
      if (piece == nullptr) piece = map_pages(Shelf::kLeast, 1);
      auto* const first = static_cast<volatile int*>(piece);
      *first = mine;
      CHECK(*first == mine);
      if (!shelf.give(piece, Shelf::kLeast)) unmap_pages(piece, Shelf::kLeast);
    }
  };
  {
    const std::jthread a(work, 1), b(work, 2);
  }
  for (void* piece = shelf.take(Shelf::kLeast); piece != nullptr; piece = shelf.take(Shelf::kLeast))
    unmap_pages(piece, Shelf::kLeast);
}

}  // namespace gridcompute
