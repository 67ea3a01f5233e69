#include "gridcompute/base/shelf.hpp"

#include <cstdlib>
#include <thread>
#include <vector>

#include "check.hpp"

namespace gridcompute {

namespace {

constexpr std::size_t kPiece = std::size_t{1} << 20;

}  // namespace

// The point of it all: what one solve frees, the next takes. A larger piece handed out as a smaller one would come back
// as that, and the shelf hold more than it counts.
TEST(shelf_gives_a_piece_of_just_that_size) {
  Shelf shelf;
  void* const small = std::malloc(kPiece);
  void* const large = std::malloc(2 * kPiece);
  CHECK(shelf.take(kPiece) == nullptr);
  CHECK(shelf.give(large, 2 * kPiece));
  CHECK(shelf.give(small, kPiece));
  CHECK(shelf.take(3 * kPiece) == nullptr);
  CHECK(shelf.take(kPiece) == small);
  CHECK(shelf.take(kPiece) == nullptr);
  CHECK(shelf.take(2 * kPiece) == large);
  std::free(small);
  std::free(large);
}

// Without a bound a process that solves now and then for months would seem to grow. A leak or a double free here is
// what the address sanitizer reports.
TEST(shelf_lets_the_oldest_go) {
  Shelf shelf;
  const std::size_t room = Shelf::kMost / Shelf::kLargest;
  std::vector<void*> given;
  for (std::size_t k = 0; k < room + 1; ++k) {
    given.push_back(std::malloc(Shelf::kLargest));
    CHECK(shelf.give(given.back(), Shelf::kLargest));
  }
  std::size_t kept = 0;
  for (void* piece = shelf.take(Shelf::kLargest); piece != nullptr; piece = shelf.take(Shelf::kLargest), ++kept) {
    CHECK(piece == given[kept + 1]);  // of equal ones the oldest, but the very first is gone
    std::free(piece);
  }
  CHECK(kept == room);
  for (int k = 0; k < 100; ++k) CHECK(shelf.give(std::malloc(Shelf::kLeast), Shelf::kLeast));
  kept = 0;
  for (void* piece = shelf.take(Shelf::kLeast); piece != nullptr; piece = shelf.take(Shelf::kLeast), ++kept)
    std::free(piece);
  CHECK(kept == 32);
}

// Two solves at once must never be handed one piece; who finds the shelf in use does without.
TEST(shelf_serves_threads) {
  Shelf shelf;
  const auto work = [&](int mine) {
    for (int k = 0; k < 2000; ++k) {
      void* piece = shelf.take(Shelf::kLeast);
      if (piece == nullptr) piece = std::malloc(Shelf::kLeast);
      auto* const first = static_cast<volatile int*>(piece);
      *first = mine;
      CHECK(*first == mine);
      if (!shelf.give(piece, Shelf::kLeast)) std::free(piece);
    }
  };
  {
    const std::jthread a(work, 1), b(work, 2);
  }
  for (void* piece = shelf.take(Shelf::kLeast); piece != nullptr; piece = shelf.take(Shelf::kLeast)) std::free(piece);
}

}  // namespace gridcompute
