// The kinds of requests that the kernel sends, by their numbers in the FUSE protocol.
//
// Here instead of <linux/fuse.h>, which knows those of its own kernel only.
// Thread safety: constants.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace holtfs {

struct Opcode {
  std::uint32_t number;
  std::string_view name;
};

// RENAME2 counts as RENAME, SETLKW as SETLK: the same function serves both.
inline constexpr std::array kOpcodes = {
    Opcode{1, "LOOKUP"},       Opcode{2, "FORGET"},        Opcode{3, "GETATTR"},
    Opcode{4, "SETATTR"},      Opcode{5, "READLINK"},      Opcode{6, "SYMLINK"},
    Opcode{8, "MKNOD"},        Opcode{9, "MKDIR"},         Opcode{10, "UNLINK"},
    Opcode{11, "RMDIR"},       Opcode{12, "RENAME"},       Opcode{13, "LINK"},
    Opcode{14, "OPEN"},        Opcode{15, "READ"},         Opcode{16, "WRITE"},
    Opcode{17, "STATFS"},      Opcode{18, "RELEASE"},      Opcode{20, "FSYNC"},
    Opcode{21, "SETXATTR"},    Opcode{22, "GETXATTR"},     Opcode{23, "LISTXATTR"},
    Opcode{24, "REMOVEXATTR"}, Opcode{25, "FLUSH"},        Opcode{27, "OPENDIR"},
    Opcode{28, "READDIR"},     Opcode{29, "RELEASEDIR"},   Opcode{30, "FSYNCDIR"},
    Opcode{31, "GETLK"},       Opcode{32, "SETLK"},        Opcode{34, "ACCESS"},
    Opcode{35, "CREATE"},      Opcode{37, "BMAP"},         Opcode{39, "IOCTL"},
    Opcode{40, "POLL"},        Opcode{42, "BATCH_FORGET"}, Opcode{43, "FALLOCATE"},
    Opcode{44, "READDIRPLUS"}, Opcode{46, "LSEEK"},        Opcode{47, "COPY_FILE_RANGE"},
    Opcode{51, "TMPFILE"},     Opcode{52, "STATX"},
};
inline constexpr std::size_t kMaxOpcodes = 64;  // their numbers are below

consteval std::uint32_t opcode(std::string_view name) {
  for (const Opcode& opcode : kOpcodes) {
    if (opcode.name == name && opcode.number < kMaxOpcodes) return opcode.number;
  }
  throw "no such opcode";
}

}  // namespace holtfs
