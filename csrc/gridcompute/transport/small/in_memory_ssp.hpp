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
struct Lot {
  std::int32_t row;
  std::int32_t units;
};

// Rows: Matrix<T>, or Listed<T>.
template <class T, class Rows = DenseKeyRows<T>>
class Dense {
 public:
  // Prices (padded like rows) may be any.
  Dense(const Rows& rows, std::span<const Lot> lots, std::span<const Cost> capacity, AlignedVector<T> prices,
        Stop& stop, Stats& stats);

  // Each lot at its cheapest class. How many units are out of place there: too many, or too few where a price says that
  // the class is full. Nothing where a lot has no class.
  [[nodiscard]] std::optional<Cost> place();

  // After that, to be tried before run(): do bids of so many looks a lot leave little to do?
  [[nodiscard]] bool bids_suffice(Index looks_a_lot);

  // The same for as many looks as run() takes: do they leave no more than one unit in `many`?
  [[nodiscard]] bool bids_leave(Index many);

  // After that. False without range, room or a way for all, after a stop, or where it would take too long.
  [[nodiscard]] bool run();
  [[nodiscard]] bool too_narrow() const noexcept { return beyond_range_; }  // the type may have been why

  // Prices with the least of them at 0: those of a class with spare room.
  [[nodiscard]] AlignedVector<T> prices() const;
  [[nodiscard]] const std::vector<std::vector<JobUnits<T>>>& members() const noexcept { return members_; }

 private:
  static constexpr bool kListed = std::is_same_v<Rows, CsrKeyRows<T>>;

  struct Margin {
    T margin;
    std::int32_t row;
    Slot at;  // of the class's members
    bool operator<(const Margin& than) const noexcept {
      return margin != than.margin ? margin < than.margin : row > than.row;
    }
  };
  using Margins = typename std::vector<Margin>::iterator;

  // A forbidden class, or the one that is left: prices are not below 0.
  [[nodiscard]] static bool impossible(T v) { return v >= KeyLimits<T>::kForbid - KeyLimits<T>::kKey; }
  [[nodiscard]] Cost over(Slot s) const { return load_[s] - capacity_[s]; }
  [[nodiscard]] bool empty(Slot a) const { return members_[a].empty() && spare_[a] == 0; }
  [[nodiscard]] LeastAt<T> best(std::int32_t row) const { return least_cost(rows_, row, price_.data()); }
  [[nodiscard]] Cost unmet() const;
  bool beyond_range() noexcept;

  void put_at_best(std::int32_t row, Cost units, LeastAt<T> best, std::vector<Slot>* filled);
  bool put(std::int32_t row, Slot s, Cost units, T own);
  bool bids(Index looks_a_lot);
  bool bid(Slot a, std::vector<Slot>& next);
  Margins cut(Slot a, Cost& units);
  bool spread();

  bool paths();
  bool search(Cost left);
  bool raise();
  Cost augment(Slot target);
  [[nodiscard]] bool moves_spare(Slot a, Slot b) const { return spare_[a] > 0 && price_[a] == price_[b]; }
  [[nodiscard]] std::size_t mover(Slot a, Slot b);
  void move(Slot a, Slot b, std::size_t at, Cost units);
  void update_row(Slot a, const JobUnits<T>* left);
  [[nodiscard]] T* ways(Slot a) { return w_.data() + line_[a] * rows_.stride; }
  T* own_line(Slot a);

  [[nodiscard]] bool holds() const;

  Rows rows_;
  std::span<const Lot> lots_;
  Slot columns_;
  std::span<const Cost> capacity_;
  Stop& stop_;
  Stats& stats_;
  Cost units_ = 0;
  bool single_ = true;  // one unit a lot
  AlignedVector<T> price_;
  std::vector<std::vector<JobUnits<T>>> members_;
  std::vector<Cost> spare_, load_;  // load: of jobs and spare units
  std::vector<Margin> margins_;
  std::vector<LeastAt<T>> others_;  // a class's members, were they elsewhere
  // Rows of W. Spare units cost 0 to every class, so that classes with nothing else share one row of zeros: with more
  // classes than jobs a row each would take the square of the number of classes.
  static constexpr Slot kSpareLine = 0;
  DefaultInitVector<T> w_;
  std::vector<Slot> line_, unused_;  // (columns) a class's row; kNone where it has no units
  Index lines_ = 0;
  std::conditional_t<kListed, Between<T>, std::monostate> between_;  // over lists
  ShortestPathTree<T> tree_;
  std::vector<Slot> path_;
  std::vector<std::size_t> movers_;
  bool bidden_ = false, beyond_range_ = false;
};

}  // namespace gridcompute::transport
