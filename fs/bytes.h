// Bytes<N>: a string that needs no heap while it has at most N bytes.
//
// Keys and records are made for every request and thrown away with it. It becomes a std::string or
// a view of itself where one is wanted.
//
// Thread safety: values.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <ostream>
#include <string>
#include <string_view>

namespace holtfs {

template <std::size_t kInline>
class Bytes {
 public:
  static constexpr std::size_t kRoom = kInline;  // before it takes memory from the heap

  Bytes() = default;
  explicit Bytes(std::string_view bytes) { append(bytes); }

  Bytes& append(std::string_view bytes) {
    buffer_.append(bytes.data(), bytes.data() + bytes.size());
    return *this;
  }
  void push_back(char c) { buffer_.push_back(c); }
  // What is new is not set.
  void resize(std::size_t size) { buffer_.resize(size); }

  char* data() { return buffer_.data(); }
  std::size_t size() const { return buffer_.size(); }
  bool empty() const { return size() == 0; }
  std::string_view view() const { return {buffer_.data(), buffer_.size()}; }
  // As a std::string would be taken where one of these is wanted.
  // NOLINTBEGIN(google-explicit-constructor)
  operator std::string_view() const { return view(); }
  operator std::string() const { return std::string(view()); }
  // NOLINTEND(google-explicit-constructor)
  friend bool operator==(const Bytes& a, const Bytes& b) { return a.view() == b.view(); }
  friend bool operator==(const Bytes& a, std::string_view b) { return a.view() == b; }
  friend std::string operator+(const Bytes& a, std::string_view b) {
    return std::string(a.view()).append(b);
  }
  friend std::ostream& operator<<(std::ostream& out, const Bytes& bytes) {
    return out << bytes.view();
  }

 private:
  fmt::basic_memory_buffer<char, kInline> buffer_;
};

}  // namespace holtfs
