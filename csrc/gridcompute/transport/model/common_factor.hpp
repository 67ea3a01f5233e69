// The largest power of two that divides all keys: whole numbers among real costs become keys with dozens of trailing
// zeros, and divided by them they fit in 32 bits.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <span>
#include <type_traits>

#include "gridcompute/transport/model/key_range.hpp"

namespace gridcompute::transport {

// Returns the bits that are set in any key of an allowed pair.
[[nodiscard]] std::uint64_t bits_of(const Cost* keys, Index n);

// Divides keys by 1 << shift into 32 bits; 64-bit keys are copied.
void divide_keys(const Cost* from, Index n, int shift, std::int32_t* to);
void divide_keys(const Cost* from, Index n, int shift, Cost* to);

// The common factor of the keys read so far. T: the type that divided keys are stored in; 64 bits store them as they
// are.
template <class T>
class CommonFactor {
 public:
  [[nodiscard]] int shift() const noexcept { return shift_; }

  void add(std::span<const Cost> keys) noexcept {
    if constexpr (kInt32Limit) {
      shift_ = std::min(shift_, std::countr_zero(bits_of(keys.data(), static_cast<Index>(keys.size()))));
    }
  }

  [[nodiscard]] T held(Cost key) const noexcept {
    return key < kForbidden ? static_cast<T>(key >> shift_) : KeyRange<T>::kForbid;
  }

  void hold(const Cost* keys, Index n, T* out) const noexcept { divide_keys(keys, n, shift_, out); }

  // Converts a stored key from an earlier shift to the present one. Both are in range: what is not 0 then moves by few
  // bits.
  [[nodiscard]] T moved(T key, int before) const noexcept {
    const int by = std::min(before - shift_, kFew);
    return key < KeyRange<T>::kForbid ? static_cast<T>(key << by) : key;
  }

  // Returns whether the type can store keys up to this size.
  [[nodiscard]] bool holds(double largest) const noexcept {
    return largest <= std::ldexp(static_cast<double>(KeyRange<T>::kKey), shift_);
  }

 private:
  static constexpr bool kInt32Limit = std::is_same_v<T, std::int32_t>;
  static constexpr int kFew = 27;   // bits of KeyRange<int32>::kKey
  static constexpr int kMost = 30;  // prices of 28 bits stay below those allowed in 64; keys of reals have 50 at most

  int shift_ = kInt32Limit ? kMost : 0;
};

}  // namespace gridcompute::transport
