// Units of jobs on classes, all keys in memory: bids, then shortest paths between classes. See small_problem.hpp.
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

// So many jobs with one row.
struct WeightedRow {
  std::int32_t row;
  std::int32_t units;
};

// Rows: Matrix<T>, or Listed<T>.
template <class T, class Rows = DenseKeyRows<T>>
class ClassGraphSsp {
 public:
  // Prices (padded like rows) may be any.
  ClassGraphSsp(const Rows& rows, std::span<const WeightedRow> lots, std::span<const Cost> capacity,
                AlignedVector<T> prices, Stop& stop, Stats& stats);

  // Each lot at its cheapest class. How many units are out of place there: too many, or too few where a price says that
  // the class is full. Nothing where a lot has no class.
  [[nodiscard]] std::optional<Cost> assign_all();

  // After that, to be tried before run(): do bids of so many looks a lot leave little to do?
  [[nodiscard]] bool try_bids(Index rows_read_per_row);

  // The same for as many looks as run() takes: do they leave no more than one unit in `many`?
  [[nodiscard]] bool bids_leave_few(Index share);

  // After that. False without range, room or a way for all, after a stop, or where it would take too long.
  [[nodiscard]] bool run();
  [[nodiscard]] bool too_narrow() const noexcept { return beyond_range_; }  // the type may have been why

  // Prices with the least of them at 0: those of a class with spare room.
  [[nodiscard]] AlignedVector<T> prices() const;
  [[nodiscard]] const std::vector<std::vector<JobUnits<T>>>& members() const noexcept { return members_; }

 private:
  static constexpr bool kListed = std::is_same_v<Rows, CsrKeyRows<T>>;

  struct UnitMargin {
    T margin;
    std::int32_t row;
    Slot at;  // of the class's members
    bool operator<(const UnitMargin& than) const noexcept {
      return margin != than.margin ? margin < than.margin : row > than.row;
    }
  };
  using MarginIterator = typename std::vector<UnitMargin>::iterator;

  // A forbidden class, or the one that is left: prices are not below 0.
  [[nodiscard]] static bool forbidden(T v) { return v >= KeyLimits<T>::kForbid - KeyLimits<T>::kKey; }
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
  Cost units_ = 0;
  bool single_ = true;  // one unit a lot
  AlignedVector<T> price_;
  std::vector<std::vector<JobUnits<T>>> members_;
  std::vector<Cost> spare_, load_;  // load: of jobs and spare units
  std::vector<UnitMargin> margins_;
  std::vector<LeastAt<T>> second_best_;  // a class's members, were they elsewhere
  // Rows of W. Spare units cost 0 to every class, so that classes with nothing else share one row of zeros: with more
  // classes than jobs a row each would take the square of the number of classes.
  static constexpr Slot kSpareRow = 0;
  DefaultInitVector<T> exchange_rows_;
  std::vector<Slot> row_of_class_, free_rows_;  // (columns) a class's row; kNone where it has no units
  Index n_exchange_rows_ = 0;
  std::conditional_t<kListed, SparseExchangeIndex<T>, std::monostate> exchange_index_;  // over lists
  ShortestPathTree<T> tree_;
  std::vector<Slot> path_;
  std::vector<std::size_t> deciding_jobs_;
  bool bids_done_ = false, beyond_range_ = false;
};

}  // namespace gridcompute::transport
