// Exchanges: a job goes where it would rather be, and another one makes room for it.
//
// Problem. After a dive the contested rows are full, with some of the wrong jobs in them: a job that lost its
// cheapest option to one that is almost indifferent. No single move mends that, for nothing is free; a pair does.
//
// Steps. For each job j in the order given, j is taken out. For each of its options that would be cheaper at the
// given prices, cheapest first: if it fits, j moves there. If it lacks but accelerators in some hours, jobs i that
// run on that class through all those hours with gang enough are tried in turn: i goes out, j in, and i to its
// cheapest option in what is then free (often where j was), or stays out. Prices only propose. What decides is the
// real change of cost, energy along its convex curves included: the first with a gain above kLeast stands.
//
// Invariants. Those of Room. Each accepted step lowers the real cost (as far as the curves tell it), so the search
// ends; the order of trials is fixed by rows and positions: the same bytes always.
//
// Complexity. At most kOptions * kTries searches of a job's options for each job.
//
// Source. Ejection chains of length two: Yagiura, Ibaraki and Glover (2004), "An ejection chain approach for the
// generalized assignment problem", INFORMS J. Computing 16(2).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gridcompute/base/stop.hpp"
#include "gridcompute/options/room.hpp"

namespace gridcompute::options {

class Exchange {
 public:
  // klass and start (one entry a row of the jobs table) hold what is placed in `room`, and are kept up to date.
  Exchange(Room& room, const Prices& prices, const Curves& curves, std::span<std::int32_t> klass,
           std::span<std::int32_t> start);

  // Tries each job once; returns the number of exchanges and moves.
  Index run(std::span<const std::int32_t> rows);

 private:
  static constexpr int kOptions = 4, kTries = 16;
  static constexpr double kLeast = 1e-6;

  struct Option {
    double cost;
    std::int32_t klass, start;
  };

  bool improve(std::int32_t row);
  // A step that costs less than `most` in all, with `row` out at first.
  bool make_room(std::int32_t row, const Option& target, double most);
  void enter(std::int32_t row, std::int32_t klass, std::int32_t start);
  void leave(std::int32_t row);
  // Cost of a job where it is, or of its value if it is out.
  [[nodiscard]] double present(std::int32_t row) const;

  Room* room_;
  const Prices* prices_;
  Curves curves_;
  std::vector<double> sums_;
  std::span<std::int32_t> klass_, start_;
  std::vector<std::vector<std::int32_t>> begins_;  // [class][hour]: rows that start there
  std::vector<std::int32_t> slot_;                 // [row]: where in its list
  std::vector<Option> wanted_;
};

}  // namespace gridcompute::options
