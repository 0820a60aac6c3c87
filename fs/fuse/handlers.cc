#include "fs/fuse/handlers.h"

#include "fs/fuse/connection.h"
#include "fs/fuse/libfuse_setup.h"
#include "fs/fuse/passthrough.h"

namespace holtfs {

namespace {

void on_init(void* userdata, fuse_conn_info* conn) noexcept {
  auto& connection = *static_cast<Connection*>(userdata);
  request_features(conn, connection.options.acl, connection.options.readdirplus);
  if (connection.passthrough) {
    connection.passthrough = request_passthrough(conn, connection.options.store);
    if (connection.passthrough) connection.in_force += ",passthrough";
  }
  connection.no_open =
      !connection.passthrough && fuse_get_feature_flag(conn, FUSE_CAP_NO_OPEN_SUPPORT);
  connection.no_opendir = fuse_get_feature_flag(conn, FUSE_CAP_NO_OPENDIR_SUPPORT);
}

}  // namespace

const fuse_lowlevel_ops& handlers() {
  static const fuse_lowlevel_ops table = [] {
    fuse_lowlevel_ops ops = {};
    ops.init = on_init;
    add_namespace_handlers(ops);
    add_attribute_handlers(ops);
    add_directory_handlers(ops);
    add_file_handlers(ops);
    add_status_handlers(ops);
    count_requests(ops);
    return ops;
  }();
  return table;
}

}  // namespace holtfs
