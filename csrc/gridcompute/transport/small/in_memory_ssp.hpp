// Successive shortest paths on the class graph, all keys in memory. Essay in small_problem.hpp.
#pragma once

#include <optional>
#include <span>
#include <type_traits>
#include <variant>
#include <vector>

#include "gridcompute/base/default_init.hpp"
#include "gridcompute/base/stop.hpp"
#include "gridcompute/transport/problem.hpp"
#include "gridcompute/transport/small/sparse_exchange_index.hpp"

namespace gridcompute::transport {

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
