// Over listed rows: who may go from each class to each other, and whose key decides the way.
//
// A row of W over many members with a few keys each is dear to do again: all of it for the one or two ways that who
// left had decided. Here those with a key for b that lie in a are found by (a, b): an array sorted by pair for all at
// the start, chains for those who came later. Who has left stays where it is, and is passed over.
#pragma once

#include <vector>

#include "gridcompute/base/unwritten.hpp"
#include "gridcompute/transport/ways.hpp"

namespace gridcompute::transport {

template <class T>
class Between {
 public:
  Between() = default;
  // For these members of all classes, one unit each,
  Between(const Listed<T>& rows, const std::vector<std::vector<Member<T>>>& members);
  // told one class after the other: row a of W, null where nobody is to leave it.
  void start(Slot a, const std::vector<Member<T>>& members, bool spare, T* way);

  // Row a of W from all who lie there.
  void build(Slot a, bool spare, T* way);
  // The same after one came, or left.
  void come(Slot a, const Member<T>& member, T* way);
  void leave(Slot a, const Member<T>& member, bool spare, T* way);

  [[nodiscard]] std::int32_t who(Slot a, Slot b) const { return who_[pair(a, b)]; }

 private:
  struct Way {
    std::int32_t row;
    T cost;
  };
  struct Later {
    Way way;
    std::int32_t next;
  };

  [[nodiscard]] std::size_t pair(Slot a, Slot b) const { return static_cast<std::size_t>(a) * columns_ + b; }
  [[nodiscard]] T least(Slot a, Slot b, T at_most);
  void blank(bool spare, T* way) const;

  Listed<T> rows_{};
  std::size_t columns_ = 0;
  std::vector<std::int32_t> where_;  // (rows) the class, or kNone
  std::vector<std::int32_t> begin_;  // (pairs + 1)
  std::vector<std::int32_t> next_;   // (columns)
  UnwrittenVector<Way> ways_;
  std::vector<std::int32_t> chain_, who_;  // (pairs) the first of those who came later; whose key decides
  std::vector<Later> later_;
};

}  // namespace gridcompute::transport
