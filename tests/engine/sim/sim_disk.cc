#include <utility>

#include "engine/base/check.h"
#include "tests/engine/sim/sim_storage.h"

namespace holt::sim {

std::shared_ptr<SimDisk> SimDisk::create(std::uint64_t seed) {
  return std::shared_ptr<SimDisk>(new SimDisk(seed));
}

void SimDisk::detach_locked() {
  attached_ = 0;
  log_.detach();
}

void SimDisk::kill() {
  MutexLock lock(mutex_);
  detach_locked();
}

void SimDisk::crash() {
  MutexLock lock(mutex_);
  attached_ = 0;
  log_.crash(random_);
  for (auto& [slot, image] : slots_) image.crash(random_);
  std::erase_if(slots_, [](const auto& entry) { return entry.second.size() == 0; });
  for (SimImage& area : areas_) area.crash(random_);
}

int SimDisk::begin(Op op) {
  const auto i = static_cast<std::size_t>(op);
  const std::uint64_t now = ++counts_[i];
  const Fault& fault = faults_[i];
  if (fault.at == now) return fault.err;
  if (fault.p > 0 && chance(random_, fault.p)) return fault.random_err;
  return 0;
}

void SimDisk::fail_nth(Op op, std::uint64_t n, int err) {
  MutexLock lock(mutex_);
  const auto i = static_cast<std::size_t>(op);
  faults_[i].at = counts_[i] + n;
  faults_[i].err = err;
}

void SimDisk::fail_randomly(Op op, double p, int err) {
  MutexLock lock(mutex_);
  const auto i = static_cast<std::size_t>(op);
  faults_[i].p = p;
  faults_[i].random_err = err;
}

void SimDisk::on_sync(SyncHook hook) {
  MutexLock lock(mutex_);
  hook_ = std::move(hook);
}

SimDisk::SyncHook SimDisk::hook() const {
  MutexLock lock(mutex_);
  return hook_;
}

void SimDisk::write_back_log(double p) {
  MutexLock lock(mutex_);
  log_.write_back(random_, p);
}

void SimDisk::flip_bit_in_slot(Slot slot, std::size_t byte, unsigned bit) {
  MutexLock lock(mutex_);
  slots_[index_of(slot)].flip_bit(byte, bit);
}

void SimDisk::flip_bit_in_area(Storage::Area area, std::size_t byte, unsigned bit) {
  MutexLock lock(mutex_);
  areas_[static_cast<std::size_t>(area)].flip_bit(byte, bit);
}

void SimDisk::flip_bit_in_log(std::size_t byte, unsigned bit) {
  MutexLock lock(mutex_);
  CHECK(attached_ == 0, "no process is attached");
  log_.flip_bit(byte, bit);
}

std::uint64_t SimDisk::count(Op op) const {
  MutexLock lock(mutex_);
  return counts_[static_cast<std::size_t>(op)];
}

}  // namespace holt::sim
