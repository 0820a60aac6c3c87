// A file against a string: whatever is done in whatever order, through descriptors, a mapping and
// past the cache, both hold the same.
#include <sys/mman.h>

#include <random>

#include "tests/posix/contents.h"

using namespace posix_test;

namespace {

constexpr off_t kMax = 300'000;

// One file and what it should hold.
class Model {
 public:
  explicit Model(unsigned seed)
      : random_(seed),
        file_(open_file("f", O_RDWR | O_CREAT | O_EXCL)),
        appending_(open_file("f", O_WRONLY | O_APPEND)),
        map_(mmap(nullptr, kMax, PROT_READ | PROT_WRITE, MAP_SHARED, file_, 0)) {
    BOOST_REQUIRE(map_ != MAP_FAILED);
  }
  ~Model() {
    munmap(map_, kMax);
    unlink("f");
  }
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  // Does something, and says what.
  std::string step() {
    at_ = below(kMax);
    // Edges of pages are where things go wrong.
    if (below(3) == 0) at_ = at_ / kPage * kPage + below(3) - (at_ >= kPage ? 1 : 0);
    size_ = 1 + below(std::min<off_t>(kMax - at_, below(4) == 0 ? kMax : 3 * kPage));
    static constexpr struct {
      const char* name;
      void (Model::*act)();
    } kActs[] = {
        {"write", &Model::write},       {"append", &Model::append}, {"truncate", &Model::truncate},
        {"map", &Model::write_mapped},  {"punch", &Model::punch},   {"zero", &Model::zero},
        {"allocate", &Model::allocate}, {"copy", &Model::copy},     {"write", &Model::write},
        {"uncache", &Model::uncache},   {"sync", &Model::sync}};
    const auto& act = kActs[below(std::ssize(kActs))];
    (this->*act.act)();
    return std::string(act.name) + " of " + std::to_string(size_) + " at " + std::to_string(at_);
  }

  bool agrees_somewhere() {
    const off_t at = below(kMax);
    const auto size = static_cast<std::size_t>(1 + below(5 * kPage));
    const std::string wanted =
        at < length() ? wanted_.substr(static_cast<std::size_t>(at), size) : std::string();
    const char* const mapped = static_cast<const char*>(map_) + at;
    return same_bytes(read_at(file_, at, size), wanted) &&
           same_bytes({mapped, wanted.size()}, wanted);
  }
  bool agrees() const {
    return size_of("f") == length() && same_bytes(content_of("f"), wanted_) &&
           same_bytes({static_cast<const char*>(map_), wanted_.size()}, wanted_);
  }

 private:
  off_t below(off_t bound) {
    return static_cast<off_t>(random_() % static_cast<std::size_t>(bound));
  }
  off_t length() const { return std::ssize(wanted_); }
  std::string fresh() { return pattern(static_cast<std::size_t>(size_), seed_++); }

  void put(off_t at, std::string_view bytes) {
    const auto start = static_cast<std::size_t>(at);
    wanted_.resize(std::max(wanted_.size(), start + bytes.size()));
    wanted_.replace(start, bytes.size(), bytes);
  }
  void blank(bool grows) {
    if (!grows) size_ = std::min(size_, length() - at_);
    if (size_ > 0) put(at_, zeros(static_cast<std::size_t>(size_)));
  }

  void write() {
    const std::string bytes = fresh();
    write_at(file_, at_, bytes);
    put(at_, bytes);
  }
  void append() {
    size_ = std::min(size_, kMax - length());
    const std::string bytes = fresh();
    BOOST_REQUIRE_EQUAL(::write(appending_, bytes.data(), bytes.size()), std::ssize(bytes));
    put(length(), bytes);
  }
  void truncate() {
    NEEDS(ftruncate(file_, at_));
    wanted_.resize(static_cast<std::size_t>(at_));
  }
  void write_mapped() {
    size_ = std::min(size_, length() - at_);
    if (size_ <= 0) return;
    const std::string bytes = fresh();
    bytes.copy(static_cast<char*>(map_) + at_, bytes.size());
    put(at_, bytes);
  }
  void punch() {
    NEEDS(fallocate(file_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at_, size_));
    blank(false);
  }
  void zero() {
    const bool grows = below(2) == 0;
    NEEDS(fallocate(file_, FALLOC_FL_ZERO_RANGE | (grows ? 0 : FALLOC_FL_KEEP_SIZE), at_, size_));
    blank(grows);
  }
  void allocate() {
    NEEDS(fallocate(file_, 0, at_, size_));
    wanted_.resize(std::max(wanted_.size(), static_cast<std::size_t>(at_ + size_)));
  }
  void copy() {
    off_t from = below(kMax), to = at_;
    const auto size =
        static_cast<std::size_t>(std::min(size_, std::max(from, to) - std::min(from, to)));
    if (size == 0) return;
    const std::string bytes =
        from < length() ? wanted_.substr(static_cast<std::size_t>(from), size) : std::string();
    std::size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t got = copy_file_range(file_, &from, file_, &to, size - done, 0);
      BOOST_REQUIRE(got > 0);
      done += static_cast<std::size_t>(got);
    }
    if (!bytes.empty()) put(at_, bytes);
  }
  void uncache() { drop_cache("f"); }
  void sync() { NEEDS(below(2) == 0 ? fsync(file_) : msync(map_, kMax, MS_SYNC)); }

  std::minstd_rand random_;
  Fd file_, appending_;
  void* map_;
  std::string wanted_;
  unsigned seed_ = 0;
  off_t at_ = 0, size_ = 0;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(model_, Case)

BOOST_DATA_TEST_CASE(a_file_agrees_with_a_string, boost::unit_test::data::xrange(1U, 9U), seed) {
  Model model(seed);
  std::string done;
  for (int step = 0; step < 200; ++step) {
    done += model.step() + "\n";
    const bool agrees = step % 20 == 19 ? model.agrees() : model.agrees_somewhere();
    BOOST_REQUIRE_MESSAGE(agrees, "the file differs after\n" << done);
  }
}

BOOST_AUTO_TEST_SUITE_END()
