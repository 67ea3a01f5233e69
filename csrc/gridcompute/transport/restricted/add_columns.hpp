// The second look at jobs that may want a class they have no candidate for (violations.hpp).
//
// They are read again, and every class that the bound does not rule out joins their list: at these prices they pass.
// Candidates only grow, so the rounds end. Groups of several jobs are told apart first.
//
// Out of reach: repair found classes whose jobs have nowhere to go within their lists. Those jobs are read for the
// cheapest way out; the ways within a growing width of the best join the lists. No way out at all is Hall's condition
// violated: these jobs fit only in these classes, which are too small for them.
#pragma once

#include "gridcompute/transport/restricted/violations.hpp"

namespace gridcompute::transport {

// Doubtful jobs by a look at every cost, at prices in hand: hardly any that has nothing better.
[[nodiscard]] Doubts certain(const Scan& how, const Level& level, const Restricted& r, std::span<const Cost> prices);

// How far the price of `slot` would have to fall for about `units` more to want it; `most` at most.
[[nodiscard]] Cost fall(const Scan& how, const Level& level, const Restricted& r, std::span<const Cost> prices,
                        Slot slot, Cost units, Cost most);

// Reads the doubtful jobs again, at these prices; lists grow. Does any job like something new better?
enum class News { none, better, stopped };
[[nodiscard]] News look_again(const Scan& how, const Level& level, const Doubts& doubts, std::span<const Cost> prices,
                              Restricted& r, Seen& seen);

enum class Way { found, none, stopped };

// Opens the cheapest ways out of `classes`, for so many units. (An entry equal to r.columns is the hub and is ignored.)
[[nodiscard]] Way open_ways(const Scan& how, const Level& level, std::span<const Slot> classes,
                            std::span<const Cost> prices, Cost units, Restricted& r, Seen& seen);

// The jobs with units in these classes; ascending.
[[nodiscard]] std::vector<Index> jobs_in(const Restricted& r, std::span<const Slot> classes);

}  // namespace gridcompute::transport
