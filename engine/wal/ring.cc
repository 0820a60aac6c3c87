#include "engine/wal/ring.h"

#include <limits>
#include <utility>

#include "engine/base/check.h"
#include "engine/format.h"
#include "engine/wal/admission.h"
#include "engine/wal/committer.h"
#include "engine/wal/sequencer.h"

namespace holt::wal {

class Ring::Impl {
 public:
  Impl(Storage& storage, std::byte* memory, RingOptions&& options)
      : capacity_(options.bytes),
        admission_(options.bytes, std::move(options.on_pressure), std::move(options.give_up)),
        sequencer_(memory, options.bytes, options.generation, options.start),
        committer_(storage, sequencer_, options.bytes, options.start, options.commit_interval_ms,
                   [this, tell = std::move(options.on_poison)](const Error& cause) {
                     admission_.close();
                     if (tell) tell(cause);
                   }) {}

  const std::uint64_t capacity_;
  Admission admission_;
  Sequencer sequencer_;
  Committer committer_;  // last: its thread uses the others
};

std::unique_ptr<Ring> Ring::open(Storage& storage, std::byte* memory, RingOptions options) {
  return std::unique_ptr<Ring>(
      new Ring(std::make_unique<Impl>(storage, memory, std::move(options))));
}

Ring::Ring(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Ring::~Ring() = default;

Result<void> Ring::admit(std::size_t payload_size) {
  const std::uint64_t limit = impl_->capacity_ / 4;
  if (payload_size > std::numeric_limits<std::uint32_t>::max() ||
      record_bytes(payload_size) > limit) {
    return fail(Code::kTooLarge, "the batch does not fit into a quarter of the log");
  }
  auto taken = impl_->admission_.take(record_bytes(payload_size));
  if (!taken) return pass(taken);
  if (!*taken) return std::unexpected(poison_error());
  return {};
}

void Ring::cancel(std::size_t payload_size) {
  impl_->admission_.give_back(record_bytes(payload_size));
}

Lsn Ring::reserve(std::size_t payload_size) { return impl_->sequencer_.reserve(payload_size); }

Lsn Ring::write(Lsn at, std::string_view payload) { return impl_->sequencer_.write(at, payload); }

void Ring::wait_published(Lsn end) { impl_->sequencer_.wait_published(end); }

Lsn Ring::tail() const { return impl_->sequencer_.tail(); }

Lsn Ring::published() const { return impl_->sequencer_.published(); }

Lsn Ring::durable() const { return impl_->committer_.durable(); }

std::uint64_t Ring::used() const { return impl_->admission_.used(); }

Result<void> Ring::sync(Lsn lsn) { return impl_->committer_.sync(lsn); }

void Ring::sync_async(Lsn lsn, std::function<void(Result<void>)> done) {
  impl_->committer_.sync_async(lsn, std::move(done));
}

void Ring::trim(Lsn lsn) {
  impl_->admission_.give_back(impl_->committer_.trim(lsn));
  // The half may have been crossed again while the checkpoint ran, which nobody reported.
  impl_->admission_.signal_pressure_if_above_half();
}

void Ring::poison(const Error& cause) { impl_->committer_.poison(cause); }

bool Ring::poisoned() const { return impl_->committer_.poisoned(); }

Error Ring::poison_error() const { return impl_->committer_.poison_error(); }

std::uint64_t Ring::sync_count() const { return impl_->committer_.sync_count(); }

std::uint64_t Ring::wait_count() const { return impl_->admission_.wait_count(); }

}  // namespace holt::wal
