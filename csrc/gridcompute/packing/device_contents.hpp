// The contents that one device may hold: its states, and the items that lead from one state to another.
//
// Problem. A device is shared by fractions in milli (any sum up to 1000), or divided by templates: MIG instances that
// take slices at certain places, or vNPU templates that take cores and memory of the card. For each of these rules the
// packer needs the contents that fit beside the present ones, the free part, and the guarantee that no device ever has
// a layout that is not allowed.
//
// Definitions. A layout is a finite automaton. State 0 is the empty device. An item is one way to place a content on a
// device: a MIG profile at a start slice, a vNPU template. next(state, item) is the state afterwards, or kNoState where
// the item does not fit. Items of one profile are its alternatives. `used` of a state is the part of the device that
// its contents take, in milli, the weight that is counted as allocated.
//
// The milli layout is the automaton of the 1001 states 0..1000 whose item m leads from u to u + m; it is not tabulated.
// A whole pod needs state 0 and leads to the layout's full state, which allows no other content.
//
// Invariants. Every transition has an inverse, previous(state, item), so that a release restores the state; states are
// reached from state 0 along transitions alone, so that each is an allowed layout.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "gridcompute/base/types.hpp"

namespace gridcompute::packing {

// A device's state. 16 bits: 1001 states of milli, or those of a template (at most kMostStates).
using State = std::uint16_t;
inline constexpr State kNoState = 0xffff;     // above all states
inline constexpr Index kMostStates = 0x8000;  // half of 16 bits
// A device in milli: the resolution of the published traces, and of Kubernetes.
inline constexpr std::int32_t kDevice = 1000;

class Layout {
 public:
  // Makes the layout of fractions in milli.
  Layout() = default;
  // Makes a layout of templates. next[state * n_items + item] or kNoState, the profile of each item, milli used in each
  // state. Adds the full state after the others. Throws Error where the table is no automaton as above.
  Layout(Index n_states, std::vector<State> next, std::vector<std::int32_t> profile, std::vector<std::int32_t> used,
         Index n_profiles);

  [[nodiscard]] bool in_milli() const noexcept { return profile_.empty(); }
  [[nodiscard]] State full() const noexcept { return full_; }
  [[nodiscard]] std::int32_t free_milli(State state) const noexcept {
    return in_milli() ? kDevice - state : kDevice - used_[state];
  }
  [[nodiscard]] Index items() const noexcept { return static_cast<Index>(profile_.size()); }
  [[nodiscard]] std::int32_t profiles() const noexcept { return n_profiles_; }
  [[nodiscard]] Index states() const noexcept { return in_milli() ? kDevice + 1 : full_ + 1; }
  [[nodiscard]] std::int32_t profile(Index item) const noexcept { return profile_[at(item)]; }

  [[nodiscard]] State next(State state, Index item) const noexcept { return next_[place(state, item)]; }
  [[nodiscard]] State previous(State state, Index item) const noexcept { return previous_[place(state, item)]; }

  // Returns the alternative of a profile to take in a state, or -1 where none fits: the one that leaves the largest
  // value to be filled in at the prices last set (by default the milli used), the lowest item on ties.
  [[nodiscard]] std::int32_t choice(State state, std::int32_t profile) const noexcept {
    return choice_[at(state) * at(n_profiles_) + at(profile)];
  }
  // Returns the state after `choice`, or kNoState.
  [[nodiscard]] State chosen(State state, std::int32_t profile) const noexcept {
    const std::int32_t item = profile < n_profiles_ ? choice(state, profile) : -1;
    return item < 0 ? kNoState : next(state, item);
  }
  // Sets the price of each profile, by which choice() decides: the longest path from every state, by dynamic
  // programming.
  void set_prices(const std::vector<std::int64_t>& price);
  // Returns the largest value that can still be filled in at the prices last set.
  [[nodiscard]] std::int64_t room(State state) const noexcept { return room_[state]; }

 private:
  [[nodiscard]] std::size_t place(State state, Index item) const noexcept {
    return at(state) * profile_.size() + at(item);
  }

  State full_ = kDevice;
  std::int32_t n_profiles_ = 0;
  std::vector<State> next_, previous_;
  std::vector<std::int32_t> profile_, used_, choice_;
  std::vector<std::int64_t> room_;
};

// The most valuable content of one device: the pricing problem of the device-pattern LP.
//
// Problem. Given a value for each part of a device, find the multiset of parts of largest total value that fits on one
// device. This is the column that enters the restricted master, or the proof that no column does.
//
// Steps. In milli: unbounded one-dimensional knapsack, best[c] = max over parts of best[c - weight] + value, for c from
// 0 to 1000; with templates: the longest path of the layout's automaton, whose states are visited fullest first.
//
// Complexity. O(1000 x parts), or O(states x items).
//
// Range proof. Values are at most kMostPrice = 2^40 and a device holds at most 1000 parts: sums stay below 2^50.
//
// Source. Gilmore and Gomory, A Linear Programming Approach to the Cutting-Stock Problem, Operations Research 9 (1961).

struct Content {
  std::int64_t value = 0;
  std::vector<std::int32_t> count;  // of each part
};

// Solves for parts in milli, each from 1 to 1000. A part of value 0 is never taken; the lowest part wins ties.
[[nodiscard]] Content best_content(std::span<const std::int32_t> milli, std::span<const std::int64_t> value);
// Solves for parts of a template: `value` of each profile.
[[nodiscard]] Content best_content(const Layout& layout, std::span<const std::int64_t> value);

}  // namespace gridcompute::packing
