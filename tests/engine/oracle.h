// An ordered map that understands batches: what the store must agree with.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/le.h"
#include "engine/holt.h"

namespace holt::test {

class Oracle {
 public:
  using Map = std::map<std::string, std::string, std::less<>>;
  const Map& map() const { return map_; }

  // Applies the changes of a batch that the store accepted.
  void apply(const Batch& batch) {
    for (const Batch::Step& step : batch.steps()) {
      if (step.is_change()) change(batch, step);
    }
  }

  // The keys and rolled-up components a scan gives.
  std::vector<std::string> list(std::string_view prefix, std::optional<char> delimiter) const {
    std::vector<std::string> out;
    for (auto at = map_.lower_bound(prefix); at != map_.end() && at->first.starts_with(prefix);
         ++at) {
      const auto cut = delimiter ? at->first.find(*delimiter, prefix.size()) : std::string::npos;
      std::string shown = cut == std::string::npos ? at->first : at->first.substr(0, cut + 1);
      if (out.empty() || out.back() != shown) out.push_back(std::move(shown));
    }
    return out;
  }

 private:
  void change(const Batch& batch, const Batch::Step& step) {
    const std::string key(batch.key(step));
    const std::string_view data = batch.data(step);
    switch (step.op) {
      case Batch::Op::kPut: map_[key] = data; break;
      case Batch::Op::kPatch: map_[key].replace(step.offset, data.size(), data); break;
      case Batch::Op::kAdd: add(map_[key], step.offset, data); break;
      case Batch::Op::kErase: map_.erase(key); break;
      case Batch::Op::kErasePrefix: take(key); break;
      case Batch::Op::kMove:
        for (auto& [old_key, value] : take(key)) {
          map_[std::string(data) + old_key.substr(key.size())] = std::move(value);
        }
        break;
    }
  }

  static void add(std::string& value, std::size_t offset, std::string_view delta) {
    Le64 sum;
    Le64 plus;
    std::memcpy(&sum, value.data() + offset, sizeof sum);
    std::memcpy(&plus, delta.data(), sizeof plus);
    sum = sum + plus;
    std::memcpy(value.data() + offset, &sum, sizeof sum);
  }

  Map take(const std::string& prefix) {
    Map out;
    for (auto at = map_.lower_bound(prefix); at != map_.end() && at->first.starts_with(prefix);
         at = map_.erase(at)) {
      out.emplace(at->first, std::move(at->second));
    }
    return out;
  }

  Map map_;
};

}  // namespace holt::test
