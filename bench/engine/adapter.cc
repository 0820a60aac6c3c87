#include "bench/engine/adapter.h"

#include <array>
#include <utility>

namespace holt::bench {
namespace {

using Maker = std::unique_ptr<Adapter> (*)();

constexpr std::array<std::string_view, 4> kNames = {"holt", "lmdb", "rocksdb", "sqlite"};
constexpr std::array<Maker, 4> kMakers = {make_holt_adapter, make_lmdb_adapter,
                                          make_rocksdb_adapter, make_sqlite_adapter};

}  // namespace

std::span<const std::string_view> adapter_names() { return kNames; }

std::unique_ptr<Adapter> make_adapter(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return kMakers[i]();
  }
  throw std::runtime_error("there is no engine \"" + std::string(name) + "\"");
}

}  // namespace holt::bench
