// Over listed rows: who may go from each class to each other, and whose key decides the way.
//
// A row of W over many members with a few keys each is dear to do again: all of it for the one or two ways that the job
// that left had decided. Here those with a key for b that lie in a are found by (a, b): an array sorted by pair for all
// at the start, chains for those that came later. Entries of jobs that have left stay, and are passed over.
//
// Memory. Tables of all pairs of classes are the fastest way to find one, and take 12 bytes each: up to some thousand
// classes. Beyond, pairs are found by hashing, and only those that some member ever had take memory: by the entries of
// the lists, however many classes there are.
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
  // For these members of all classes, one unit each,
  SparseExchangeIndex(const CsrKeyRows<T>& rows, const std::vector<std::vector<JobUnits<T>>>& members);
  // told one class after the other: row a of W, null where nobody is to leave it.
  void add_class(Slot a, const std::vector<JobUnits<T>>& members, bool spare, T* row);

  // Row a of W from all who lie there.
  void rebuild(Slot a, bool spare, T* row);
  // The same after one came, or left.
  void insert(Slot a, const JobUnits<T>& member, T* row);
  void erase(Slot a, const JobUnits<T>& member, bool spare, T* row);

  // The job whose key decides the way, kNone where no member has one.
  [[nodiscard]] std::int32_t cheapest_job(Slot a, Slot b) const {
    const std::size_t at = find(a, b);
    return at == kAbsent ? kNone : cheapest_job_[at];
  }

 private:
  static constexpr std::size_t kTables = 1024;  // classes: 12 MB
  static constexpr std::size_t kAbsent = std::numeric_limits<std::size_t>::max();

  struct Exchange {
    std::int32_t row;
    T cost;
  };
  struct ChainLink {
    Exchange row;
    std::int32_t next;
  };

  struct ListedPair {  // a pair of a class
    Slot to;
    std::int32_t at;
  };

  [[nodiscard]] std::size_t index(Slot a, Slot b) const { return static_cast<std::size_t>(a) * columns_ + b; }
  // The position of a pair in the tables; without tables kAbsent where it was never added.
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
  std::vector<std::int32_t> class_of_;  // (rows) the class, or kNone
  std::vector<std::int32_t> begin_;     // (pairs + 1), with tables
  std::vector<std::int32_t> next_;      // (columns), with tables
  DefaultInitVector<Exchange> exchanges_;
  std::unordered_map<std::size_t, std::int32_t> position_of_;  // without tables: the position of each pair added,
  std::vector<std::vector<ListedPair>> pairs_of_;              // and those of each class
  std::vector<std::int32_t> chain_head_, cheapest_job_;  // (pairs) the first of those who came later; whose key decides
  std::vector<ChainLink> links_;
};

}  // namespace gridcompute::transport
