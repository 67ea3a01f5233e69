// Tables of tuned numbers: each solver lists its numbers once, in its tuning.hpp, and gets from the list a struct that
// is passed to its code, the defaults, a table that tests and documentation read, and a function that sets one by name.
//
// A list is a macro LIST(X) of entries X(type, name, default, low, high, unit, what it decides). Any value within [low,
// high] gives right answers; only speed, or the quality of an answer that is not proved optimal, may change.
#pragma once

#include <array>
#include <string_view>
#include <type_traits>

namespace gridcompute {

// One line of a table.
struct TuningEntry {
  const char* name;
  double value, low, high;  // value: the default
  const char *unit, *decides;
  bool whole;  // no fractions
};

// Defines `Struct` with a member for each entry, `kDefault` of that type, `kTable`, an array of TuningEntry, and
// set_tuning(Struct&, name, value), which sets one member and returns false where there is none of that name. The
// caller checks the range.
#define GRIDCOMPUTE_DEFINE_TUNING(Struct, kDefault, kTable, LIST)                                \
  struct Struct {                                                                                \
    LIST(GRIDCOMPUTE_TUNING_MEMBER)                                                              \
  };                                                                                             \
  inline constexpr Struct kDefault{};                                                            \
  inline constexpr std::array kTable{LIST(GRIDCOMPUTE_TUNING_ENTRY)};                            \
  [[nodiscard]] inline bool set_tuning(Struct& tuning, std::string_view wanted, double number) { \
    LIST(GRIDCOMPUTE_TUNING_SET)                                                                 \
    return false;                                                                                \
  }
#define GRIDCOMPUTE_TUNING_MEMBER(type, name, value, low, high, unit, decides) type name = value;
#define GRIDCOMPUTE_TUNING_ENTRY(type, name, value, low, high, unit, decides)          \
  ::gridcompute::TuningEntry{#name,   static_cast<double>(value),     low, high, unit, \
                             decides, !std::is_floating_point_v<type>},
#define GRIDCOMPUTE_TUNING_SET(type, name, value, low, high, unit, decides) \
  if (wanted == #name) {                                                    \
    tuning.name = static_cast<type>(number);                                \
    return true;                                                            \
  }

}  // namespace gridcompute
