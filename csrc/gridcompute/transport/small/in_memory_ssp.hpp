// Successive shortest paths on the class graph, all keys in memory. Essay in small_problem.hpp.
#pragma once

#include <limits>
#include <optional>
#include <span>
#include <type_traits>
#include <unordered_map>
#include <variant>
#include <vector>

#include "gridcompute/base/memory.hpp"
#include "gridcompute/base/stop.hpp"
#include "gridcompute/transport/kernels/exchange_graph_kernels.hpp"
#include "gridcompute/transport/problem.hpp"

namespace gridcompute::transport {

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

// A row of the key matrix and how many units of supply have it.
struct WeightedRow {
  std::int32_t row;
  std::int32_t units;
};

// Rows: DenseKeyRows<T> or CsrKeyRows<T>.
template <class T, class Rows = DenseKeyRows<T>>
class ClassGraphSsp {
 public:
  // prices: any start prices, padded like rows.
  ClassGraphSsp(const Rows& rows, std::span<const WeightedRow> lots, std::span<const Cost> capacity,
                AlignedVector<T> prices, Stop& stop, Stats& stats, const Tuning& tuning = kDefaultTuning);

  // Assigns every unit to its cheapest class. Returns the number of units that violate complementary slackness: excess
  // over a capacity, and slack of classes with a price above the least. nullopt where a row has no allowed class.
  [[nodiscard]] std::optional<Cost> assign_all();

  // To be called after assign_all(): runs bids within a limit of row reads per row; returns whether little excess is
  // left.
  [[nodiscard]] bool try_bids(Index rows_read_per_row);

  // To be called after assign_all(): runs the bids of run(); returns whether they leave excess of at most one unit in
  // `share`.
  [[nodiscard]] bool bids_leave_few(Index share);

  // To be called after assign_all(): runs bids, then shortest paths. False where keys or prices leave the range of T,
  // capacities do not suffice, some unit has no path, or after a stop.
  [[nodiscard]] bool run();
  [[nodiscard]] bool too_narrow() const noexcept { return beyond_range_; }  // run() failed for the range of T

  // Returns the prices, shifted so that the least is 0: that of the classes with unused slots.
  [[nodiscard]] AlignedVector<T> prices() const;
  [[nodiscard]] const std::vector<std::vector<JobUnits<T>>>& members() const noexcept { return members_; }

 private:
  static constexpr bool kListed = std::is_same_v<Rows, CsrKeyRows<T>>;

  struct UnitMargin {
    T margin;
    std::int32_t row;
    Slot at;  // position among the class's members
    bool operator<(const UnitMargin& than) const noexcept {
      return margin != than.margin ? margin < than.margin : row > than.row;
    }
  };
  using MarginIterator = typename std::vector<UnitMargin>::iterator;

  // Returns whether this key + price is of a forbidden class, or of the bidding class itself; prices are at least 0.
  [[nodiscard]] static bool forbidden(T v) { return v >= KeyRange<T>::kForbid - KeyRange<T>::kKey; }
  [[nodiscard]] Cost excess(Slot s) const { return load_[s] - capacity_[s]; }
  [[nodiscard]] bool empty(Slot a) const { return members_[a].empty() && spare_[a] == 0; }
  [[nodiscard]] LeastAt<T> best(std::int32_t row) const { return least_cost(rows_, row, price_.data()); }
  [[nodiscard]] Cost total_excess() const;
  bool beyond_range() noexcept;

  void assign_cheapest(std::int32_t row, Cost units, LeastAt<T> best, std::vector<Slot>* filled);
  bool add_units(std::int32_t row, Slot s, Cost units, T own);
  bool run_bids(Index rows_read_per_row);
  bool bid_class(Slot a, std::vector<Slot>& next);
  MarginIterator select_leaving(Slot a, Cost& units);
  bool place_spare_units();

  bool run_paths();
  bool search(Cost left);
  bool raise_prices();
  Cost augment(Slot target);
  [[nodiscard]] bool moves_spare_units(Slot a, Slot b) const { return spare_[a] > 0 && price_[a] == price_[b]; }
  [[nodiscard]] std::size_t deciding_job(Slot a, Slot b);
  void move(Slot a, Slot b, std::size_t at, Cost units);
  void update_row(Slot a, const JobUnits<T>* left);
  [[nodiscard]] T* exchange_row(Slot a) { return exchange_rows_.data() + row_of_class_[a] * rows_.stride; }
  T* own_exchange_row(Slot a);

  [[nodiscard]] bool holds() const;

  Rows rows_;
  std::span<const WeightedRow> rows_with_units_;
  Slot columns_;
  std::span<const Cost> capacity_;
  Stop& stop_;
  Stats& stats_;
  const Tuning& tuning_;
  Cost units_ = 0;
  bool single_ = true;  // every row has one unit
  AlignedVector<T> price_;
  std::vector<std::vector<JobUnits<T>>> members_;
  std::vector<Cost> spare_, load_;  // spare: units of the dummy supply; load: of jobs and spare units
  std::vector<UnitMargin> margins_;
  std::vector<LeastAt<T>> second_best_;  // cheapest class of each member outside its own
  // Rows of W. A spare unit moves to any class at key 0, so all classes with spare units only share one row of zeros;
  // with more classes than jobs, a row each would take memory quadratic in the number of classes.
  static constexpr Slot kSpareRow = 0;
  DefaultInitVector<T> exchange_rows_;
  std::vector<Slot> row_of_class_, free_rows_;  // row_of_class: (columns), kNone where a class has no units
  Index n_exchange_rows_ = 0;
  std::conditional_t<kListed, SparseExchangeIndex<T>, std::monostate> exchange_index_;  // of CSR rows
  ShortestPathTree<T> tree_;
  std::vector<Slot> path_;
  std::vector<std::size_t> deciding_jobs_;
  bool bids_done_ = false, beyond_range_ = false;
};

}  // namespace gridcompute::transport
