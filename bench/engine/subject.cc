#include "bench/engine/subject.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "bench/engine/machine.h"

namespace holt::bench {
namespace {

using Clock = std::chrono::steady_clock;

double ns_since(Clock::time_point start) {
  return std::chrono::duration<double, std::nano>(Clock::now() - start).count();
}

}  // namespace

Subject::Subject(std::string name, const KeySpace& keys, std::filesystem::path directory)
    : name_(std::move(name)),
      keys_(keys),
      directory_(std::move(directory)),
      adapter_(make_adapter(name_)),
      stamps_(keys.size()) {
  std::filesystem::create_directories(directory_);
}

LoadResult Subject::load(std::uint64_t seed) {
  const Ops ops(keys_, {.draw = Draw::kDistinct, .count = keys_.size()}, seed);
  trim_heap();
  const std::uint64_t resident_before = resident_bytes();

  LoadResult result;
  const auto start = Clock::now();
  adapter_->open(directory_.string());
  {
    const auto session = adapter_->session();
    const auto first_insert = Clock::now();
    for (std::size_t i = 0; i < ops.size(); ++i) {
      session->insert(ops.key(i), Value(ops.index(i), 0).view());
    }
    result.insert_ns = ns_since(first_insert);
  }
  const auto pause = Clock::now();
  const std::uint64_t resident_after = std::max(resident_bytes(), resident_before);
  result.resident_bytes = resident_after - resident_before;
  result.log_bytes = adapter_->log_bytes();
  const double pause_ns = ns_since(pause);
  adapter_->close();
  result.total_ns = ns_since(start) - pause_ns;
  result.disk_bytes = allocated_bytes(directory_);
  return result;
}

void Subject::reopen(std::size_t sessions) {
  constexpr std::size_t kChecked = 2;
  adapter_->open(directory_.string());
  for (std::size_t i = 0; i < sessions; ++i) sessions_.push_back(adapter_->session());
  for (std::size_t i = 0; i < std::min(sessions, kChecked); ++i) verify(*sessions_[i]);
}

void Subject::verify(Session& session) {
  std::string key(keys_.key_bytes(), '\0');
  std::uint32_t next = 0;
  Tally tally;
  tally.on_each([&](std::string_view found, std::string_view value) {
    if (next == keys_.size()) throw std::runtime_error(name_ + ": too many keys");
    keys_.write_key(next, key.data());
    if (found != key || value != Value(next, stamps_[next]).view()) {
      throw std::runtime_error(fmt::format("{}: key number {} is missing or wrong", name_, next));
    }
    ++next;
  });
  session.scan(kRoot, "", kNoLimit, tally);
  tally.expect(keys_, 0, keys_.size());
}

void Subject::settle() {
  adapter_->settle();
  flush_files(directory_);
}

void Subject::close() {
  sessions_.clear();
  adapter_->close();
  std::filesystem::remove_all(directory_);
}

std::uint32_t Subject::take_stamps(std::size_t count) {
  const std::uint32_t first = next_stamp_;
  next_stamp_ += static_cast<std::uint32_t>(count);
  return first;
}

void Subject::note_puts(const Ops& ops, std::size_t done, std::uint32_t first_stamp) {
  for (std::size_t i = 0; i < done; ++i) {
    stamps_[ops.index(i)] = first_stamp + static_cast<std::uint32_t>(i);
  }
}

}  // namespace holt::bench
