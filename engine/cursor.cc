// Cursor: fetches entries in chunks and hands them out one by one.
#include "engine/scan_state.h"

namespace holt {

Cursor::Cursor(std::unique_ptr<internal::ScanState> state) : state_(std::move(state)) {}
Cursor::Cursor(Cursor&&) noexcept = default;
Cursor& Cursor::operator=(Cursor&&) noexcept = default;
Cursor::~Cursor() = default;

Result<bool> Cursor::next() {
  internal::ScanState& state = *state_;
  if (state.at + 1 < state.buffer.entries.size()) {
    ++state.at;
    return true;
  }
  if (state.done) {
    state.at = state.buffer.entries.size();
    return false;
  }
  state.buffer.clear();
  state.at = 0;
  auto done = state.tree.scan(state.bound, state.filter, state.chunk, state.buffer, state.wait);
  // What was found before the trouble is given first; the next call meets the trouble again.
  if (!done && state.buffer.entries.empty()) return pass(done);
  state.done = done && *done;
  return !state.buffer.entries.empty();
}

std::string_view Cursor::key() const {
  return state_->buffer.key(state_->buffer.entries[state_->at]);
}
std::string_view Cursor::value() const {
  return state_->buffer.value(state_->buffer.entries[state_->at]);
}
bool Cursor::rolled_up() const { return state_->buffer.entries[state_->at].rolled_up; }

}  // namespace holt
