// Messages between processes: values and arrays, one after the other, little-endian. Both ends are built from one
// source; each question begins with its kind.
//
// A struct names its fields once, in a static function parts(value) that returns a tie of them: it is written and read
// field by field, and the padding between fields is no part of a message. Readers check sizes before they use them;
// whether bytes are those that were written is for digests to say, where messages leave the process
// (shards/shard_worker.py).
#pragma once

#include <bit>
#include <concepts>
#include <cstring>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>

#include "gridcompute/base/error.hpp"

namespace gridcompute {

static_assert(std::endian::native == std::endian::little, "messages have the bytes of memory");

template <class T>
concept MessageArray = requires(const T& values) {
  typename T::value_type;
  values.data();
  values.size();
};
template <class T>
concept MessageParts = requires(T& value) { T::parts(value); };
// No padding, and no address.
template <class T>
concept MessageValue = !MessageArray<T> && !std::is_pointer_v<T> && std::is_trivially_copyable_v<T> &&
                       (std::has_unique_object_representations_v<T> || std::floating_point<T>);

// Throws where a part of a message does not fit the others, or the problem.
inline void require_message(bool fits, const char* what) {
  if (!fits) throw Error(ErrorKind::internal, "", -1, std::string("shards: found a damaged message: ") + what);
}

class MessageWriter {
 public:
  // Reserves `bytes`: a large message is then not moved while it grows.
  void reserve(std::size_t bytes) { bytes_.reserve(bytes); }
  template <class... T>
  void put(const T&... values) {
    (put_one(values), ...);
  }
  [[nodiscard]] const std::string& bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::string take() { return std::move(bytes_); }

 private:
  template <class T>
  void put_one(const T& value) {
    if constexpr (MessageParts<T>) {
      std::apply([&](const auto&... part) { put(part...); }, T::parts(value));
    } else if constexpr (!MessageArray<T>) {
      append(&value, 1);
    } else {
      put_one(static_cast<Index>(value.size()));
      if constexpr (MessageValue<typename T::value_type>)
        append(value.data(), value.size());
      else
        for (const auto& part : value) put_one(part);
    }
  }
  template <MessageValue T>
  void append(const T* values, std::size_t count) {
    if (count > 0) bytes_.append(reinterpret_cast<const char*>(values), count * sizeof(T));
  }

  std::string bytes_;
};

// Throws where a message ends too soon.
class MessageReader {
 public:
  explicit MessageReader(std::string_view bytes) : rest_(bytes) {}

  // Reads into these; a vector keeps its allocator.
  template <class... T>
  void get(T&... values) {
    (get_one(values), ...);
  }
  template <class T>
  [[nodiscard]] T get() {
    T value{};
    get_one(value);
    return value;
  }
  [[nodiscard]] std::string_view get_text() { return take(get<Index>(), 1); }
  // Throws where bytes are left.
  void end() const { require_message(rest_.empty(), "it is too long"); }

 private:
  template <class T>
  void get_one(T& value) {
    if constexpr (MessageParts<T>) {
      std::apply([&](auto&... part) { get(part...); }, T::parts(value));
    } else if constexpr (std::same_as<T, bool>) {
      const auto byte = get<unsigned char>();
      require_message(byte <= 1, "a truth value is neither 0 nor 1");
      value = byte == 1;
    } else if constexpr (!MessageArray<T>) {
      copy(&value, 1);
    } else {
      const auto count = get<Index>();
      if constexpr (MessageValue<typename T::value_type>) {
        const std::string_view bytes = take(count, sizeof(typename T::value_type));
        value.resize(at(count));
        if (count > 0) std::memcpy(value.data(), bytes.data(), bytes.size());
      } else {
        value.clear();
        for (Index k = 0; k < count; ++k) get_one(value.emplace_back());
      }
    }
  }
  template <MessageValue T>
  void copy(T* to, Index count) {
    const std::string_view bytes = take(count, sizeof(T));
    std::memcpy(to, bytes.data(), bytes.size());
  }
  std::string_view take(Index count, std::size_t size) {
    require_message(count >= 0 && at(count) <= rest_.size() / size, "it is cut short");
    const std::string_view front = rest_.substr(0, at(count) * size);
    rest_.remove_prefix(front.size());
    return front;
  }

  std::string_view rest_;
};

// Reads a message that is one value, or a struct with parts.
template <class T>
[[nodiscard]] T read_message(std::string_view bytes) {
  MessageReader in(bytes);
  const T value = in.get<T>();
  in.end();
  return value;
}

}  // namespace gridcompute
