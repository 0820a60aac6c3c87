// Goal: a log that was cut or has rotten gives exactly the records before that place.
// Crash model: none; the log ends anywhere, or one bit of it is flipped.
// Method: a store is killed with records in its log, and opened read-only after each damage, so
// that the device stays as it is and the damage can be taken back. HOLT_TEST_SEED repeats a run.
#include <boost/test/unit_test.hpp>

#include <cstring>

#include "tests/engine/store_support.h"

using namespace holt;
using namespace holt::sim;
using namespace holt::test;

namespace {

constexpr std::uint64_t kLogBytes = 1u << 20;

// A store that was killed with records in its log.
class LoggedStore {
 public:
  explicit LoggedStore(std::uint64_t seed) : disk_(SimDisk::create(seed)), random_(seed, 30) {
    auto store = value_of(Store::open(disk_->attach(), small_options(kLogBytes)));
    apply(*store, 30);
    require_ok(store->checkpoint());
    // From here on, what the log holds.
    states_.assign(1, oracle_.map());
    ends_.assign(1, position_of(store->applied()));
    sizes_.clear();
    apply(*store, 8);
    disk_->kill();
    store.reset();
    const auto memory = disk_->attach();
    std::byte* log = value_of(memory->map_log(kLogBytes, 4));
    log_.assign(log, log + kLogBytes);
  }

  std::size_t records() const { return sizes_.size(); }
  std::uint64_t begin_of(std::size_t record) const { return ends_[record]; }
  // Where its payload ends.
  std::uint64_t end_of(std::size_t record) const { return ends_[record] + sizes_[record]; }
  const Oracle::Map& state(std::size_t records) const { return states_[records]; }
  std::byte log_byte(std::uint64_t at) const { return log_[at % kLogBytes]; }
  SimDisk& disk() { return *disk_; }

  // Replaces what lies from `cut` on by zeros.
  void cut_at(std::uint64_t cut) {
    const auto storage = disk_->attach();
    std::byte* log = value_of(storage->map_log(kLogBytes, 4));
    std::memcpy(log, log_.data(), kLogBytes);
    for (std::uint64_t at = cut; at < ends_.back(); ++at) log[at % kLogBytes] = std::byte{0};
  }
  Oracle::Map recovered() {
    Options options = small_options(kLogBytes);
    options.read_only = true;
    const auto store = value_of(Store::open(disk_->attach(true), options));
    require_sound(*store);
    return scan_all(*store);
  }

 private:
  void apply(Store& store, int count) {
    while (count > 0) {
      const Batch batch = random_.next();
      const auto applied = store.apply(batch);
      if (!applied) continue;
      --count;
      oracle_.apply(batch);
      states_.push_back(oracle_.map());
      sizes_.push_back(sizeof(DiskRecordHeader) + batch.payload().size());
      ends_.push_back(position_of(*applied));
    }
  }

  std::shared_ptr<SimDisk> disk_;
  RandomBatches random_;
  Oracle oracle_;
  std::vector<Oracle::Map> states_;   // after so many records
  std::vector<std::uint64_t> sizes_;  // of header and payload
  std::vector<std::uint64_t> ends_;   // ends_[i]: where record i begins
  std::vector<std::byte> log_;
};

}  // namespace

BOOST_AUTO_TEST_CASE(a_log_cut_at_any_byte_gives_exactly_the_records_before_the_cut) {
  LoggedStore logged(test_seed() + 4);
  for (std::size_t record = 0; record < logged.records(); ++record) {
    for (std::uint64_t cut = logged.begin_of(record); cut < logged.begin_of(record + 1); ++cut) {
      BOOST_TEST_CONTEXT("record " << record << ", cut at byte " << cut - logged.begin_of(record)) {
        logged.cut_at(cut);
        bool whole = true;  // what was cut off was zeros anyway
        for (std::uint64_t at = cut; at < logged.end_of(record); ++at) {
          whole = whole && logged.log_byte(at) == std::byte{0};
        }
        BOOST_REQUIRE(same_maps(logged.recovered(), logged.state(whole ? record + 1 : record)));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_flipped_bit_in_a_log_record_ends_the_log_there) {
  LoggedStore logged(test_seed() + 5);
  for (std::size_t record = 0; record < logged.records(); ++record) {
    for (std::uint64_t at = logged.begin_of(record); at < logged.end_of(record); ++at) {
      BOOST_TEST_CONTEXT("record " << record << ", byte " << at - logged.begin_of(record)) {
        const auto bit = static_cast<unsigned>(at % 8);
        logged.disk().flip_bit_in_log(at % kLogBytes, bit);
        BOOST_REQUIRE(same_maps(logged.recovered(), logged.state(record)));
        logged.disk().flip_bit_in_log(at % kLogBytes, bit);
      }
    }
  }
  BOOST_REQUIRE(same_maps(logged.recovered(), logged.state(logged.records())));
}
