// Messages between processes: plain values and arrays, one after the other, in the byte order of the
// machine. Both ends are built from one source; each message begins with its kind.
#pragma once

#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "gridcompute/base/default_init.hpp"
#include "gridcompute/base/error.hpp"

namespace gridcompute {

class MessageWriter {
 public:
  // Reserves `bytes`: a large message is then not moved while it grows.
  void reserve(std::size_t bytes) { bytes_.reserve(bytes); }
  template <class T>
  void put(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(T));
  }
  template <class T>
  void put_all(std::span<const T> values) {
    static_assert(std::is_trivially_copyable_v<T>);
    put(static_cast<Index>(values.size()));
    if (!values.empty()) bytes_.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
  }
  template <class Vector>
  void put_vector(const Vector& values) {
    put_all(std::span<const typename Vector::value_type>(values.data(), values.size()));
  }
  void put_text(std::string_view text) { put_all(std::span<const char>(text.data(), text.size())); }
  [[nodiscard]] const std::string& bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// Throws where a message ends too soon.
class MessageReader {
 public:
  explicit MessageReader(std::string_view bytes) : rest_(bytes) {}

  template <class T>
  [[nodiscard]] T get() {
    static_assert(std::is_trivially_copyable_v<T>);
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }
  // Reads an array into a vector and keeps the vector's allocator.
  template <class Vector>
  void get_into(Vector& values) {
    using T = typename Vector::value_type;
    const auto count = get<Index>();
    if (count < 0 || static_cast<std::size_t>(count) > rest_.size() / sizeof(T)) cut_short();
    values.resize(static_cast<std::size_t>(count));
    if (count > 0) std::memcpy(values.data(), take(values.size() * sizeof(T)).data(), values.size() * sizeof(T));
  }
  template <class Vector>
  [[nodiscard]] Vector get_vector() {
    Vector values;
    get_into(values);
    return values;
  }
  template <class T>
  [[nodiscard]] std::vector<T> get_all() {
    return get_vector<std::vector<T>>();
  }
  [[nodiscard]] std::string_view get_text() {
    const auto count = get<Index>();
    if (count < 0) cut_short();
    return take(static_cast<std::size_t>(count));
  }

 private:
  [[noreturn]] static void cut_short() { throw Error(ErrorKind::internal, "", -1, "shards: a message is cut short"); }
  std::string_view take(std::size_t bytes) {
    if (bytes > rest_.size()) cut_short();
    const std::string_view front = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
    return front;
  }

  std::string_view rest_;
};

}  // namespace gridcompute
