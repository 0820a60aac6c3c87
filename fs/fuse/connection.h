// Connection: what the handlers of one mount share, and the pattern by which they serve a request.
//
// Thread safety: any thread.
#pragma once

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fs/errno_table.h"
#include "fs/filesystem.h"
#include "fs/fuse/libfuse.h"
#include "fs/fuse/options.h"
#include "fs/fuse/reply.h"
#include "fs/fuse/requests.h"
#include "fs/fuse/workers.h"

namespace holtfs {

struct Connection {
  Connection(Filesystem& served, const MountOptions& asked, std::size_t worker_threads)
      : fs(served),
        options(asked),
        in_force(describe(asked)),
        passthrough(asked.passthrough),
        workers(worker_threads),
        syncers(worker_threads) {}

  Filesystem& fs;
  const MountOptions& options;
  Unanswered unanswered;
  Requests requests;
  std::string in_force;                      // the options, to be shown
  bool no_open = false, no_opendir = false;  // the kernel can do without these requests
  // Wanted; once there is an INIT, in force, and no_open is off.
  bool passthrough;
  // Set when the mount is about to end: from then on the thread that takes a request also answers
  // it.
  std::atomic<bool> ending{false};
  fuse_session* session = nullptr;
  std::atomic<bool> unmounted{false};      // by force, while it was busy
  std::atomic<std::uint64_t> deferred{0};  // requests to be answered by other threads
  // Last: their threads use the rest. A sync is not to keep those waiting who need only a read.
  Workers workers;
  Workers syncers;
  Workers seekers{1};

  // The kernel writes back and drops the pages from `offset` on that it has of a file, or of a
  // directory's listing. Not from a thread that READ or WRITE requests may wait for.
  void forget_pages(Ino ino, std::uint64_t offset = 0) {
    fuse_lowlevel_notify_inval_inode(session, number_of(ino), static_cast<off_t>(offset), 0);
  }
  // Whether the kernel has not dropped the inode, after which it says FORGET; from any thread.
  bool kernel_refers(Ino ino) const {
    return fuse_lowlevel_notify_inval_inode(session, number_of(ino), -1, 0) != -ENOENT;
  }
  // The kernel asks for the attributes again; from any thread.
  void forget_attributes(Ino ino) {
    fuse_lowlevel_notify_inval_inode(session, number_of(ino), -1, 0);
  }
};

// Counts a request as one that another thread answers, for as long as it exists.
class Deferred {
 public:
  explicit Deferred(Connection& connection) : connection_(&connection) {
    connection_->deferred.fetch_add(1);
  }
  Deferred(Deferred&& other) noexcept : connection_(std::exchange(other.connection_, nullptr)) {}
  Deferred& operator=(Deferred&&) = delete;
  ~Deferred() {
    if (connection_ == nullptr) return;
    connection_->deferred.fetch_sub(1);
    connection_->deferred.notify_all();
  }

 private:
  Connection* connection_;
};

inline Connection& connection_of(fuse_req_t request) {
  return *static_cast<Connection*>(fuse_req_userdata(request));
}

// A name that a request brings: its memory is the kernel's again once the handler returns.
using Name = Bytes<schema::kMaxNameBytes + 1>;

// For Credentials::has_group.
inline bool request_has_group(fuse_req_t request, gid_t group) {
  std::vector<gid_t> groups(32);
  int count = fuse_req_getgroups(request, static_cast<int>(groups.size()), groups.data());
  if (count > std::ssize(groups)) {
    groups.resize(static_cast<std::size_t>(count));
    count = fuse_req_getgroups(request, count, groups.data());
  }
  groups.resize(static_cast<std::size_t>(std::clamp<std::ptrdiff_t>(count, 0, std::ssize(groups))));
  return std::ranges::count(groups, group) > 0;
}

inline Caller caller_of(fuse_req_t request, holt::Wait wait) {
  const fuse_ctx* const context = fuse_req_ctx(request);
  return {
      .who = {.uid = context->uid,
              .gid = context->gid,
              .has_group = [request](gid_t group) { return request_has_group(request, group); }},
      .umask = context->umask,
      .wait = wait};
}

// Answers when everything changed so far is durable.
inline void answer_when_durable(Connection& connection, Reply reply, auto answer) {
  if (connection.ending) {
    const auto synced = connection.fs.store().sync();
    if (!synced) return reply.error(value_of(errno_of(synced.error())));
    return answer(reply);
  }
  // std::function wants a copyable target.
  auto held = std::make_shared<std::pair<Deferred, Reply>>(Deferred(connection), std::move(reply));
  connection.fs.sync_async([held, answer = std::move(answer)](int err) mutable {
    if (err != 0) return held->second.error(err);
    answer(held->second);
  });
}

// An operation without a value, as one that serve() can take.
struct Done {};
inline Outcome<Done> done(const Outcome<void>& outcome) {
  if (!outcome) return fail(outcome.error());
  return Done{};
}
inline constexpr auto kAnswerDone = [](Reply& reply, Done&) { reply.done(); };

// Runs `work(fs, caller)` and gives its value to `answer(reply, value)`; errors are answered here.
// The work is first tried where it may not wait, and, if it has to, run again by a worker. It owns
// its arguments; where it does not yet, it has keep(), which makes copies.
template <class Work, class Answer>
void serve(fuse_req_t request, Work work, Answer answer) {
  Connection& connection = connection_of(request);
  Reply reply(connection.unanswered, request);
  Caller caller = caller_of(request, connection.ending ? holt::Wait::kYes : holt::Wait::kNo);
  auto outcome = work(connection.fs, caller);
  if (outcome) return answer(reply, *outcome);
  if (outcome.error() != kWouldWait) return reply.error(value_of(outcome.error()));
  if constexpr (requires { work.keep(); }) work.keep();
  caller.wait = holt::Wait::kYes;
  connection.workers.post([&connection, caller, token = Deferred(connection),
                           reply = std::move(reply), work = std::move(work),
                           answer = std::move(answer)]() mutable {
    auto late = work(connection.fs, caller);
    if (late) return answer(reply, *late);
    reply.error(value_of(late.error()));
  });
}

// The same for what has to be durable before it is answered.
template <class Work, class Answer>
void serve_durably(fuse_req_t request, Work work, Answer answer) {
  Connection& connection = connection_of(request);
  serve(request, std::move(work),
        [&connection, answer = std::move(answer)](Reply& reply, auto& value) {
          answer_when_durable(connection, std::move(reply),
                              [answer, value](Reply& later) mutable { answer(later, value); });
        });
}

// The same for changes, of which `-o sync` wants that.
template <class Work, class Answer>
void serve_change(fuse_req_t request, Work work, Answer answer) {
  if (!connection_of(request).options.sync) {
    return serve(request, std::move(work), std::move(answer));
  }
  serve_durably(request, std::move(work), std::move(answer));
}

// The same for changes of contents that the kernel does not follow up with FSYNC, as it does
// writes. Syncing them is for a worker.
template <class Work, class Answer>
void serve_resize(fuse_req_t request, Ino ino, Work work, Answer answer) {
  if (!connection_of(request).options.sync_contents) {
    return serve_change(request, std::move(work), std::move(answer));
  }
  const auto synced = [ino, work = std::move(work)](Filesystem& fs, const Caller& caller) {
    using Result = decltype(work(fs, caller));
    if (caller.wait == holt::Wait::kNo) return Result(fail(kWouldWait));
    Result result = work(fs, caller);
    const Outcome<void> durable = result ? fs.sync_contents(ino) : Outcome<void>();
    return durable ? std::move(result) : Result(fail(durable.error()));
  };
  serve_change(request, synced, std::move(answer));
}

}  // namespace holtfs
