// Inverted index of CSR rows: for each ordered pair of classes (a, b) the jobs of a that list b, and the cheapest move.
//
// Problem.  W[a][b] = min over the jobs in a of key_b - key_a. When a job leaves a class, recomputing the whole row of
// W from many members with few keys each is expensive, though only the one or two entries that it attained change.
//
// Data structure.  The jobs of each pair: an array sorted by pair for the initial members, linked chains for those
// inserted later. Entries of jobs that have left stay and are skipped (lazy deletion).
//
// Memory.  Up to a number of classes the pairs are addressed directly, 12 bytes a pair. With more classes they are
// hashed: memory is proportional to the listed pairs that some member ever had, whatever the number of classes.
#pragma once

#include <limits>
#include <unordered_map>
#include <vector>

#include "gridcompute/base/default_init.hpp"
#include "gridcompute/transport/kernels/exchange_graph_kernels.hpp"

namespace gridcompute::transport {

template <class T>
class SparseExchangeIndex {
 public:
  SparseExchangeIndex() = default;
  // Prepares for these members of all classes, one unit each; add_class() must follow for each class in order. Pairs
  // are addressed directly up to `direct` classes.
  SparseExchangeIndex(const CsrKeyRows<T>& rows, const std::vector<std::vector<JobUnits<T>>>& members,
                      std::size_t direct);
  // Enters the members of class a and computes its row of W (null where it needs none).
  void add_class(Slot a, const std::vector<JobUnits<T>>& members, bool spare, T* row);

  // Recomputes row a of W from the current members.
  void rebuild(Slot a, bool spare, T* row);
  // Updates row a of W after a member was added, or removed.
  void insert(Slot a, const JobUnits<T>& member, T* row);
  void erase(Slot a, const JobUnits<T>& member, bool spare, T* row);

  // Returns the job that attains W[a][b], kNone where no member lists b.
  [[nodiscard]] std::int32_t cheapest_job(Slot a, Slot b) const {
    const std::size_t at = find(a, b);
    return at == kAbsent ? kNone : cheapest_job_[at];
  }

 private:
  static constexpr std::size_t kAbsent = std::numeric_limits<std::size_t>::max();

  struct Exchange {
    std::int32_t row;
    T cost;
  };
  struct ChainLink {
    Exchange row;
    std::int32_t next;
  };

  struct ListedPair {  // a pair (a, to) that was added
    Slot to;
    std::int32_t at;
  };

  [[nodiscard]] std::size_t index(Slot a, Slot b) const { return static_cast<std::size_t>(a) * columns_ + b; }
  // Returns the position of a pair; kAbsent if it was never added (hashed form only).
  [[nodiscard]] std::size_t find(Slot a, Slot b) const {
    if (tables_) return index(a, b);
    const auto it = position_of_.find(index(a, b));
    return it == position_of_.end() ? kAbsent : static_cast<std::size_t>(it->second);
  }
  [[nodiscard]] std::size_t add(Slot a, Slot b);
  void append(std::size_t at, Exchange row);
  [[nodiscard]] T recompute_cheapest(Slot a, std::size_t at, T at_most);
  void reset_row(bool spare, T* row) const;

  CsrKeyRows<T> rows_{};
  std::size_t columns_ = 0;
  bool tables_ = true;
  std::vector<std::int32_t> class_of_;  // (rows) current class, or kNone
  std::vector<std::int32_t> begin_;     // (pairs + 1) initial members by pair; direct form only
  std::vector<std::int32_t> next_;      // (columns) write positions; direct form only
  DefaultInitVector<Exchange> exchanges_;
  std::unordered_map<std::size_t, std::int32_t> position_of_;  // hashed form: position of each pair added
  std::vector<std::vector<ListedPair>> pairs_of_;              // hashed form: (columns) pairs added of each class
  std::vector<std::int32_t> chain_head_, cheapest_job_;        // (pairs) newest link, and the job that attains W
  std::vector<ChainLink> links_;
};

}  // namespace gridcompute::transport
