// Going to the background once there is something to show for it.
//
// The parent must fork before any thread or lock exists, and may only end well after the mount
// succeeded. So it forks first and waits for the child's word.
//
// Thread safety: called by the only thread there is.
#pragma once

namespace holtfs {

class Background {
 public:
  // In the child: returns. In the parent: does not return, but exits with 0 after ready(), and with
  // the child's status when that ends before.
  static Background enter();
  // Tells the parent to end, and lets go of its terminal.
  void ready();

 private:
  explicit Background(int pipe) : pipe_(pipe) {}
  int pipe_;
};

}  // namespace holtfs
