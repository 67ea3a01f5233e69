// The one exception type of the core. The bindings map its kind to a Python class (gridcompute.errors).
#pragma once

#include <array>
#include <charconv>
#include <stdexcept>
#include <string>
#include <utility>

#include "gridcompute/base/types.hpp"

namespace gridcompute {

enum class ErrorKind { invalid_problem, cost_range, internal };

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, std::string field, Index index, const std::string& what)
      : std::runtime_error(what), kind_(kind), field_(std::move(field)), index_(index) {}

  [[nodiscard]] ErrorKind kind() const noexcept { return kind_; }
  [[nodiscard]] const std::string& field() const noexcept { return field_; }  // the argument at fault, or ""
  [[nodiscard]] Index index() const noexcept { return index_; }               // position within that argument, or -1

 private:
  ErrorKind kind_;
  std::string field_;
  Index index_;
};

// Formats a double for a message: to_string would write 1e300 with all its 301 digits.
inline std::string shown(double value) {
  std::array<char, 32> text{};
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr};
}

}  // namespace gridcompute
