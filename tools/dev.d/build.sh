# Build directories: one per purpose under build/, configured once and again when options change.
# Only sourced by tools/dev.

RELEASE_OPTIONS=(-Dbench=false)
BENCH_OPTIONS=(-Dbench=true -Dtests=false)
# One clang build serves three checks: thread-safety analysis of every file, the compilation
# database for clang-tidy, and the tests under address and undefined-behaviour sanitizers.
SANITIZER_OPTIONS=(-Doptimization=1 -Ddebug=false -Db_lundef=false)
SANITIZER_CPP_ARGS="-gline-tables-only -fno-omit-frame-pointer"
ASAN_OPTIONS_MESON=(
  "${SANITIZER_OPTIONS[@]}" "-Db_sanitize=address,undefined"
  "-Dcpp_args=$SANITIZER_CPP_ARGS -fno-sanitize-recover=all"
)
# Only the engine's tests run here, and they do without libfuse.
TSAN_OPTIONS_MESON=(
  "${SANITIZER_OPTIONS[@]}" -Db_sanitize=thread -Dfuse=false
  "-Dcpp_args=$SANITIZER_CPP_ARGS"
)

# Returns 1, having said why, when meson refuses. A directory that another checkout, compiler or
# set of options left behind is made anew.
configure() { # NAME gcc|clang OPTION...
  local name=$1 family=$2
  shift 2
  local dir=$ROOT/build/$name cc=${CC:-gcc} cxx=${CXX:-g++} wanted
  if [ "$family" = clang ]; then
    cc=clang-19
    cxx=clang++-19
  fi
  wanted="$ROOT $cc $cxx $*"
  if [ -f "$dir/build.ninja" ] && [ "$(cat "$dir/dev-options" 2>/dev/null)" = "$wanted" ]; then
    return 0
  fi
  rm -rf "$dir"
  mkdir -p "$ROOT/build"
  say "configuring build/$name"
  if ! CC=$cc CXX=$cxx meson setup "$dir" "$ROOT" "$@" >"$ROOT/build/$name.setup.log" 2>&1; then
    tail -n 20 "$ROOT/build/$name.setup.log" >&2
    say "meson could not configure build/$name; all of it is in build/$name.setup.log."
    return 1
  fi
  printf '%s\n' "$wanted" >"$dir/dev-options"
}

# The compilers' output goes to the terminal.
build_release() { # [TARGET...]
  need_packages build
  need_fuse3
  configure release gcc "${RELEASE_OPTIONS[@]}" || exit 1
  ninja -C "$ROOT/build/release" "$@" >&2 || die "build/release did not compile."
}

build_bench() { # NAME
  need_packages build bench
  need_fuse3
  configure bench gcc "${BENCH_OPTIONS[@]}" || exit 1
  if ! ninja -C "$ROOT/build/bench" -t query "bench/bench_$1" >/dev/null 2>&1; then
    local known
    known=$(ninja -C "$ROOT/build/bench" -t targets all 2>/dev/null |
      sed -n 's|^bench/bench_\([^./]*\): .*|\1|p' | sort | tr '\n' ' ')
    die "there is no benchmark '$1'; those there are: fs ${known}"
  fi
  ninja -C "$ROOT/build/bench" >&2 || die "build/bench did not compile."
}
