# Packages: which ones each group needs, and how the missing ones are installed.
# Only sourced by tools/dev.

PACKAGES_build=(
  g++ meson ninja-build pkg-config git curl ca-certificates
  liburing-dev libnuma-dev libxxhash-dev libfmt-dev libcli11-dev nlohmann-json3-dev
  libboost-test-dev fuse3 mount
)
PACKAGES_test=(
  clang-19 clang-format-19 clang-tidy-19 libclang-rt-19-dev llvm-19
  python3 shellcheck e2fsprogs
  acl bonnie++ dbench fsmark rsync sqlite3 stress-ng
)
PACKAGES_bench=(
  libbenchmark-dev liblmdb-dev librocksdb-dev libsqlite3-dev
  python3 fio gnuplot-nox e2fsprogs xfsprogs btrfs-progs ntfs-3g bindfs
)

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "installing packages needs root: run 'tools/dev deps' once as root, or install sudo."
  fi
}

# Those of the packages that dpkg does not have.
missing_packages() { # PACKAGE...
  dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null |
    awk '$2 == "installed" { print $1 }' | sort -u |
    comm -13 - <(printf '%s\n' "$@" | sort -u)
}

# Installs what is missing of the named groups. dpkg is asked each time, which takes milliseconds
# and, unlike a stamp file, notices a package that was removed since.
need_packages() { # GROUP...
  local group wanted=() missing
  for group in "$@"; do
    case $group in
      build) wanted+=("${PACKAGES_build[@]}") ;;
      test) wanted+=("${PACKAGES_test[@]}") ;;
      bench) wanted+=("${PACKAGES_bench[@]}") ;;
      *) die "there is no dependency group '$group'; the groups are build, test and bench." ;;
    esac
  done
  if ! command -v apt-get >/dev/null; then
    say "apt-get is not here; going on as if the equivalents of these were: ${wanted[*]}"
    return
  fi
  mapfile -t missing < <(missing_packages "${wanted[@]}")
  [ ${#missing[@]} -eq 0 ] && return
  say "installing ${missing[*]}"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -q update ||
    say "apt-get update failed; trying with the package lists that are here."
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get -q install -y --no-install-recommends "${missing[@]}" ||
    die "apt-get could not install all of: ${missing[*]}."
}
