// Concatenates the results of chunks, in their order.
#pragma once

#include <vector>

namespace gridcompute::transport {

template <class T>
[[nodiscard]] std::vector<T> flatten(const std::vector<std::vector<T>>& parts) {
  std::vector<T> all;
  for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

}  // namespace gridcompute::transport
