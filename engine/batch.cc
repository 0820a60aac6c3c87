// Building batches, and reading them back from the log.
//
// The form of a change in the log, integers in LEB128: op (1 byte), key size, key; then for put and
// move: size and bytes; for patch and add: offset, size and bytes, which are 8 for add.
#include "engine/base/le.h"
#include "engine/holt.h"

namespace holt {

namespace {

void append_number(std::string& out, std::uint32_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

std::uint32_t append_bytes(std::string& out, std::string_view bytes) {
  const auto at = static_cast<std::uint32_t>(out.size());
  out += bytes;
  return at;
}

bool has_data(Batch::Op op) { return op != Batch::Op::kErase && op != Batch::Op::kErasePrefix; }

// Reads a record's body; every method is false when it ends too early.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  bool done() const { return at_ == bytes_.size(); }
  std::uint32_t at() const { return static_cast<std::uint32_t>(at_); }

  bool byte(unsigned char& out) {
    if (done()) return false;
    out = static_cast<unsigned char>(bytes_[at_++]);
    return true;
  }
  bool number(std::uint32_t& out) {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
      unsigned char next;
      if (!byte(next)) return false;
      value |= std::uint64_t{next & 0x7fu} << shift;
      if ((next & 0x80) != 0) continue;
      out = static_cast<std::uint32_t>(value);
      return value <= 0xffffffff;
    }
    return false;
  }
  bool skip(std::size_t size) {
    if (size > bytes_.size() - at_) return false;
    at_ += size;
    return true;
  }

 private:
  std::string_view bytes_;
  std::size_t at_ = 0;
};

bool read_step(Reader& reader, Batch::Step& step) {
  unsigned char op;
  if (!reader.byte(op) || op < 1 || op > static_cast<unsigned char>(Batch::Op::kErasePrefix)) {
    return false;
  }
  step.op = static_cast<Batch::Op>(op);
  if (!reader.number(step.key_size)) return false;
  step.key_at = reader.at();
  if (!reader.skip(step.key_size)) return false;
  if (step.is_patch() && !reader.number(step.offset)) return false;
  if (!has_data(step.op)) return true;
  if (!reader.number(step.data_size)) return false;
  step.data_at = reader.at();
  return reader.skip(step.data_size) &&
         (step.op != Batch::Op::kAdd || step.data_size == sizeof(Le64));
}

// Where its bytes lie is still to be said.
Batch::Step step_of(Batch::Op op, Batch::Kind kind, Batch::Expect expect, std::string_view key,
                    std::uint32_t offset, std::string_view data) {
  return {.op = op,
          .kind = kind,
          .expect = expect,
          .offset = offset,
          .key_at = 0,
          .key_size = static_cast<std::uint32_t>(key.size()),
          .data_at = 0,
          .data_size = static_cast<std::uint32_t>(data.size())};
}

}  // namespace

void Batch::change(Op op, Expect expect, std::string_view key, std::uint32_t offset,
                   std::string_view data) {
  Step step = step_of(op, Kind::kChange, expect, key, offset, data);
  payload_ += static_cast<char>(op);
  append_number(payload_, step.key_size);
  step.key_at = append_bytes(payload_, key);
  if (step.is_patch()) append_number(payload_, offset);
  if (has_data(op)) {
    append_number(payload_, step.data_size);
    step.data_at = append_bytes(payload_, data);
  }
  steps_.push_back(step);
}

void Batch::condition(Kind kind, Expect expect, std::string_view key, std::uint32_t offset,
                      std::string_view data) {
  Step step = step_of({}, kind, expect, key, offset, data);
  step.key_at = append_bytes(conditions_, key);
  step.data_at = append_bytes(conditions_, data);
  steps_.push_back(step);
}

void Batch::put(std::string_view key, std::string_view value) {
  change(Op::kPut, Expect::kNothing, key, 0, value);
}
void Batch::insert(std::string_view key, std::string_view value) {
  change(Op::kPut, Expect::kAbsent, key, 0, value);
}
void Batch::replace(std::string_view key, std::string_view value) {
  change(Op::kPut, Expect::kPresent, key, 0, value);
}
void Batch::patch(std::string_view key, std::uint32_t offset, std::string_view bytes) {
  change(Op::kPatch, Expect::kPresent, key, offset, bytes);
}
void Batch::add(std::string_view key, std::uint32_t offset, std::int64_t delta) {
  const Le64 bytes(static_cast<std::uint64_t>(delta));
  change(Op::kAdd, Expect::kPresent, key, offset,
         {reinterpret_cast<const char*>(&bytes), sizeof bytes});
}
void Batch::erase(std::string_view key) { change(Op::kErase, Expect::kPresent, key, 0, {}); }
void Batch::erase_if_present(std::string_view key) {
  change(Op::kErase, Expect::kNothing, key, 0, {});
}
void Batch::move(std::string_view from, std::string_view to) {
  change(Op::kMove, Expect::kNothing, from, 0, to);
}
void Batch::erase_prefix(std::string_view prefix) {
  change(Op::kErasePrefix, Expect::kNothing, prefix, 0, {});
}

void Batch::require(std::string_view key) {
  condition(Kind::kPresence, Expect::kPresent, key, 0, {});
}
void Batch::require_absent(std::string_view key) {
  condition(Kind::kPresence, Expect::kAbsent, key, 0, {});
}
void Batch::require_bytes(std::string_view key, std::uint32_t offset, std::string_view bytes) {
  condition(Kind::kBytes, Expect::kPresent, key, offset, bytes);
}
void Batch::require_value(std::string_view key, std::string_view value) {
  condition(Kind::kValue, Expect::kPresent, key, 0, value);
}

void Batch::clear() {
  steps_.clear();
  payload_.clear();
  conditions_.clear();
}

Result<void> Batch::parse(std::string_view payload) {
  clear();
  payload_ = payload;
  Reader reader(payload_);
  while (!reader.done()) {
    Step step{};
    step.kind = Kind::kChange;
    step.expect = Expect::kNothing;
    if (!read_step(reader, step)) return fail(Code::kCorrupt, "a log record cannot be read");
    steps_.push_back(step);
  }
  return {};
}

}  // namespace holt
